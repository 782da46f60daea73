"""What an audit should come to: a venue of dicts that remembers every book it ever had.

The recorder's book is the venue's at its id, as far as it was shown by the snapshot that joined, as
long as all deltas come in order, which they do here; so what differs is what the venue says of it
otherwise.
"""

from decimal import Decimal
from typing import NamedTuple

Side = dict[Decimal, Decimal]
Best = tuple[Decimal, Decimal] | None
WAITING = 64  # bookTickers that are kept, of the highest ids
LATE_NS = 10_000_000_000


class Sides(NamedTuple):
    """A whole book."""

    bids: Side
    asks: Side

    @property
    def touch(self) -> tuple[Best, Best]:
        """Best bid and ask with their quantities."""
        bid = max(self.bids.items(), default=None)
        return bid, min(self.asks.items(), default=None)

    def changed(self, bids: Side, asks: Side) -> "Sides":
        """After absolute quantities were set; zero deletes."""
        after = Sides({**self.bids, **bids}, {**self.asks, **asks})
        return Sides(*({p: q for p, q in side.items() if q} for side in after))


class Delta(NamedTuple):
    """What the ids from ``first`` to ``last`` changed."""

    first: int
    last: int
    bids: Side
    asks: Side


class Different(NamedTuple):
    """How many levels differ, and the best of them: our bid and ask, the venue's; None: the side
    agrees, or has no such level."""

    levels: int
    bid: Best
    ask: Best
    venue_bid: Best
    venue_ask: Best


def differing(ours: Sides, known: Sides, venue: Sides, shown: Sides) -> Different:
    """Two books, compared down to the worst price that is ``shown`` on a side, if any is. What is
    beyond the worst that was ``known`` as ours began counts only where we have something."""
    prices = []
    for side, sign in ((0, -1), (1, 1)):
        mine, others = ours[side], venue[side]
        worst, seen = (max((p * sign for p in part[side]), default=None) for part in (shown, known))
        wrong = [p for p in {*mine, *others} if mine.get(p) != others.get(p)]
        near = [p for p in wrong if worst is None or p * sign <= worst]
        told = [p for p in near if p in mine or seen is None or p * sign <= seen]
        prices.append(sorted(told, key=lambda p: p * sign))
    best = [[_level(book[side], prices[side]) for side in (0, 1)] for book in (ours, venue)]
    return Different(len(prices[0]) + len(prices[1]), *best[0], *best[1])


def _level(side: Side, prices: list[Decimal]) -> Best:
    return (prices[0], side[prices[0]]) if prices and prices[0] in side else None


class Asked(NamedTuple):
    """A snapshot is on its way for a comparison; ``since``: where the book stood when the first
    request went out."""

    since: int
    again: bool = False


class Lead:
    """Since when the venue has been ahead, going by the lowest id that was said to be."""

    def __init__(self) -> None:
        self._id, self._since = 0, 0

    def late(self, said: int, book: int, now: int) -> bool:
        """Whether the book should have been further by now."""
        goes_on = book < self._id <= said
        if not goes_on:
            self._id, self._since = said, now
        return now - self._since > LATE_NS


