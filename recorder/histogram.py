"""Spans of time counted by how long they were."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple


class Buckets(NamedTuple):
    """What was counted. bounds_ns: ascending. counts: of spans up to each bound, and then of all;
    so there is one more. sum_ns: of all spans."""

    bounds_ns: tuple[int, ...]
    counts: tuple[int, ...]
    sum_ns: int


class Histogram:
    """Counts spans, in ns. One below zero, as clocks differ, counts as none."""

    def __init__(self, bounds_ns: Sequence[int]) -> None:
        self._bounds = tuple(bounds_ns)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0

    def see(self, span_ns: int) -> None:
        """Take one."""
        if span_ns < 0:
            span_ns = 0
        self._counts[bisect_left(self._bounds, span_ns)] += 1
        self._sum += span_ns

    @property
    def buckets(self) -> Buckets:
        """As it is now."""
        return Buckets(self._bounds, tuple(accumulate(self._counts)), self._sum)
