"""The touch of a book, beside bookTickers at the same update id.

bookTicker has the numbering of depth but no order with it (protocol fact 9), so one may be early,
and waits for the book, or late, and meets a touch that the book had before.
"""

from bisect import bisect_right, insort
from operator import itemgetter

import msgspec

from market.book import Touch
from market.lead import Lead
from schemas.columns import Count

TOUCHES = 64  # changes of the touch that are remembered
WAITING = 64  # bookTickers ahead of the book
_NEVER = 2**63  # no id or price gets there
_EMPTY: Touch = (0, None, None, None, None)
_id = itemgetter(0)  # of a touch


class TouchState(msgspec.Struct):
    """Keyframe of Touches."""

    since: Count
    before: list[Touch]
    waiting: list[Touch]
    lead: Lead = msgspec.field(default_factory=Lead)


class Touches:
    """Where the book stood lately, and bookTickers that are ahead of it.

    A book whose deltas each hold one id stood at all ids since it joined; with a merged delta it
    leaps over some, and where it was before that is not asked any more.

    since: the first id from which on it stood at each.
    next: the lowest id that is waited for.
    bid, ask: the best prices. What happens beyond them does not `move` the touch.
    lead: of bookTickers ahead of the book.
    """

    __slots__ = ("_before", "_waiting", "ask", "bid", "lead", "next", "since")

    def __init__(self, saved: TouchState | None = None) -> None:
        self.since = saved.since if saved else 0
        self._before: list[Touch] = saved.before if saved else []  # each from its id on
        self._waiting: list[Touch] = saved.waiting if saved else []  # by id
        self.lead = saved.lead if saved else Lead()
        self._aim()

    def clear(self) -> None:
        """The book is lost."""
        self._before, self._waiting, self.lead = [], [], Lead()
        self._aim()

    def move(self, ours: Touch) -> list[Touch]:
        """The book has moved, and the touch perhaps; bookTickers that have waited for this id.
        Those for ids that it leapt over are not compared."""
        if not self._before or self._before[-1][1:] != ours[1:]:
            self._before.append(ours)
            del self._before[:-TOUCHES]
        met = []
        while self._waiting and self._waiting[0][0] <= ours[0]:
            quote = self._waiting.pop(0)
            if quote[0] == ours[0]:
                met.append(quote)
        self._aim()
        return met

    def begin(self, ours: Touch) -> None:
        """The book is live, and stands here."""
        self.since, self._before = ours[0], [ours]
        self._aim()

    def wait(self, quote: Touch) -> bool:
        """A bookTicker is ahead of the book. Those of the lowest ids go if there are too many:
        whether one had to."""
        waiting = self._waiting
        if waiting and quote[0] < waiting[-1][0]:
            insort(waiting, quote, key=_id)
        else:
            waiting.append(quote)
        full = len(waiting) > WAITING
        if full:
            del waiting[0]
        self.next = waiting[0][0]
        return full

    def at(self, update_id: int) -> Touch | None:
        """The touch of the book at an id of before; None where that is not known any more."""
        if update_id < self.since:
            return None
        at = bisect_right(self._before, update_id, key=_id)
        return self._before[at - 1] if at else None

    def export(self) -> TouchState:
        """State to carry into the next segment."""
        return TouchState(self.since, self._before[:], self._waiting[:], self.lead)

    def _aim(self) -> None:
        _, bid, _, ask, _ = self._before[-1] if self._before else _EMPTY
        self.bid = -1 if bid is None else bid
        self.ask = _NEVER if ask is None else ask
        self.next = self._waiting[0][0] if self._waiting else _NEVER