class AuditModel:
    """The venue, and the recorder as it should be. Times are in ns of the monotonic clock.

    id: where the recorder's book stands; None while it has none.
    audited, unaudited: comparisons made, and those with snapshots that were not.
    """

    def __init__(self, last: int, book: Sides) -> None:
        self.history = {last: book}
        self.deltas: list[Delta] = []
        self.id: int | None = None
        self.audited = self.unaudited = 0
        self.asked: Asked | None = None
        self.ready = False  # its request is out
        self._quoted = False
        self._ours: dict[int, Sides] = {}  # books of the recorder since it joined
        self._stood: set[int] = set()  # at ids since it joined, or since it leapt
        self._waiting: list[tuple[int, tuple[Best, Best]]] = []
        self._answer: tuple[int, Sides, int] | None = None

    @property
    def last(self) -> int:
        """The venue's newest id."""
        return max(self.history)

    def change(self, delta: Delta) -> None:
        """Something happens at the venue."""
        self.history[delta.last] = self.history[self.last].changed(delta.bids, delta.asks)
        self.deltas.append(delta)

    def join(self, last: int, shown: Sides) -> None:
        """The recorder has a book again, of as much as it was shown."""
        self.id, self._stood = last, {last}
        self._ours, self._known = {last: shown}, shown
        self._quotes, self._replies = Lead(), Lead()

    def lose(self) -> None:
        """The recorder's book is lost, and what was to be compared with it."""
        self._forget()
        self.id, self._waiting = None, []

    def _forget(self) -> None:
        """A comparison with a snapshot, if one is under way, comes to nothing."""
        self.unaudited += self.asked is not None
        self.asked, self._answer, self.ready = None, None, False

    def quote(self, update_id: int, touch: tuple[Best, Best], now: int) -> Different | None:
        """A bookTicker arrives; what it shows to be wrong."""
        if not self._quoted and self.id is not None:
            self._stood = {self.id}
        self._quoted = True
        if self.id is None:
            return None
        if update_id in self._stood:
            return self._meet(update_id, [touch])
        if update_id < self.id:
            return None
        late = self._quotes.late(update_id, self.id, now)
        everything = sorted([*self._waiting, (update_id, touch)], key=lambda waits: waits[0])
        self._waiting = everything[-WAITING:]
        if late and len(everything) > WAITING and touch != self._ours[self.id].touch:
            return self._meet(self.id, [touch])
        return None

    def deliver(self, delta: Delta) -> Different | None:
        """The next delta arrives."""
        assert self.id is not None
        self._ours[delta.last] = self._ours[self.id].changed(delta.bids, delta.asks)
        self.id = delta.last
        if delta.first != delta.last:
            self._stood = set()
        self._stood.add(delta.last)
        met = [touch for at, touch in self._waiting if at == delta.last]
        self._waiting = [(at, touch) for at, touch in self._waiting if at > delta.last]
        return self._meet(delta.last, met)

    def _meet(self, update_id: int, touches: list[tuple[Best, Best]]) -> Different | None:
        self.audited += len(touches)
        ours = self._ours[update_id].touch if touches else None
        wrong = [touch for touch in touches if touch != ours]
        if not wrong or ours is None:
            return None
        self.lose()
        return _touches(ours, wrong[0])

    def ask(self) -> None:
        """A snapshot is asked for."""
        if self._answer is not None:
            self._forget()
        if self.id is not None and self.asked is None:
            self.asked = Asked(self.id)
        self.ready = self.asked is not None

    def reply(self, last: int, shown: Sides, now: int) -> tuple[bool, Different | None]:
        """It arrives; whether another one is wanted, and what it shows at once."""
        if self.asked is None or not self.ready or self.id is None:
            return False, None
        if last > self.id and self._replies.late(last, self.id, now):
            return False, self._come_to(shown, shown)
        first = [delta.first for delta in self.deltas if self.asked.since < delta.last <= self.id]
        if last < self.id and last + 1 < min(first, default=self.id + 1):
            if self.asked.again:
                self._forget()
                return False, None
            self.asked, self.ready = self.asked._replace(again=True), False
            return True, None
        self._answer = last, shown, now
        return False, self.conclude()

    def fail(self) -> None:
        """It does not."""
        if self.ready and self._answer is None:
            self._forget()

    def conclude(self) -> Different | None:
        """What the comparison comes to, if it can be made by now: 0 levels, if all is well."""
        if self._answer is None or self.id is None or self._answer[0] > self.id:
            return None
        last, shown, _ = self._answer
        venue = shown
        for delta in self.deltas:
            if last < delta.last <= self.id:
                venue = venue.changed(delta.bids, delta.asks)
        return self._come_to(venue, shown)

    def despair(self, now: int) -> None:
        """After a delta: the book does not get where the snapshot is."""
        if self._answer is not None and now - self._answer[2] > LATE_NS:
            self._forget()

    def _come_to(self, venue: Sides, shown: Sides) -> Different:
        assert self.id is not None
        found = differing(self._ours[self.id], self._known, venue, shown)
        self.asked, self._answer, self.ready = None, None, False
        self.audited += 1
        if found.levels:
            self.lose()
        return found


def _touches(ours: tuple[Best, Best], venue: tuple[Best, Best]) -> Different:
    differs = [mine != theirs for mine, theirs in zip(ours, venue, strict=True)]
    said = [
        best if differ else None
        for book in (ours, venue)
        for best, differ in zip(book, differs, strict=True)
    ]
    return Different(sum(differs), *said)
