"""Order books as a recording leaves them, for clients to be compared with."""

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from market.book import Book, Level
from replay import Replay
from schemas.numbers import PRICE_DIGITS, QTY_DIGITS
from schemas.rows import Depth
from schemas.topics import depth_topic

Levels = list[tuple[Decimal, Decimal]]


class FinalBook(NamedTuple):
    """A book at its last update. bids, asks: prices and quantities, best first."""

    update_id: int
    bids: Levels
    asks: Levels


def final_books(data: Path, *symbols: str) -> dict[str, FinalBook]:
    """The real-time books of markets, before the recorder was told to stop, which ends them."""
    replay = Replay(data, topics=[depth_topic(symbol) for symbol in symbols])
    last: dict[str, tuple[int, list[Level], list[Level]]] = {}
    for _, rows in replay.frames():
        for symbol in {row.symbol or "" for row in rows if isinstance(row, Depth)}:
            book = replay.book(symbol)
            if book is not None:
                last[symbol] = _copied(book)
    return {
        symbol: FinalBook(update_id, _exact(bids), _exact(asks))
        for symbol, (update_id, bids, asks) in last.items()
    }


def price_of(value: int) -> Decimal:
    """A price of ours as a plain decimal."""
    return Decimal(value).scaleb(-PRICE_DIGITS)


def qty_of(value: int) -> Decimal:
    """A quantity of ours as a plain decimal."""
    return Decimal(value).scaleb(-QTY_DIGITS)


def _copied(book: Book) -> tuple[int, list[Level], list[Level]]:
    return book.last_update_id, book.bids.top(), book.asks.top()


def _exact(levels: list[Level]) -> Levels:
    return [(price_of(price), qty_of(qty)) for price, qty in levels]
