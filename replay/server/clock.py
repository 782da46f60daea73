"""Tape time on the computer's clock: what time it is at the exchange that is replayed."""

import time
from collections.abc import Callable

_NS = 1_000_000_000


class TapeClock:
    """Runs at a speed, can be stopped and set. Tape time is ns since the epoch, UTC.

    speed: 1 as it happened, 10 ten times as fast; None: as fast as can be, where time is that of
        the frame played last.
    running: False while it is stopped.
    """

    def __init__(
        self, speed: float | None, start: int, mono: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.speed = speed
        self.running = False
        self._mono = mono
        self._tape = start  # tape time at `_since`
        self._since = mono()

    def now(self) -> int:
        """Tape time; with no speed that of the last `set`."""
        if not self.running or self.speed is None:
            return self._tape
        return self._tape + int((self._mono() - self._since) * self.speed)

    def seconds_until(self, tape: int) -> float:
        """Until then by the computer's clock; 0 if it has passed or there is no speed."""
        if self.speed is None:
            return 0.0
        return max(tape - self.now(), 0) / _NS / self.speed

    def set(self, tape: int) -> None:
        """It is so late now."""
        self._tape, self._since = tape, self._mono()

    def run(self, running: bool) -> None:
        """Go on, or stop."""
        self.set(self.now())
        self.running = running

    def pace(self, speed: float | None) -> None:
        """Another speed from now on."""
        self.set(self.now())
        self.speed = speed
