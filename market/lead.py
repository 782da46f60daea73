"""How long the venue has been said to be ahead of a book: whether its stream has stopped."""

import msgspec

from schemas.columns import Count

OVERDUE_NS = 10_000_000_000  # streams of one market differ by ms, a throttled one by a second


class Lead(msgspec.Struct, gc=False):
    """The lowest id ahead of the book that the venue was said to be at, and since when.

    The lowest, so that one absurd id does not make all that follows look overdue.
    """

    id: Count = 0
    ts_mono: Count = 0

    def is_overdue(self, said: int, book: int, ts_mono: int) -> bool:
        """The venue is at ``said`` while the book is at ``book``, before it; whether the book
        should have been further long ago."""
        if book < self.id <= said:
            return ts_mono - self.ts_mono > OVERDUE_NS
        self.id, self.ts_mono = said, ts_mono
        return False
