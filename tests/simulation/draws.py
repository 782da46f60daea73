"""Random draws that are the same on every platform and Python: integers from `getrandbits` only.

No logarithms and no library distributions: their last bits, and their algorithms, may differ.
A distribution is a table of (per mille, value) knots, as measured, with straight lines between.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

Table = tuple[tuple[int, int], ...]


class Draws:
    """A stream of draws for one seed; the name separates streams of the same seed."""

    def __init__(self, seed: int, name: str) -> None:
        digest = seed
        for byte in name.encode():
            digest = (digest * 1_000_003 + byte) % (1 << 64)
        self._random = Random(digest)

    def below(self, limit: int) -> int:
        """An integer in [0, limit)."""
        return self._random.getrandbits(48) * limit >> 48

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, per_mille: int) -> bool:
        """True in that many of 1000 cases."""
        return self.below(1000) < per_mille

    def pick(self, items: Sequence[int]) -> int:
        """One of the items."""
        return items[self.below(len(items))]

    def table(self, knots: Table) -> int:
        """A value of a measured distribution given by its quantiles, first knot at 0 per mille."""
        point = self.below(1_000_000)
        for (low, at_low), (high, at_high) in pairwise(knots):
            if point < high * 1000:
                return at_low + (at_high - at_low) * (point - low * 1000) // ((high - low) * 1000)
        return knots[-1][1]
