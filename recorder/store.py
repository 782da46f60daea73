"""The open segment on disk: flushes the journal every 50 ms, rolls it, hands it to the sealer.

Whatever the disk does, frames are taken: what it refuses stays in the journals' memory, within the
bound that `recorder.memory` keeps, and is written when it takes writes again.
"""

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path

from recorder.disk import Disk, Notice
from recorder.intake import Intake
from recorder.quantities import pretty_size
from recorder.sealer import Sealer
from recorder.session import new_session
from recorder.settings import Settings
from recorder.worker import Worker
from schemas.errors import BackpackError, TapeError
from schemas.frames import SegmentHead
from schemas.rows import SCHEMA
from tape.journal import JournalWriter
from tape.layout import SegmentName, Tape
from tape.version import FORMAT, code_version

FLUSH_EVERY_S = 0.05
RETRY_S = 1.0  # while the disk is in trouble
PRESENT_EVERY_S = 1.0  # is the journal still where it was made
LAST_TRIES_S = 4.0  # at the end, on a disk in trouble
LAST_ANSWER_S = 60.0  # at the end, on a disk that was well
LARGEST_SEGMENT_FRAMES = 20_000_000  # half an hour of the venue's peak
_SLACK = 1.01  # of a roll by the monotonic clock, so that the full hour comes first


