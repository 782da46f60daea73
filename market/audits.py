"""The audits of one book: with bookTickers, and with REST snapshots (protocol section 3.2), which
are brought to the id of the book with the deltas that came since they were asked for."""

from collections.abc import Callable

import msgspec

from market.audit import (
    BOOK_TICKER,
    REST,
    Difference,
    Finding,
    compare_books,
    compare_touches,
    quote_of,
)
from market.book import Book, Touch
from market.deltas import Snapshot, read_levels
from market.touches import Touches, TouchState
from schemas import wire
from schemas.rows import BookTicker

AGAIN_DELAY_NS = 500_000_000
KEPT_LIMIT = 10_000  # deltas between a request and the comparison


class RestAudit(msgspec.Struct):
    """A comparison under way.

    behind: replies to earlier requests that will come first; None: the request is not out yet.
    kept: deltas since the first request. again: whether this is the second try.
    """

    behind: int | None
    kept: list[wire.Depth] = []
    snapshot: Snapshot | None = None
    again: bool = False

    def keep(self, delta: wire.Depth) -> bool:
        """Take a delta; whether there was room."""
        self.kept.append(delta)
        return len(self.kept) <= KEPT_LIMIT

    def landed(self) -> bool:
        """A reply or failure arrived; whether it is the answer."""
        if self.behind:
            self.behind -= 1
            return False
        return self.behind == 0 and self.snapshot is None

    def is_behind(self, last: int) -> bool:
        """Whether deltas between the snapshot and the book, which is at ``last``, were not kept."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.last >= last:
            return False
        return not self.kept or snapshot.last + 1 < self.kept[0].U

    def compare(self, book: Book) -> Difference | None:
        """Both at the id of the book; None while the snapshot is ahead of it."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.last > book.last_update_id:
            return None
        venue = Book()
        venue.bids.load(snapshot.bids)
        venue.asks.load(snapshot.asks)
        for delta in self.kept:
            if delta.u > snapshot.last:
                for side, levels in ((venue.bids, delta.b), (venue.asks, delta.a)):
                    for price, qty in read_levels(levels):
                        side.set(price, qty)
        worst_bid = min((price for price, _ in snapshot.bids), default=None)
        worst_ask = max((price for price, _ in snapshot.asks), default=None)
        return compare_books(book, venue, (worst_bid, worst_ask))


class AuditState(msgspec.Struct):
    """Keyframe of Audits."""

    audited: int = 0
    touches: TouchState | None = None
    rest: RestAudit | None = None


class Audits:
    """What is compared with one live book.

    audited: comparisons made. touches: None until a bookTicker of the market is heard of.
    rest: the comparison with a REST snapshot that is under way, if any.
    """

    __slots__ = ("_ask", "_book", "audited", "rest", "touches")

    def __init__(self, book: Book, ask: Callable[[int], None]) -> None:
        self._book = book
        self._ask = ask  # for a snapshot, after so many ns
        self.audited = 0
        self.touches: Touches | None = None
        self.rest: RestAudit | None = None

    def clear(self) -> None:
        """The book is lost, and all that was to be compared with it."""
        self.rest = None
        if self.touches is not None:
            self.touches.clear()

    def joined(self) -> None:
        """The book is live from here on."""
        if self.touches is not None:
            self.touches.begin(self._book.touch())

    def quoted(self, row: BookTicker, is_live: bool) -> list[Finding]:
        """A bookTicker: compared at once, with a touch of before, or when the book gets there."""
        if self.touches is None:
            self.touches = Touches()
            self.joined()
        quote = quote_of(row)
        if quote is None or not is_live:
            return []
        if row.update_id > self._book.last_update_id:
            self.touches.wait(quote)
            return []
        ours = self.touches.at(row.update_id)
        return [] if ours is None else self.compare(ours, [quote])

    def moved(self, delta: wire.Depth) -> list[Finding]:
        """The touch of the book may have moved, or bookTickers may have waited for its id."""
        touches = self.touches
        if touches is None:
            return []
        if delta.u != delta.U:
            touches.since = delta.u
        ours = self._book.touch()
        quotes = touches.move(ours)
        return self.compare(ours, quotes) if quotes else []

    def compare(self, ours: Touch, quotes: list[Touch]) -> list[Finding]:
        """BookTickers of one id with the touch that the book had there; those that differ."""
        self.audited += len(quotes)
        return [
            Finding(BOOK_TICKER, quote[0], compare_touches(ours, quote))
            for quote in quotes
            if quote[1:] != ours[1:]
        ]

    def asked(self, in_flight: int) -> None:
        """A snapshot of the live book is asked for; ``in_flight`` were before and are not answered.
        One comparison at a time: what is asked for before its answer belongs to it."""
        if self.rest is None or self.rest.snapshot is not None:
            self.rest = RestAudit(in_flight)
        elif self.rest.behind is None:
            self.rest.behind = in_flight

    def followed(self, delta: wire.Depth) -> list[Finding]:
        """The book has moved by a delta."""
        rest = self.rest
        if rest is None:
            return []
        if not rest.keep(delta):
            self.rest = None
            return []
        return self._conclude(rest)

    def answered(self, snapshot: Snapshot | None) -> list[Finding]:
        """A reply has landed, or None: a failure, or a reply that cannot be read. One that is older
        than the first delta kept is asked for again, once: by then it will not be."""
        rest = self.rest
        if rest is None or not rest.landed():
            return []
        rest.snapshot = snapshot
        if snapshot is None or (rest.again and rest.is_behind(self._book.last_update_id)):
            self.rest = None
        elif rest.is_behind(self._book.last_update_id):
            rest.snapshot, rest.behind, rest.again = None, None, True
            self._ask(AGAIN_DELAY_NS)
        return self._conclude(rest)

    def _conclude(self, rest: RestAudit) -> list[Finding]:
        difference = rest.compare(self._book) if self.rest is rest else None
        if difference is None:
            return []
        self.rest = None
        self.audited += 1
        return [Finding(REST, self._book.last_update_id, difference)]

    def export(self) -> AuditState:
        """State to carry into the next segment."""
        touches = self.touches.export() if self.touches else None
        return AuditState(self.audited, touches, self.rest)

    def restore(self, saved: AuditState) -> None:
        """Become what `export` described."""
        self.audited = saved.audited
        self.touches = Touches(saved.touches) if saved.touches else None
        self.rest = saved.rest
