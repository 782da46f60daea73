"""Has closed journals sealed, one after another, each in a process of its own."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from recorder.child import CarryOut, Ended, run_child
from recorder.harvest import Harvest, Sealed
from recorder.messages import Level, Message
from recorder.settings import PATIENCE
from recorder.space import SEALING_TAKES, Space
from schemas.errors import BackpackError
from tape.layout import SegmentName, Tape
from tape.manifest import load
from tape.quantities import pretty_span

RETRY_S = 30.0  # after the disk has refused
LOOK_EVERY_S = 1.0  # whether there is room again
LAST_WORD_S = 5.0  # for a sealing at work on a disk in trouble, at the end
TELL_EVERY_S = 60.0
AROUND_EVERY_S = 60.0  # at least, while there is always something to seal

BACKLOG = 4  # journals that may wait for a recorder that does not keep up

NO_ROOM = "no room"
NO_ANSWER = "no answer"

Notice = Callable[[str], None]


class Sealer:
    """A queue of journals. A journal that cannot be sealed stays, and the next start tries again;
    one that the disk has no room for, or refuses, is tried again by this one.

    sealed: segments sealed since the start.
    failed: journals that could not be sealed. left: those that were not, and why.
    lost: what is wrong with segments that do not have all that was recorded.
    paused: set while the disk is in trouble. resting: set by who wants no other sealing to begin.
    is_busy: says whether recording needs the processors; then nothing new is begun, unless
        `BACKLOG` journals wait.
    free: bytes on the disk after the last sealing; None before, and where it does not say.
    carry_out: has a file of this room run, with arguments: in a process of its own.
    after: called after sealing, such as to prune what is not to be kept.
    """

    def __init__(
        self, tape: Tape, space: Space, notice: Notice, patience_s: float = PATIENCE.sealing
    ) -> None:
        self._patience_s = patience_s
        self._tape = tape
        self._space = space
        self._notice = notice
        self._queue: list[Path] = []
        self._ends: dict[Path, int] = {}  # last frames of journals that we have closed
        self._refused: dict[Path, float] = {}  # when it may be tried again
        self._crowded: set[Path] = set()  # told that there is no room for them
        self._changed = asyncio.Event()
        self._at_work: Path | None = None
        self._last = False  # nothing is tried again any more
        self._child: asyncio.Task[Ended] | None = None
        self.resting = False
        self.paused = False
        self.carry_out: CarryOut = run_child
        self.is_busy: Callable[[], bool] = bool
        self.free: int | None = None
        self._looked_around = 0.0
        self.after: Callable[[], Awaitable[None]] | None = None
        self.sealed = Harvest()
        self.failed: list[Path] = []
        self.left: dict[Path, str] = {}
        self.lost: dict[SegmentName, str] = {}

    @property
    def waiting(self) -> int:
        """Journals not sealed yet, nor at it."""
        return len(self._queue) - (self._at_work is not None)

    @property
    def is_at_work(self) -> bool:
        """Whether a journal is being sealed."""
        return self._at_work is not None

    def add(self, journal: Path, last_seq: int | None = None) -> None:
        """A journal that nobody writes to any more. last_seq: its last frame, if that is known."""
        self._queue.append(journal)
        if last_seq is not None:
            self._ends[journal] = last_seq
        self._changed.set()

    def resume(self) -> None:
        """The disk has recovered: all may be tried again at once."""
        self.paused = False
        self._refused.clear()
        self._changed.set()

    async def rest(self) -> None:
        """Seal nothing until `wake` is called; what is being sealed is broken off, and stays in
        the queue."""
        self.resting = True
        if self._child is not None:
            self._child.cancel()
            await asyncio.wait([self._child])

    def wake(self) -> None:
        """The rest is over."""
        self.resting = False
        self._changed.set()

    def leave(self) -> None:
        """All that waits is another's to seal; nothing is left to `finish`."""
        self._queue.clear()
        self._ends.clear()

    async def run(self) -> None:
        """Work until cancelled, or until nothing is left after `finish`."""
        while self._queue or not self._last:
            self._changed.clear()
            journal = await self._next()
            if journal is not None:
                await self._work(journal)
            elif self._queue or not self._last:
                if self._crowded:
                    await self._look_around()  # what is pruned may make the room
                await self._wait()

    async def _work(self, journal: Path) -> None:
        self._at_work = journal
        try:
            await self._seal(journal)
        except (OSError, BackpackError) as error:
            self._fail(journal, str(error))
        self._at_work = None
        await self._look_around()

    async def _look_around(self) -> None:
        """What there is to do and to know once a segment more is there. Sealing comes first: what
        has time waits for the end of the queue, or a minute."""
        now = asyncio.get_running_loop().time()
        is_due = not self._queue or now - self._looked_around >= AROUND_EVERY_S
        try:
            if self.after is not None and is_due:
                self._looked_around = now
                await self.after()
            self.free = await self._space.free()
        except (OSError, BackpackError, msgspec.MsgspecError) as error:
            self._notice(Message(f"after sealing: {error}", "not_pruned", Level.WARNING))

    async def finish(self, worker: asyncio.Task[None]) -> None:
        """Wait until nothing is left to seal, or nobody to do it. What waits for the disk gets one
        more try; nothing does on a disk in trouble. A sealing that does not come to its end, since
        the disk hangs, is left to the next start."""
        self._last, self.resting = True, False
        self._refused.clear()
        self._changed.set()
        if self.paused:
            patience = LAST_WORD_S if self._at_work else 0.0
            await asyncio.wait([worker], timeout=patience)
            self.failed += self._queue
        else:
            await self._wait_for(worker)
            self.left |= dict.fromkeys(self._queue, NO_ANSWER)
        self._queue = []

    async def _wait_for(self, worker: asyncio.Task[None]) -> None:
        """Until it is done, or has been at one journal for too long."""
        loop = asyncio.get_running_loop()
        to_go, since = len(self._queue), loop.time()
        while not worker.done():
            waited = loop.time() - since
            if len(self._queue) < to_go:
                to_go, since = len(self._queue), loop.time()
            elif waited >= self._patience_s:
                text = f"sealing has not answered for {pretty_span(waited)}: given up"
                self._notice(Message(text, "sealing_hangs", Level.WARNING))
                return
            elif waited >= TELL_EVERY_S:
                then = f"after {pretty_span(self._patience_s)} it is left to the next start"
                text = f"sealing has not answered for {pretty_span(waited)}; {then}"
                self._notice(Message(text, "sealing_hangs", Level.WARNING))
            left = since + self._patience_s - loop.time()
            await asyncio.wait([worker], timeout=min(max(left, 0.0), TELL_EVERY_S))

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S if self._queue else None):
                await self._changed.wait()

    async def _next(self) -> Path | None:
        """The next journal that can be sealed now."""
        busy = self.is_busy() and not self._last and len(self._queue) < BACKLOG
        if self.paused or self.resting or busy:
            return None
        now = asyncio.get_running_loop().time()
        for journal in self._queue[:]:
            if self._refused.get(journal, now) <= now and await self._has_room(journal):
                return journal
        return None

    async def _has_room(self, journal: Path) -> bool:
        last = self._last
        try:
            if await self._space.has_room_to_seal(journal, 0 if last else self._space.least):
                return True
        except FileNotFoundError:
            return True  # sealed meanwhile, or a mount is gone: the sealing will tell
        except OSError as error:
            self._refuse(journal, str(error))
            return False
        if last:
            self._queue.remove(journal)
            self.left[journal] = NO_ROOM
        if journal not in self._crowded:
            self._crowded.add(journal)
            text = (
                f"no room to seal {journal.name}: it takes {SEALING_TAKES} times the size of the"
                " journal; " + ("left to bp-tape recover" if last else "put off")
            )
            self._notice(Message(text, "sealing_put_off", Level.WARNING, journal=journal.name))
        return False

    async def _seal(self, journal: Path) -> None:
        work = self.carry_out("seal", str(self._tape.root), str(journal))
        self._child = asyncio.ensure_future(work)
        try:
            ended = await self._child
        except asyncio.CancelledError:
            if self.resting and self._child.cancelled():
                return
            self._child.cancel()
            raise
        finally:
            self._child = None
        if ended.code == os.EX_TEMPFAIL:
            self._refuse(journal, ended.reason)
        elif ended.code:
            self._fail(journal, ended.reason)
        else:
            await self._note(journal)

    async def _note(self, journal: Path) -> None:
        sealed = await self._space.worker.do(lambda: _outcome(journal, self._tape))
        if sealed is not None:
            self.sealed.add(sealed)
        self._queue.remove(journal)
        self._crowded.discard(journal)
        self._refused.pop(journal, None)
        self._compare(SegmentName.of(journal), self._ends.pop(journal, None), sealed)

    def _compare(self, name: SegmentName, end: int | None, sealed: Sealed | None) -> None:
        """What was sealed with what we have closed, which others may have removed or replaced."""
        if end is None or (sealed is not None and sealed.last_seq == end):
            return
        problem = f"its journal was closed after frame {end}, "
        if sealed is None:
            problem += "and was gone before it was sealed: all of it is lost"
        else:
            problem += f"what was there to seal ends with {sealed.last_seq}: was it replaced?"
        self.lost[name] = problem
        text = f"LOST frames of {name}: {problem}"
        self._notice(Message(text, "segment_lost", Level.ERROR, segment=str(name)))

    def _refuse(self, journal: Path, reason: str) -> None:
        """The disk refused, which may change; but not after the end."""
        if self._last:
            self._fail(journal, reason)
            return
        if journal not in self._refused:
            text = f"sealing {journal.name} is put off, the disk refuses: {reason}"
            self._notice(Message(text, "sealing_put_off", Level.WARNING, journal=journal.name))
        self._refused[journal] = asyncio.get_running_loop().time() + RETRY_S

    def _fail(self, journal: Path, reason: str) -> None:
        text = f"sealing {journal.name} failed, the journal is kept: {reason}"
        self._notice(Message(text, "sealing_failed", Level.ERROR, journal=journal.name))
        self.failed.append(journal)
        self._queue.remove(journal)
        self._crowded.discard(journal)
        self._refused.pop(journal, None)
        self._ends.pop(journal, None)


def _outcome(journal: Path, tape: Tape) -> Sealed | None:
    """What became of a journal; None for a journal of nothing, which leaves no manifest."""
    name = SegmentName.of(journal)
    path = tape.manifest(name)
    if not path.exists():
        return None
    manifest = load(path)
    size, losses = manifest.stored_bytes(), tuple(map(str, manifest.losses))
    return Sealed(
        name=name,
        verdict=manifest.verdict,
        first_ts=manifest.first_ts,
        last_ts=manifest.last_ts,
        frames=manifest.frames,
        last_seq=manifest.last_seq,
        bytes=size,
        losses=losses,
    )
