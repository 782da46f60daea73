"""A store that keeps segments in memory, and writes them when something has happened.

Rolled often, so that what is too old can go piece by piece; each piece begins with keyframes and
replays alone. What a dump wrote is out of the ring, and is not written again.
"""

import asyncio
from dataclasses import replace

import msgspec

from recorder.dumps import Dump, Dumps, Notice
from recorder.intake import Intake
from recorder.messages import Level, Message
from recorder.ring import Ring
from recorder.sealer import Sealer
from recorder.settings import Settings
from recorder.space import DiskLow
from recorder.store import Ended, Store
from recorder.triggers import RowTriggers
from schemas.frames import Frame, SegmentHead
from tape.files import make_folder
from tape.journal import JournalWriter
from tape.journal_file import WholeFile
from tape.layout import SegmentName, Tape
from tape.quantities import pretty_size

PIECES = 6  # of a ring, at least
SHORTEST_S = 1.0  # of a segment, unless the recording ends: keyframes of many books take a while
PACK_EVERY_S = 1.0
ROOM = 3, 4  # of the bound on memory, for all that is held: no frame is shed for what may go
LARGEST = 1, 8  # of it, for a segment

_NS = 1_000_000_000


class RingStore(Store):
    """`Store`, of which nothing is on the disk until a dump. ``tape``: where dumps go.

    dumps: those that were written, and what the next one is for.
    """

    def __init__(
        self, intake: Intake, sealer: Sealer | None, settings: Settings, notice: Notice
    ) -> None:
        assert settings.ring is not None
        assert settings.data is not None
        pieces = replace(settings, roll=max(settings.ring / PIECES, SHORTEST_S))
        super().__init__(intake, sealer, pieces, notice)
        self.dumps = Dumps(int(settings.ring_after * _NS), notice)
        self._folder = Tape(settings.data)
        self._ring = Ring[Ended](int(settings.ring * _NS))
        self._unpacked: list[JournalWriter] = []
        self._packed = 0.0
        self._is_short = False  # as people know it
        self._saved = "what the ring held is written and will be sealed"
        intake.listeners.append(RowTriggers(intake.engine, self._saw))

    def pull(self, why: str) -> None:
        """A dump is to be written; in the thread of the recorder."""
        self._pull(why, self._intake.seq, self._mono())

    async def dump(self, why: str) -> Dump:
        """The same, and wait until it is on the disk, with what was still to come for it; what was
        written. Raises BackpackError where the recording ends without it."""
        written = self.dumps.wait(self._mono())
        self.pull(why)
        return await written

    async def finish(self, failure: BaseException | None = None) -> None:
        """As of any store; those who wait for a dump know then."""
        try:
            await super().finish(failure)
        finally:
            self.dumps.end()

    def close(self) -> None:
        """Let the thread end, and those who wait for a dump that will not come."""
        super().close()
        self.dumps.end()

    @property
    def status(self) -> str:
        """What the ring holds, for people."""
        oldest = self._ring.oldest
        first_seq = self._first_seq if oldest is None else oldest.first_seq
        span, frames = (self._mono() - self._held_since()) / _NS, self._intake.seq - first_seq + 1
        held = pretty_size(self._intake.memory.held)
        asked = self._ring.reach / _NS
        return (
            f"ring {asked:g}s: {span:.1f} s, {frames:,} frames, {held}; dumps: {self.dumps.count}"
        )

    async def _work(self) -> None:
        """Nothing waits for a disk in trouble but the dump itself, and those after it."""
        self._make_room()
        is_old = self._mono() - self._since >= SHORTEST_S * _NS
        if is_old and self.dumps.triggers.is_due(self._mono()) and not self._ended:
            self._begin_dump(self._next_journal())
        elif self._rolls or (
            is_old and (self.schedule.is_due(self._intake.seq) or self._is_large())
        ):
            await self._roll()
        await self._flush()

    async def _flush(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._unpacked:
            await self._worker.do(self._unpacked[0].pack)
            del self._unpacked[0]
        if self._journal is not None and now - self._packed >= PACK_EVERY_S:
            await self._worker.do(self._journal.pack)
            self._packed = now
        await self._close_ended()
        self.dumps.written()

    def _end_last(self, failure: BaseException | None) -> None:
        """A crash is something that has happened; an end as ordered is not."""
        if failure is not None and not isinstance(failure, DiskLow):
            self.pull(f"crash: {type(failure).__name__}: {failure}")
        if self.dumps.triggers.since is not None:
            self._begin_dump(None)
            return
        self._end("stop")
        self._forget(self._ring.take())

    async def _close_in_time(self) -> None:
        await super()._close_in_time()
        self.dumps.written()

    def _begin_dump(self, following: JournalWriter | None) -> None:
        """All that is held is to be written; nothing follows at the end. No await in here."""
        mono = self._mono()
        pulled = self.dumps.triggers.take(mono)
        self._end(pulled.end)
        if following is not None:
            self._begin_segment(following, self._name.number + 1)
        taken = self._ring.take()
        if taken:
            self._ended += taken
            frames = sum(ended.frames for ended in taken)
            span = sum(ended.until - ended.since for ended in taken) / _NS
            self.dumps.begin(pulled, Dump(tuple(e.name for e in taken), frames, span), mono)

    def _keep(self, ended: Ended) -> None:
        self._ring.add(ended)
        self._unpacked.append(ended.journal)

    async def _open(self, number: int) -> JournalWriter:
        if number == 1:  # so that a folder that cannot be written is told at once
            await self._worker.do(lambda: make_folder(self._folder.journal_folder))
            return self._journal_of(number)
        return self._next_journal()

    def _next_journal(self) -> JournalWriter:
        return self._journal_of(self._name.number + 1)

    def _journal_of(self, number: int) -> JournalWriter:
        path = self._folder.journal(SegmentName(self.session, number))
        return JournalWriter(path, sink=WholeFile(path, self._settings.private))

    def _head(self) -> SegmentHead:
        return msgspec.structs.replace(super()._head(), ring=self._ring.reach)

    def _saw(self, why: str, frame: Frame) -> None:
        self._pull(why, frame.seq, frame.ts_mono)

    def _pull(self, why: str, seq: int, mono: int) -> None:
        triggers = self.dumps.triggers
        if triggers.since is None and triggers.after:
            self._notice(f"{why}: the ring is written in {triggers.after / _NS:g}s")
        triggers.pull(why, seq, mono)

    def _make_room(self) -> None:
        """Let go what is too old, as seen from what a dump is still to come for; more where memory
        runs out."""
        since = self.dumps.triggers.since
        now = self._mono() if since is None else since
        self._forget(self._ring.expire(now))
        while len(self._ring) and self._is_over(ROOM, self._intake.memory.used):
            self._forget([self._ring.shorten()])
            self._tell_short()
        if self._held_since() <= now - self._ring.reach:
            self._is_short = False

    def _tell_short(self) -> None:
        if not self._is_short:
            self._is_short = True
            span = (self._mono() - self._held_since()) / _NS
            bound = pretty_size(self._intake.memory.bound)
            text = (
                f"the ring is shorter than asked for: {span:.1f} s, --memory {bound} has no room"
                f" for {self._ring.reach / _NS:g}s"
            )
            self._notice(Message(text, "ring_short", Level.WARNING))

    def _held_since(self) -> int:
        oldest = self._ring.oldest
        return self._since if oldest is None else oldest.since

    def _forget(self, gone: list[Ended]) -> None:
        for ended in gone:
            self._intake.memory.release(ended.journal)
            if ended.journal in self._unpacked:
                self._unpacked.remove(ended.journal)

    def _is_large(self) -> bool:
        return self._journal is not None and self._is_over(LARGEST, self._journal.held)

    def _is_over(self, share: tuple[int, int], held: int) -> bool:
        part, of = share
        return held > self._intake.memory.bound * part // of

    def _mono(self) -> int:
        return self._clock().ts_mono
