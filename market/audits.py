"""The audits of one book: with bookTickers, and with REST snapshots (protocol section 3.2), which
are brought to the id of the book with the deltas that came since they were asked for.

What is ahead of the book waits for it, which takes milliseconds (section 3.3). If the book is still
not there when the venue has been further for long, its stream has stopped, and it is compared as it
stands.
"""

from collections.abc import Callable, Sequence

import msgspec

from market.audit import (
    BOOK_TICKER,
    REST,
    Difference,
    Finding,
    Horizon,
    compare_books,
    compare_touches,
    quote_of,
)
from market.book import Book, Touch
from market.deltas import Snapshot, read_levels
from market.lead import OVERDUE_NS, Lead
from market.touches import Touches, TouchState
from schemas import wire
from schemas.columns import Count
from schemas.rows import BookTicker

AGAIN_DELAY_NS = 500_000_000
KEPT_LIMIT = 10_000  # deltas between a request and the comparison


class RestAudit(msgspec.Struct):
    """A comparison under way.

    behind: replies to earlier requests that will come first; None: the request is not out yet.
    kept: deltas since the first request. again: whether this is the second try.
    ts_mono: when the snapshot came.
    """

    behind: Count | None
    kept: list[wire.Depth] = []
    snapshot: Snapshot | None = None
    again: bool = False
    ts_mono: Count = 0

    def keep(self, delta: wire.Depth) -> None:
        """Take a delta."""
        self.kept.append(delta)

    def is_vain(self, ts_mono: int) -> bool:
        """Whether the answer will not come, or the book not get to the id that it has: too many
        deltas came since, or the stream goes on and has not got there for long."""
        too_long = self.snapshot is not None and ts_mono - self.ts_mono > OVERDUE_NS
        return too_long or len(self.kept) > KEPT_LIMIT

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

    def compare(self, book: Book, known: Horizon) -> Difference | None:
        """Both at the id of the book; None while the snapshot is ahead of it."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.last > book.last_update_id:
            return None
        return _beside(book, known, snapshot, self.kept)


class AuditState(msgspec.Struct):
    """Keyframe of Audits."""

    audited: Count = 0
    touches: TouchState | None = None
    rest: RestAudit | None = None
    unaudited: Count = 0
    known: Horizon = Horizon()
    lead: Lead = msgspec.field(default_factory=Lead)


class Audits:
    """What is compared with one live book.

    audited: comparisons made. unaudited: those with REST snapshots that came to nothing.
    touches: None until a bookTicker of the market is heard of.
    rest: the comparison with a REST snapshot that is under way, if any.
    """

    __slots__ = (
        "_ask", "_book", "_known", "_lead", "audited", "rest", "touches", "unaudited",
    )  # fmt: skip

    def __init__(self, book: Book, ask: Callable[[int], None]) -> None:
        self._book = book
        self._ask = ask  # for a snapshot, after so many ns
        self.audited = self.unaudited = 0
        self.touches: Touches | None = None
        self.rest: RestAudit | None = None
        self._known = Horizon()
        self._lead = Lead()

    def clear(self) -> None:
        """The book is lost, and all that was to be compared with it."""
        self._drop()
        self._lead = Lead()
        if self.touches is not None:
            self.touches.clear()

    def joined(self, snapshot: Snapshot) -> None:
        """The book is live from here on."""
        self._known = Horizon.of(snapshot)
        if self.touches is not None:
            self.touches.begin(self._book.touch())

    def quoted(self, row: BookTicker, ts_mono: int, is_live: bool) -> list[Finding]:
        """A bookTicker: compared at once, with a touch of before, or when the book gets there."""
        touches, book = self.touches, self._book
        if touches is None:
            touches = self.touches = Touches()
            touches.begin(book.touch())
        quote = quote_of(row)
        if quote is None or not is_live:
            return []
        if row.update_id > book.last_update_id:
            overdue = touches.lead.is_overdue(row.update_id, book.last_update_id, ts_mono)
            return self._stopped(quote) if touches.wait(quote) and overdue else []
        ours = touches.at(row.update_id)
        return [] if ours is None else self.compare(ours, [quote])

    def _stopped(self, quote: Touch) -> list[Finding]:
        """The stream is silent while the touch goes on changing; if it is back where the book is,
        nothing is wrong yet."""
        ours = self._book.touch()
        return [] if quote[1:] == ours[1:] else self.compare(ours, [quote])

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
        """BookTickers with the touch that the book had, or should have had; those that differ."""
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
            self._drop()
            self.rest = RestAudit(in_flight)
        elif self.rest.behind is None:
            self.rest.behind = in_flight

    def followed(self, delta: wire.Depth, ts_mono: int) -> list[Finding]:
        """The book has moved by a delta."""
        rest = self.rest
        if rest is None:
            return []
        rest.keep(delta)
        found = self._conclude(rest)
        if self.rest is not None and rest.is_vain(ts_mono):
            self._drop()
        return found

    def answered(self, snapshot: Snapshot | None, ts_mono: int) -> list[Finding]:
        """A reply has landed, or None: a failure, or a reply that cannot be read. One that is older
        than the first delta kept is asked for again, once: by then it will not be."""
        rest, last = self.rest, self._book.last_update_id
        if rest is None or not rest.landed():
            return []
        if snapshot is None:
            self._drop()
            return []
        if snapshot.last > last and self._lead.is_overdue(snapshot.last, last, ts_mono):
            return self._come_to(snapshot.last, _beside(self._book, self._known, snapshot, []))
        rest.snapshot, rest.ts_mono = snapshot, ts_mono
        if not rest.is_behind(last):
            return self._conclude(rest)
        if rest.again:
            self._drop()
        else:
            rest.snapshot, rest.behind, rest.again = None, None, True
            self._ask(AGAIN_DELAY_NS)
        return []

    def _conclude(self, rest: RestAudit) -> list[Finding]:
        difference = rest.compare(self._book, self._known)
        if difference is None:
            return []
        return self._come_to(self._book.last_update_id, difference)

    def _come_to(self, update_id: int, difference: Difference) -> list[Finding]:
        self.rest = None
        self.audited += 1
        return [Finding(REST, update_id, difference)]

    def _drop(self) -> None:
        """The comparison under way, if any, comes to nothing."""
        if self.rest is not None:
            self.rest = None
            self.unaudited += 1

    def export(self) -> AuditState:
        """State to carry into the next segment."""
        touches = self.touches.export() if self.touches else None
        return AuditState(self.audited, touches, self.rest, self.unaudited, self._known, self._lead)

    def restore(self, saved: AuditState) -> None:
        """Become what `export` described."""
        self.audited, self.unaudited = saved.audited, saved.unaudited
        self.touches = Touches(saved.touches) if saved.touches else None
        self.rest = saved.rest
        self._known, self._lead = saved.known, saved.lead


def _beside(
    book: Book, known: Horizon, snapshot: Snapshot, deltas: Sequence[wire.Depth]
) -> Difference:
    """A book and a snapshot with those of the deltas that are newer."""
    venue = Book()
    venue.bids.load(snapshot.bids)
    venue.asks.load(snapshot.asks)
    for delta in deltas:
        if delta.u > snapshot.last:
            for side, levels in ((venue.bids, delta.b), (venue.asks, delta.a)):
                for price, qty in read_levels(levels):
                    side.set(price, qty)
    return compare_books(book, venue, known, Horizon.of(snapshot))
