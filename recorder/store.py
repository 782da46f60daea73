"""The open segment on disk: flushes the journal every 50 ms, rolls it, hands it to the sealer.

Whatever the disk does, frames are taken: what it refuses stays in the journals' memory, within the
bound that `recorder.memory` keeps, and is written when it takes writes again.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from recorder.disk import Disk, Notice
from recorder.intake import Intake
from recorder.next_journal import NextJournal
from recorder.roll import Roll
from recorder.sealer import Sealer
from recorder.session import new_session
from recorder.settings import Settings
from recorder.worker import Worker
from schemas.errors import BackpackError, TapeError
from schemas.frames import SegmentHead
from schemas.rows import SCHEMA
from tape.journal import JournalWriter
from tape.layout import SegmentName, Tape
from tape.quantities import pretty_size
from tape.version import FORMAT, code_version

FLUSH_EVERY_S = 0.05
RETRY_S = 1.0  # while the disk is in trouble
PRESENT_EVERY_S = 1.0  # is the journal still where it was made
LAST_TRIES_S = 4.0  # at the end, on a disk in trouble
LAST_ANSWER_S = 60.0  # at the end, on a disk that was well


class Ended(NamedTuple):
    """A segment that has ended, with its journal, which is not closed yet.

    since, until: when it began and ended, ns by the monotonic clock.
    """

    journal: JournalWriter
    name: SegmentName
    first_seq: int
    last_seq: int
    since: int
    until: int

    @property
    def frames(self) -> int:
        """Frames of all kinds."""
        return self.last_seq - self.first_seq + 1


class Store:
    """Journals of one session. With no tape it keeps nothing and only numbers the segments.

    session: its name, once begun. disk: what is wrong with it. schedule: when segments end.
    """

    def __init__(
        self, intake: Intake, sealer: Sealer | None, settings: Settings, notice: Notice
    ) -> None:
        self._intake = intake
        self._tape = Tape(settings.data) if settings.data else None
        self._sealer = sealer
        self._settings = settings
        self._notice = notice
        self._clock = intake.clock
        self._topics: Callable[[], tuple[str, ...]] = tuple
        self._rolls: list[asyncio.Future[int]] = []  # who waits for the next segment
        self._journal: JournalWriter | None = None
        self._ended: list[Ended] = []  # oldest first
        self._first_seq = self._since = 0  # of the open segment
        self._name = SegmentName("", 0)
        self.schedule = Roll(settings.roll, intake.clock)
        self._looked = 0.0
        self._saved = "all frames are in the journal and will be sealed"
        self._worker = Worker("journal")
        self._next = NextJournal(self._tape, self._worker, settings.private) if self._tape else None
        self.disk = Disk(intake.memory, notice, intake.clock)

    @property
    def session(self) -> str:
        """Name of this session."""
        return self._name.session

    @property
    def segment(self) -> int:
        """Number of the segment that is being recorded."""
        return self._name.number

    @property
    def waiting(self) -> int:
        """Calls to the disk that have not returned: who makes time leap, as our tests do, has to
        wait for them."""
        return self._worker.waiting

    async def begin(self, topics: Callable[[], tuple[str, ...]]) -> None:
        """Open the first segment; raises TapeError where the folder cannot be written. topics: what
        is subscribed, for the head of each segment."""
        self._topics = topics
        try:
            session = await self._worker.do(lambda: new_session(self._tape, self._clock()))
            self._name = SegmentName(session.name, 0)
            if session.doubt:
                self._notice(session.doubt)
            self._begin_segment(await self._open(1), 1)
        except OSError as error:
            raise TapeError(
                f"the recording cannot be written: {error}: make room, or take another folder"
            ) from None

    async def run(self) -> None:
        """Flush and roll until cancelled; raises BackpackError for a fault of this program."""
        while True:
            await asyncio.sleep(RETRY_S if self.disk.trouble else FLUSH_EVERY_S)
            if self._intake.fault is not None:
                raise self._faulty(self._intake.fault) from self._intake.fault
            try:
                await self._work()
            except OSError as error:
                self._pause(error)
            else:
                self._resume()

    async def roll(self) -> int:
        """End the segment that is being recorded; the number of the next, once it is open."""
        opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._rolls.append(opened)
        return await opened

    async def watch(self) -> None:
        """Until cancelled: the bound, and alarms, also while a call to the disk hangs."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            self._intake.relieve()
            self.disk.watch(self._worker.busy_s)
            if self._sealer is not None and self.disk.trouble:
                self._sealer.paused = True

    async def finish(self, failure: BaseException | None = None) -> None:
        """End the last segment in order; raises TapeError when the disk refuses for good, naming
        what could not be written. failure: what ended the recording, if not who runs it did."""
        self._end_last(failure)
        self._journal = None
        try:
            await self._close_in_time()
        except OSError as error:
            self._pause(error)
            raise self._give_up(error) from None
        else:
            self._resume()

    def close(self) -> None:
        """Let the thread end."""
        self._worker.close()

    async def _work(self) -> None:
        """What is due now; raises OSError where the disk refuses."""
        await self._flush()
        if self._rolls or self.schedule.is_due(self._intake.seq):
            await self._roll()

    def _end_last(self, failure: BaseException | None) -> None:
        del failure  # what came before it is on the disk anyway
        self._end("stop")

    async def _flush(self) -> None:
        """Everything taken so far is on disk afterwards. Compressing and syncing happen in
        a thread, so that they never hold up the socket."""
        await self._close_ended()
        now = asyncio.get_running_loop().time()
        if self._journal is None:
            return
        if self._journal.held:
            await self._worker.do(self._journal.flush)
            self._looked = now
        elif now - self._looked >= PRESENT_EVERY_S:
            await self._worker.do(self._journal.check)
            self._looked = now

    async def _close_ended(self) -> None:
        while self._ended:
            ended = self._ended[0]
            await self._worker.do(ended.journal.close)
            del self._ended[0]
            self._intake.memory.release(ended.journal)
            if self._sealer is not None:
                self._sealer.add(ended.journal.path, ended.last_seq)

    async def _close_in_time(self) -> None:
        """A disk in trouble gets a few more seconds; raises OSError when they are over."""
        loop = asyncio.get_running_loop()
        patience = LAST_TRIES_S if self.disk.trouble else LAST_ANSWER_S
        until = loop.time() + LAST_TRIES_S
        while True:
            try:
                async with asyncio.timeout(patience):
                    for ended in self._ended:
                        await self._worker.do(ended.journal.flush)
                    await self._close_ended()
                    if self._next is not None:
                        await self._worker.do(self._next.drop)
                return
            except TimeoutError:
                raise TimeoutError(f"no answer for {patience:g} s") from None
            except OSError:
                if loop.time() + RETRY_S > until:
                    raise
            await asyncio.sleep(RETRY_S)

    def _pause(self, error: OSError) -> None:
        self._looked = 0.0
        self.disk.failed(error)
        if self._sealer is not None:
            self._sealer.paused = True

    def _resume(self) -> None:
        self._intake.relieve()
        if self.disk.works() and self._sealer is not None:
            self._sealer.resume()

    async def _roll(self) -> None:
        """No await between the end of a segment and the beginning of the next: no frame may come
        in between. The new journal is there before the old one ends, if the disk has room."""
        number = self._name.number + 1
        journal = await self._open(number)
        self._end("roll")
        self._begin_segment(journal, number)
        await self._flush()

    async def _open(self, number: int) -> JournalWriter | None:
        """A new journal; raises OSError, after which nothing has changed."""
        if self._next is None:
            return None
        return await self._next.take(SegmentName(self.session, number))

    def _end(self, reason: str) -> None:
        """End the segment that is open."""
        journal, until = self._intake.end(reason), self._clock().ts_mono
        if journal is not None:
            span = (self._first_seq, self._intake.seq, self._since, until)
            self._keep(Ended(journal, self._name, *span))

    def _keep(self, ended: Ended) -> None:
        """It is to be closed, and sealed."""
        self._ended.append(ended)

    def _begin_segment(self, journal: JournalWriter | None, number: int) -> None:
        self.schedule.begin(self._intake.seq)
        self._name = SegmentName(self.session, number)
        self._first_seq, self._since = self._intake.seq + 1, self._clock().ts_mono
        self._journal = journal
        if journal is not None:
            self._intake.memory.watch(journal)
        self._intake.begin(self._head(), journal)
        for opened in self._rolls:
            if not opened.done():
                opened.set_result(number)
        self._rolls.clear()

    def _head(self) -> SegmentHead:
        return SegmentHead(
            session=self._name.session,
            number=self._name.number,
            format=FORMAT,
            code=code_version(),
            topics=self._topics(),
            ws_url=self._settings.ws_url,
            rest_url=self._settings.rest_url,
            rows_schema=SCHEMA,
            shard=self._settings.shard_name,
        )

    def _faulty(self, fault: Exception) -> BackpackError:
        return BackpackError(
            f"a fault of this program ended the recording ({type(fault).__name__}: {fault});"
            f" {self._saved}; please report it"
        )

    def _give_up(self, error: OSError) -> TapeError:
        """Nothing more can be done for what the journals hold; what that is."""
        journals = [ended.journal for ended in self._ended]
        lost = sum(journal.held_frames for journal in journals)
        held = pretty_size(self._intake.memory.held)
        parts = [f"up to {lost} frames ({held} in memory) are lost" if lost else "no frame is lost"]
        parts += map(_fate, journals)
        for journal in journals:
            self._worker.give(journal.abandon)
        return TapeError(f"the recording cannot be written: {error}; {'; '.join(parts)}")


def _fate(journal: JournalWriter) -> str:
    """What has become of the frames that were flushed."""
    count, name = journal.written_frames, journal.path.name
    if not count:
        return f"nothing is in {name}"
    if journal.gone:
        return f"the {count} that were flushed are gone too, unless {name} comes back as it was"
    return f"the {count} that were flushed are safe in {name}, which the next start will seal"
