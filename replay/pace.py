"""When each frame is due, and waiting until then.

Deadlines are absolute, counted from the first frame that is given out: what one wait oversleeps,
the next makes up for, and a consumer that falls behind is not waited for.
"""

import asyncio
import time
from typing import Protocol

from schemas.errors import UsageError
from schemas.frames import Frame

_NS = 1_000_000_000
_BREATH = 256  # frames an async replay gives out at most before others get their turn


class Clock(Protocol):
    """What time it is, and how to let it pass."""

    def now(self) -> int:
        """ns from an arbitrary start; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Return no earlier than in ``seconds``."""

    async def pause(self, seconds: float) -> None:
        """As ``sleep``, while other tasks run; with 0, just their turn."""


class SystemClock:
    """The computer's own clock."""

    def now(self) -> int:
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Pace:
    """Time of the tape to time of the clock. No clock in here.

    Within a session, or sessions that are played together, the recorder's monotonic clock counts,
    so a wall clock that was set in the middle neither stops nor hurries the replay; from one to the
    next the wall clock does, as nothing else spans both. Time never runs backwards.
    """

    def __init__(self, speed: float) -> None:
        if not 0 < speed < float("inf"):
            raise UsageError(f"speed {speed} is not a positive number: 1 is as it happened")
        self._speed = speed
        self._elapsed = 0
        self._last: Frame | None = None
        self._time = 0
        self._session = ""

    def due(self, frame: Frame, session: str, zero: int = 0) -> int:
        """When to give a frame out, in ns after the first one; call it for each, in order.

        session: those played together have one name, and each a ``zero`` of its own: when its
        monotonic clock showed 0.
        """
        last, time = self._last, frame.ts_mono + zero
        if last is not None:
            same = session == self._session
            passed = time - self._time if same else frame.ts_recv - last.ts_recv
            self._elapsed += max(passed, 0)
        self._last, self._time, self._session = frame, time, session
        return int(self._elapsed / self._speed)


class Waiter:
    """Waits for deadlines; the first one is now. ``due`` None: no deadline."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zero: int | None = None
        self._unbroken = 0

    def wait(self, due: int | None) -> None:
        """Sleep until a deadline; return at once if it has passed."""
        seconds = self._left(due)
        if seconds > 0:
            self._clock.sleep(seconds)

    async def wait_async(self, due: int | None) -> None:
        """As ``wait``; where nothing is waited for, others get a turn now and then."""
        seconds = self._left(due)
        self._unbroken += 1
        if seconds > 0 or self._unbroken >= _BREATH:
            self._unbroken = 0
            await self._clock.pause(seconds)

    def _left(self, due: int | None) -> float:
        """Seconds until a deadline; 0 if there is none or it has passed."""
        if due is None:
            return 0.0
        now = self._clock.now()
        if self._zero is None:
            self._zero = now - due
        return max(self._zero + due - now, 0) / _NS
