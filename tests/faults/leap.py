"""An event loop in which nobody waits: when all have nothing to do, time leaps to the next timer.

Venue and recorder share the loop, so its clock may run as it likes: sockets, files and threads are
real, and only waiting is left out. A pause of a minute then costs as much as one of a millisecond,
and a busy machine makes no difference.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Outcome = TypeVar("Outcome")


def _nobody() -> int:
    return 0


class _Leaping(selectors.DefaultSelector):
    """Waits for sockets only while a thread is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0  # seconds that were left out
        self.at_work: Callable[[], int] = _nobody

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0 or self.at_work():
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.ahead += timeout
        return ready


class LeapLoop(asyncio.SelectorEventLoop):
    """Its clock is the computer's, and what it has leapt over."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return super().time() + self._leaping.ahead

    def wait_for(self, at_work: Callable[[], int]) -> None:
        """Leap over nothing while so many threads have something to do that will wake the loop."""
        self._leaping.at_work = at_work


def leap(scene: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run a scene to its end in a loop of this kind."""
    with asyncio.Runner(loop_factory=LeapLoop) as runner:
        return runner.run(scene)
