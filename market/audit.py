"""A book beside what else the venue says of it at the same update id: what differs."""

from typing import NamedTuple

from market.book import Book, BookSide, Level, PriceQty, Touch
from market.deltas import Snapshot
from market.gaps import Place
from schemas.check_rows import Audit
from schemas.columns import Price
from schemas.rows import BookTicker

BOOK_TICKER, REST = "bookTicker", "rest"  # sources


class Side(NamedTuple):
    """The best level that differs on a side: ours, the venue's; None where there is no such."""

    ours: PriceQty | None = None
    venue: PriceQty | None = None


class Difference(NamedTuple):
    """Two books beside each other: how many levels differ, and the best of each side."""

    levels: int = 0
    bid: Side = Side()
    ask: Side = Side()


class Finding(NamedTuple):
    """A comparison that was made. source: BOOK_TICKER or REST."""

    source: str
    update_id: int
    difference: Difference


class Horizon(NamedTuple):
    """The worst bid and ask of a snapshot: what is further away may have been cut off. None: it has
    nothing there, so there is nothing."""

    bid: Price | None = None
    ask: Price | None = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Horizon":
        """How far a snapshot can be seen."""
        return cls(
            min((price for price, _ in snapshot.bids), default=None),
            max((price for price, _ in snapshot.asks), default=None),
        )


_NONE = (None, None)


def quote_of(row: BookTicker) -> Touch | None:
    """A bookTicker as a touch; None where half of a side is missing. An order book has no level of
    no quantity, so that is an empty side too."""
    if row.bid_price and row.bid_qty and row.ask_price and row.ask_qty:  # nearly all
        return (row.update_id, row.bid_price, row.bid_qty, row.ask_price, row.ask_qty)
    if (row.bid_price is None) != (row.bid_qty is None):
        return None
    if (row.ask_price is None) != (row.ask_qty is None):
        return None
    bid = (row.bid_price, row.bid_qty) if row.bid_qty else (None, None)
    ask = (row.ask_price, row.ask_qty) if row.ask_qty else (None, None)
    return (row.update_id, *bid, *ask)


def compare_touches(ours: Touch, venue: Touch) -> Difference:
    """Two touches of one id."""
    bid = Side() if ours[1:3] == venue[1:3] else Side(_level(*ours[1:3]), _level(*venue[1:3]))
    ask = Side() if ours[3:] == venue[3:] else Side(_level(*ours[3:]), _level(*venue[3:]))
    return Difference((bid != Side()) + (ask != Side()), bid, ask)


def compare_books(ours: Book, venue: Book, known: Horizon, shown: Horizon) -> Difference:
    """Two books of one id, down to what the venue has ``shown``. What the snapshot that joined did
    not let us know is no difference; what deltas have told us since is compared."""
    bids = [
        price
        for price in _differing(ours.bids, venue.bids)
        if (shown.bid is None or price >= shown.bid)
        and (known.bid is None or price >= known.bid or ours.bids.qty_at(price))
    ]
    asks = [
        price
        for price in _differing(ours.asks, venue.asks)
        if (shown.ask is None or price <= shown.ask)
        and (known.ask is None or price <= known.ask or ours.asks.qty_at(price))
    ]
    return Difference(
        len(bids) + len(asks),
        _side(ours.bids, venue.bids, max(bids, default=None)),
        _side(ours.asks, venue.asks, min(asks, default=None)),
    )


def audit_row(place: Place, found: Finding) -> Audit:
    """What a comparison came to."""
    frame, topic, ts_event = place
    levels, bid, ask = found.difference
    best = [part for level in (bid.ours, ask.ours, bid.venue, ask.venue) for part in level or _NONE]
    return Audit(
        frame.seq, frame.ts_recv, ts_event, topic.symbol if topic else None, str(topic),
        found.source, found.update_id, levels, *best,
    )  # fmt: skip


def _differing(ours: BookSide, venue: BookSide) -> list[int]:
    prices = {level.price for level in (*ours.top(), *venue.top())}
    return [price for price in prices if ours.qty_at(price) != venue.qty_at(price)]


def _side(ours: BookSide, venue: BookSide, price: int | None) -> Side:
    if price is None:
        return Side()
    return Side(_level(price, ours.qty_at(price)), _level(price, venue.qty_at(price)))


def _level(price: int | None, qty: int | None) -> PriceQty | None:
    return Level(price, qty) if price is not None and qty else None
