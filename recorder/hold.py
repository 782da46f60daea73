"""Holds what arrives while no segment is open: between two of them, or before the first."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from recorder.stamp import Stamp

ARRIVAL_BYTES = 200  # of one in memory, beside its payload


class Arrival(NamedTuple):
    """take: called with a stamp. size: bytes of it. is_message: the venue said it."""

    stamp: Stamp
    size: int
    is_message: bool
    take: Callable[[Stamp], object]


class Hold:
    """Arrivals in order. held: bytes, about.

    since: messages from before are not taken, and what we did before is dated then; None: all is
        taken as it came. Sessions must not overlap in time.
    """

    def __init__(self) -> None:
        self._arrivals: deque[Arrival] = deque()
        self.held = 0
        self.since: Stamp | None = None

    def add(self, arrival: Arrival) -> None:
        """One more."""
        self._arrivals.append(arrival)
        self.held += arrival.size + ARRIVAL_BYTES

    def release(self) -> None:
        """Take them all."""
        while self._arrivals:
            arrival = self._arrivals.popleft()
            self.held -= arrival.size + ARRIVAL_BYTES
            if self.since is None or arrival.stamp.ts_recv >= self.since.ts_recv:
                arrival.take(arrival.stamp)
            elif not arrival.is_message:
                arrival.take(self.since)
