"""The dumps of a ring: which are due and why, who waits for them, and how they are reported."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from recorder.messages import Message
from recorder.triggers import Pulled, Triggers
from schemas.errors import BackpackError
from tape.layout import SegmentName

_NONE = "the recording ended without this dump"

Notice = Callable[[str], None]


class Dump(NamedTuple):
    """What was written. span: seconds from the beginning of the first segment to the end of the
    last, less what is not there in between."""

    segments: tuple[SegmentName, ...]
    frames: int
    span: float

    def __str__(self) -> str:
        first, last = self.segments[0], self.segments[-1]
        upto = f" to .{last.number:05d}" if len(self.segments) > 1 else ""
        return f"{self.span:.1f} s, {self.frames:,} frames -> {first}{upto}"


class _Waiter(NamedTuple):
    """due: when all that belongs to its dump has come, ns by the monotonic clock."""

    due: int
    future: asyncio.Future[Dump]
    parts: list[Dump]


class _Begun(NamedTuple):
    """waiters: those who wait for this dump, or for one after it too."""

    pulled: Pulled
    dump: Dump
    mono: int
    waiters: list[_Waiter]


class Dumps:
    """One after another, each for all that had happened when it began. ``count``: those written."""

    def __init__(self, after: int, notice: Notice) -> None:
        self.triggers = Triggers(after)
        self.count = 0
        self._notice = notice
        self._over = False
        self._waiters: list[_Waiter] = []
        self._writing: list[_Begun] = []

    def wait(self, mono: int) -> asyncio.Future[Dump]:
        """Who waits for what happened now; raises BackpackError where nothing will be written."""
        if self._over:
            raise BackpackError(_NONE)
        future = asyncio.get_running_loop().create_future()
        self._waiters.append(_Waiter(mono + self.triggers.after, future, []))
        return future

    def begin(self, pulled: Pulled, dump: Dump, mono: int) -> None:
        """What is to be written now ended at ``mono``. One begins before another is written only at
        the end of a recording."""
        self._writing.append(_Begun(pulled, dump, mono, self._waiters[:]))

    def written(self) -> None:
        """All that was begun, if anything was, is on the disk."""
        begun, self._writing = self._writing, []
        for pulled, dump, mono, waiters in begun:
            self.count += 1
            names = [str(name) for name in dump.segments]
            facts: dict[str, Any] = {"why": pulled.why, "frames": dump.frames, "segments": names}
            self._notice(Message(f"dump: {pulled.why}, {dump}", "dump", **facts))
            for waiter in waiters:
                waiter.parts.append(dump)
                if waiter.due <= mono:
                    self._settle(waiter)

    def end(self) -> None:
        """Nothing more will be written: those who wait get what there is, or an error."""
        self._over = True
        for waiter in self._waiters[:]:
            self._settle(waiter)

    def _settle(self, waiter: _Waiter) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        if waiter.future.done():  # nobody waits any more
            return
        if waiter.parts:
            waiter.future.set_result(_joined(waiter.parts))
        else:
            waiter.future.set_exception(BackpackError(_NONE))


def _joined(parts: Sequence[Dump]) -> Dump:
    segments = tuple(name for part in parts for name in part.segments)
    return Dump(segments, sum(p.frames for p in parts), sum(p.span for p in parts))
