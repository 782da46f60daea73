"""The open segment on disk: flushes the journal every 50 ms, rolls it, hands it to the sealer."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from secrets import token_hex

from recorder.intake import Intake
from recorder.sealer import Sealer
from recorder.settings import Settings
from recorder.stamp import now
from schemas.errors import TapeError
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
        self._writing = asyncio.Lock()

    @property
    def session(self) -> str:
        """Name of this session."""
        return self._name.session

    def begin(self, topics: tuple[str, ...]) -> None:
        """Open the first segment; raises TapeError where the folder cannot be written."""
        self._topics = topics
        try:
            self._next_segment()
        except OSError as error:
            raise _unwritable(error) from None

    async def run(self) -> None:
        """Flush and roll until cancelled; raises TapeError when the disk refuses."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            try:
                await self._flush()
                if self._is_due():
                    await self._roll()
            except OSError as error:
                raise _unwritable(error) from None

    async def finish(self) -> None:
        """End the last segment in order; raises TapeError when the disk refuses."""
        try:
            await self._end("stop")
        except OSError as error:
            raise _unwritable(error) from None

    async def _flush(self) -> None:
        """Everything taken so far is on disk afterwards. Compressing and syncing happen in
        a thread, so that they never hold up the socket."""
        journal = self._journal
        if journal is not None:
            async with self._writing:
                if batches := journal.take():
                    await asyncio.to_thread(journal.write, batches)

    def _is_due(self) -> bool:
        frames = self._intake.seq - self._first_seq
        return now().ts_recv / 1e9 >= self._rolls_at or frames >= LARGEST_SEGMENT_FRAMES

    async def _roll(self) -> None:
        await self._end("roll", then=self._next_segment)

    async def _end(self, reason: str, then: Callable[[], None] | None = None) -> None:
        """No await between the end of a segment and the beginning of the next: no frame may
        come in between."""
        journal, name = self._intake.end(reason), self._name
        if then is not None:
            then()
        if journal is None or self._tape is None or self._sealer is None:
            return
        async with self._writing:
            await asyncio.to_thread(journal.close)
        self._sealer.add(self._tape.journal(name))

    def _next_segment(self) -> None:
        roll = self._settings.roll
        self._rolls_at = (now().ts_recv / 1e9 // roll + 1) * roll  # on the hour, for 1h
        self._name = SegmentName(self._name.session, self._name.number + 1)
        if self._tape is not None:
            self._journal = JournalWriter(self._tape.journal(self._name))
        self._first_seq = self._intake.seq + 1
        self._intake.begin(self._head(), self._journal)

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
