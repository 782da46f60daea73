"""Ids that have not come, which may come yet: then what was missing has healed."""

from typing import Annotated

import msgspec
from msgspec import Meta

from market.gaps import Hole
from schemas.columns import Count

RANGES_LIMIT = 100  # of missing ids; the oldest are given up, and their gaps stay open


class Missing(msgspec.Struct, gc=False):
    """What is left of a gap.

    left: ids that have not come, those given up as well. ranges: first and last of each stretch.
    tries: how often REST was asked for them in vain.
    """

    hole: Hole
    left: Count
    ranges: Annotated[list[tuple[Count, Count]], Meta(min_length=1)]
    tries: Annotated[int, Meta(ge=0, le=100)] = 0

    def take(self, late: int) -> bool:
        """An id has come; whether it was missing."""
        for at, (first, last) in enumerate(self.ranges):
            if first <= late <= last:
                rest = [(first, late - 1), (late + 1, last)]
                self.ranges[at : at + 1] = [(a, b) for a, b in rest if a <= b]
                self.left -= 1
                return True
        return False


class MissingIds:
    """The gaps of a stream whose ids may come yet, oldest first."""

    __slots__ = ("gaps",)

    def __init__(self) -> None:
        self.gaps: list[Missing] = []

    def add(self, hole: Hole) -> None:
        """A gap was shown, of ids that are known."""
        if hole.expected_id is not None and hole.missing:
            last = hole.expected_id + hole.missing - 1
            self.gaps.append(Missing(hole, hole.missing, [(hole.expected_id, last)]))
            self._give_up()

    def of(self, number: int) -> Missing | None:
        """The gap in which an id is missing, if any."""
        for gap in self.gaps:
            if any(first <= number <= last for first, last in gap.ranges):
                return gap
        return None

    def take(self, late: int) -> Missing | None:
        """An id has come late; the gap in which it was missing, if any. With nothing ``left`` the
        gap is over, and forgotten here."""
        for gap in self.gaps:
            if gap.take(late):
                if not gap.ranges:
                    self.gaps.remove(gap)
                self._give_up()
                return gap
        return None

    def _give_up(self) -> None:
        while sum(len(gap.ranges) for gap in self.gaps) > RANGES_LIMIT:
            oldest = self.gaps[0]
            del oldest.ranges[0]
            if not oldest.ranges:
                del self.gaps[0]
