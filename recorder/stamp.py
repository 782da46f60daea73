"""When something arrived, on both clocks. Only doors read clocks."""

from collections.abc import Callable
from time import monotonic_ns, time_ns
from typing import NamedTuple


class Stamp(NamedTuple):
    """Wall clock in ns since the epoch, monotonic clock in ns."""

    ts_recv: int
    ts_mono: int


Clock = Callable[[], Stamp]


def now() -> Stamp:
    """This moment, by the clocks of this machine."""
    return Stamp(time_ns(), monotonic_ns())