class Store:
    """Journals of one session. With no tape it keeps nothing and only numbers the segments.

    session: its name, once begun. disk: what is wrong with it.
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
        self._topics: tuple[str, ...] = ()
        self._journal: JournalWriter | None = None
        self._next: JournalWriter | None = None  # made ahead of its segment
        self._ended: list[tuple[JournalWriter, SegmentName]] = []  # not closed yet, oldest first
        self._name = SegmentName("", 0)
        self._first_seq = 0
        self._safe_seq = 0  # all frames up to this one are on disk
        self._rolls_at = 0.0  # by the wall clock..
        self._rolls_by = 0.0  # ..but no later, by the monotonic one
        self._looked = 0.0
        self._worker = Worker("journal")
        self.disk = Disk(intake.memory, notice, intake.clock)

    @property
    def session(self) -> str:
        """Name of this session."""
        return self._name.session

    @property
    def waiting(self) -> int:
        """Calls to the disk that have not returned."""
        return self._worker.waiting

    async def begin(self, topics: tuple[str, ...]) -> None:
        """Open the first segment; raises TapeError where the folder cannot be written."""
        self._topics = topics
        try:
            session = await self._worker.do(lambda: new_session(self._tape, self._clock()))
            self._name = SegmentName(session.name, 0)
            if session.doubt:
                self._notice(session.doubt)
            self._begin_segment(await self._open(1), 1)
        except OSError as error:
            raise TapeError(f"the recording cannot be written: {error}") from None

    async def run(self) -> None:
        """Flush and roll until cancelled; raises BackpackError for a fault of this program."""
        while True:
            await asyncio.sleep(RETRY_S if self.disk.trouble else FLUSH_EVERY_S)
            if self._intake.fault is not None:
                raise _faulty(self._intake.fault) from self._intake.fault
            try:
                await self._flush()
                await self._look()
                if self._is_due():
                    await self._roll()
            except OSError as error:
                self._pause(error)
            else:
                self._resume()

    async def watch(self) -> None:
        """Until cancelled: the bound, and alarms, also while a call to the disk hangs."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            self._intake.relieve()
            self.disk.watch(self._worker.busy_s)
            if self._sealer is not None and self.disk.trouble:
                self._sealer.paused = True

    async def finish(self) -> None:
        """End the last segment in order; raises TapeError when the disk refuses for good, naming
        what could not be written."""
        journal = self._intake.end("stop")
        if journal is not None:
            self._ended.append((journal, self._name))
        self._journal = None
        try:
            await self._close_in_time()
        except OSError as error:
            self._pause(error)
            raise self._give_up(error) from None
        else:
            self._resume()
        finally:
            self._worker.close()

    async def _flush(self) -> None:
        """Everything taken so far is on disk afterwards. Compressing and syncing happen in
        a thread, so that they never hold up the socket."""
        seq = self._intake.seq
        await self._close_ended()
        if self._journal is not None and self._journal.held:
            await self._worker.do(self._journal.flush)
        self._safe_seq = seq

    async def _close_ended(self) -> None:
        while self._ended:
            journal, name = self._ended[0]
            await self._worker.do(journal.close)
            del self._ended[0]
            self._intake.memory.release(journal)
            if self._sealer is not None and self._tape is not None:
                self._sealer.add(self._tape.journal(name))

    async def _close_in_time(self) -> None:
        """A disk in trouble gets a few more seconds; raises OSError when they are over."""
        loop = asyncio.get_running_loop()
        patience = LAST_TRIES_S if self.disk.trouble else LAST_ANSWER_S
        until = loop.time() + LAST_TRIES_S
        while True:
            try:
                async with asyncio.timeout(patience):
                    for journal, _ in self._ended:
                        await self._worker.do(journal.flush)
                    self._safe_seq = self._intake.seq
                    await self._look()
                    await self._close_ended()
                    await self._worker.do(self._drop_next)
                return
            except TimeoutError:
                raise TimeoutError(f"no answer for {patience:g} s") from None
            except OSError:
                if loop.time() + RETRY_S > until:
                    raise
            await asyncio.sleep(RETRY_S)

    async def _look(self) -> None:
        """A journal whose mount has gone can be written to for ever, and nobody would see it."""
        now = asyncio.get_running_loop().time()
        if self._tape is not None and now - self._looked >= PRESENT_EVERY_S:
            await self._worker.do(self._tape.journal(self._name).stat)
            self._looked = now

    def _pause(self, error: OSError) -> None:
        self._looked = 0.0
        self.disk.failed(error)
        if self._sealer is not None:
            self._sealer.paused = True

    def _resume(self) -> None:
        self._intake.relieve()
        if self.disk.works() and self._sealer is not None:
            self._sealer.resume()

    def _is_due(self) -> bool:
        frames, stamp = self._intake.seq - self._first_seq, self._clock()
        by_wall = stamp.ts_recv / 1e9 >= self._rolls_at
        by_mono = stamp.ts_mono / 1e9 >= self._rolls_by  # the wall clock was set back
        return by_wall or by_mono or frames >= LARGEST_SEGMENT_FRAMES

    async def _roll(self) -> None:
        """No await between the end of a segment and the beginning of the next: no frame may come
        in between. The new journal is there before the old one ends, if the disk has room."""
        number = self._name.number + 1
        journal = await self._open(number)
        ended, name = self._intake.end("roll"), self._name
        self._begin_segment(journal, number)
        if ended is not None:
            self._ended.append((ended, name))
        await self._flush()

    async def _open(self, number: int) -> JournalWriter | None:
        """A new journal; raises OSError, after which nothing has changed."""
        if self._tape is None:
            return None
        path = self._tape.journal(SegmentName(self.session, number))
        if self._next is None:
            await self._worker.do(partial(self._make_next, path, number))
        journal, self._next = self._next, None
        return journal

    def _make_next(self, path: Path, number: int) -> None:
        """In the thread. Only the first journal of a session may make the folder: later it is
        there, or its mount has gone, and nothing may be written in its place."""
        if number > 1:
            path.parent.stat()
        if path.exists() and not path.stat().st_size:
            path.unlink()  # of a try that failed half way
        self._next = JournalWriter(path)
        self._next_path = path

    def _drop_next(self) -> None:
        """In the thread: a journal made for a roll that was cancelled."""
        if self._next is not None:
            self._next.abandon()
            with suppress(OSError):  # it is empty
                self._next_path.unlink()

    def _begin_segment(self, journal: JournalWriter | None, number: int) -> None:
        roll, stamp = self._settings.roll, self._clock()
        self._rolls_at = (stamp.ts_recv / 1e9 // roll + 1) * roll  # on the hour, for 1h
        self._rolls_by = stamp.ts_mono / 1e9 + roll * _SLACK
        self._name = SegmentName(self.session, number)
        self._journal = journal
        self._first_seq = self._intake.seq + 1
        if journal is not None:
            self._intake.memory.watch(journal)
        self._intake.begin(self._head(), journal)

    def _head(self) -> SegmentHead:
        return SegmentHead(
            session=self._name.session,
            number=self._name.number,
            format=FORMAT,
            code=code_version(),
            topics=self._topics,
            ws_url=self._settings.ws_url,
            rest_url=self._settings.rest_url,
            rows_schema=SCHEMA,
        )

    def _give_up(self, error: OSError) -> TapeError:
        """Nothing more can be done for what the journals hold; what that is."""
        frames, held = self._intake.seq - self._safe_seq, self._intake.memory.held
        for journal, _ in self._ended:
            self._worker.give(journal.abandon)
        lost = f"up to {frames} frames ({pretty_size(held)} in memory) are lost" if frames else ""
        return TapeError(
            f"the recording cannot be written: {error}; {lost or 'no frame is lost'}; what was"
            " flushed before is safe and will be sealed by the next start on this folder"
        )


def _faulty(fault: Exception) -> BackpackError:
    return BackpackError(
        f"a fault of this program ended the recording ({type(fault).__name__}: {fault}); all frames"
        " are in the journal and will be sealed; please report it"
    )
