"""When a segment is due to end."""

from recorder.stamp import Clock
from tape.layout import LARGEST_SEGMENT_FRAMES

_SLACK = 1.01  # by the monotonic clock, so that the full hour comes first


class Roll:
    """On the full interval of the wall clock, for 1h on the hour; no later than one interval by the
    monotonic clock, as the wall clock may be set back; or after so many frames."""

    def __init__(self, every: float, clock: Clock) -> None:
        self._every = every
        self._clock = clock
        self._by_wall = self._by_mono = 0.0
        self._by_seq = 0

    def change(self, every: float) -> None:
        """Another interval, counted from now where it is no full one of the wall clock."""
        self._every = every
        self._look_ahead()

    def begin(self, seq: int) -> None:
        """A segment begins after this frame."""
        self._look_ahead()
        self._by_seq = seq + LARGEST_SEGMENT_FRAMES

    def is_due(self, seq: int) -> bool:
        """Whether it is to end after this frame."""
        stamp = self._clock()
        by_wall = stamp.ts_recv / 1e9 >= self._by_wall
        return by_wall or stamp.ts_mono / 1e9 >= self._by_mono or seq >= self._by_seq

    def _look_ahead(self) -> None:
        stamp = self._clock()
        self._by_wall = (stamp.ts_recv / 1e9 // self._every + 1) * self._every
        self._by_mono = stamp.ts_mono / 1e9 + self._every * _SLACK
