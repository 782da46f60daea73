"""The open segment on disk: flushes the journal every 50 ms, rolls it, hands it to the sealer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex

from recorder.intake import Intake
from recorder.sealer import Sealer
from recorder.settings import Settings
from recorder.stamp import now
from schemas.errors import BackpackError, TapeError
from schemas.frames import SegmentHead
from tape.journal import JournalWriter
from tape.layout import SegmentName, Tape
from tape.version import FORMAT, code_version

FLUSH_EVERY_S = 0.05
LARGEST_SEGMENT_FRAMES = 20_000_000  # half an hour of the venue's peak


def session_name() -> str:
    """Sorts by time, and is unique: ``20261122T063000Z-3f9a``."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token_hex(2)}"


class Store:
    """Journals of one session. With no tape it keeps nothing and only numbers the segments."""

    def __init__(
        self, intake: Intake, tape: Tape | None, sealer: Sealer | None, settings: Settings
    ) -> None:
        self._intake = intake
        self._tape = tape
        self._sealer = sealer
        self._settings = settings
        self._topics: tuple[str, ...] = ()
        self._journal: JournalWriter | None = None
        self._name = SegmentName(session_name(), 0)
        self._first_seq = 0
        self._rolls_at = 0.0
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    @property
    def session(self) -> str:
        """Name of this session."""
        return self._name.session

    def begin(self, topics: tuple[str, ...]) -> None:
        """Open the first segment; raises TapeError where the folder cannot be written."""
        self._topics = topics
        try:
            self._begin_segment(self._open_journal(1), 1)
        except OSError as error:
            raise _unwritable(error) from None

    async def run(self) -> None:
        """Flush and roll until cancelled; raises TapeError when the disk refuses."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            if self._intake.fault is not None:
                raise _faulty(self._intake.fault) from self._intake.fault
            try:
                await self._flush()
                if self._is_due():
                    await self._roll()
            except OSError as error:
                raise _unwritable(error) from None

    async def finish(self) -> None:
        """End the last segment in order; raises TapeError when the disk refuses."""
        try:
            await self._close(self._intake.end("stop"), self._name)
        except OSError as error:
            raise _unwritable(error) from None

    async def _flush(self) -> None:
        """Everything taken so far is on disk afterwards. Compressing and syncing happen in
        a thread, so that they never hold up the socket."""
        journal = self._journal
        if journal is not None and (batches := journal.take()):
            await self._in_thread(partial(journal.write, batches))

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """Work on a journal, one piece after another, whole even if the caller is cancelled: what
        was taken from the buffer must reach the disk."""
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._writer, work))

    def _is_due(self) -> bool:
        frames = self._intake.seq - self._first_seq
        return now().ts_recv / 1e9 >= self._rolls_at or frames >= LARGEST_SEGMENT_FRAMES

    async def _roll(self) -> None:
        """No await between the end of a segment and the beginning of the next: no frame may come
        in between. The new journal is there before the old one ends, if the disk has room."""
        number = self._name.number + 1
        journal = self._open_journal(number)
        ended, name = self._intake.end("roll"), self._name
        self._begin_segment(journal, number)
        await asyncio.shield(self._close(ended, name))

    async def _close(self, journal: JournalWriter | None, name: SegmentName) -> None:
        if journal is not None and self._tape is not None and self._sealer is not None:
            await self._in_thread(journal.close)
            self._sealer.add(self._tape.journal(name))

    def _open_journal(self, number: int) -> JournalWriter | None:
        if self._tape is None:
            return None
        return JournalWriter(self._tape.journal(SegmentName(self.session, number)))

    def _begin_segment(self, journal: JournalWriter | None, number: int) -> None:
        roll = self._settings.roll
        self._rolls_at = (now().ts_recv / 1e9 // roll + 1) * roll  # on the hour, for 1h
        self._name = SegmentName(self.session, number)
        self._journal = journal
        self._first_seq = self._intake.seq + 1
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
        )


def _unwritable(error: OSError) -> TapeError:
    return TapeError(
        f"the recording cannot be written: {error}; what was flushed before is safe and will be"
        " sealed by the next start on this folder"
    )


def _faulty(fault: Exception) -> BackpackError:
    return BackpackError(
        f"a fault of this program ended the recording ({type(fault).__name__}: {fault}); all frames"
        " are in the journal and will be sealed; please report it"
    )
