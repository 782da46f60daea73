"""``/depth``: the book as it was (protocol sections 3.2 and 3.3)."""

from typing import Final

from replay.server.as_of import AsOf
from replay.server.asked import Asked
from replay.server.replies import NOT_FOUND, Refused, Reply, as_json
from schemas.numbers import pretty_price, pretty_qty
from tape.history import BookAt

LIMITS = ("5", "10", "20", "50", "100", "500", "1000")
DEEPEST: Final = 5_000  # levels of a side where no limit is asked for
AHEAD_NS = 60_000_000_000  # a snapshot may be ahead of the socket, by so much at most


def depth(asked: Asked, at: AsOf) -> Reply:
    """The levels nearest the touch. Where no book is live, the next one that was: a client joins
    it with the stream as the recorder did."""
    symbol = asked.text("symbol")
    limit = asked.one_of("limit", "DepthLimit", LIMITS)
    if at.markets.is_closed(at.check(symbol)):
        raise Refused(NOT_FOUND)
    book = at.history.book(symbol, at.mark)
    if book is None:
        book = at.history.next_book(symbol, at.mark, AHEAD_NS)
    if book is None:
        raise Refused(NOT_FOUND)
    return _reply(book, DEEPEST if limit is None else int(limit), at)


def _reply(book: BookAt, levels: int, at: AsOf) -> Reply:
    """Both sides ascend, so that the best bid is the last (protocol fact 1)."""
    return as_json(
        {
            "asks": _texts(book.asks[:levels]),
            "bids": _texts(book.bids[-levels:]),
            "lastUpdateId": str(book.update_id),
            "timestamp": at.micros(at.now if book.ts_engine is None else book.ts_engine),
        }
    )


def _texts(levels: list[tuple[int, int]]) -> list[tuple[str, str]]:
    return [(pretty_price(price), pretty_qty(qty)) for price, qty in levels]
