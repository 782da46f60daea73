"""The real captures, fed to an engine once per run of the tests."""

from collections import Counter
from functools import cache
from typing import NamedTuple

from market.engine import Engine
from schemas.digest import Witness
from schemas.frames import Frame, Kind
from schemas.rows import BookTicker, Depth, Gap
from tests.market.row_book import RowBook
from tests.market.stamps import depth_path, subscribe
from tests.shared import Arrival, Shot, capture_frames, capture_shots

SYMBOLS = ("BTC_USDC", "ETH_USDC")
Touch = tuple[tuple[int, int] | None, tuple[int, int] | None]


class Fed(NamedTuple):
    """A capture fed, and what came of it.

    touches: best bid and ask, by symbol and update id, of every state of the live books.
    quotes: the same as the bookTickers had it.
    rebuilt: the last books, by symbol, of the depth rows alone.
    """

    engine: Engine
    frames: int
    rows: dict[str, int]
    digest: str
    gaps: list[Gap]
    touches: dict[tuple[str, int], Touch]
    quotes: dict[tuple[str, int], list[Touch]]
    rebuilt: dict[str, RowBook]


@cache
def fed(name: str) -> Fed:
    """Subscribe, then the capture with its snapshots put in where their replies arrived."""
    result = Fed(Engine(), 0, {}, "", [], {}, {}, {symbol: RowBook() for symbol in SYMBOLS})
    witness, counts, last = Witness(), Counter[str](), dict.fromkeys(SYMBOLS, 0)
    for frame in _frames(name):
        rows = result.engine.feed(frame)
        witness.see(frame, rows)
        for row in rows:
            counts[row.TABLE] += 1
            if isinstance(row, Depth) and row.symbol:
                result.rebuilt[row.symbol].take([row])
            if isinstance(row, Gap):
                result.gaps.append(row)
            if isinstance(row, BookTicker) and row.symbol:
                quote = _quote(row)
                result.quotes.setdefault((row.symbol, row.update_id), []).append(quote)
        _look(result, last)
    digest = witness.checkpoint().rows
    return result._replace(frames=witness.count, rows=dict(sorted(counts.items())), digest=digest)


def _quote(row: BookTicker) -> Touch:
    assert row.bid_price is not None
    assert row.bid_qty is not None
    assert row.ask_price is not None
    assert row.ask_qty is not None
    return (row.bid_price, row.bid_qty), (row.ask_price, row.ask_qty)


def _look(result: Fed, last: dict[str, int]) -> None:
    """Note the touch of each book that has moved."""
    for symbol in SYMBOLS:
        book = result.engine.book(symbol)
        if book is not None and book.last_update_id != last[symbol]:
            last[symbol] = book.last_update_id
            result.touches[symbol, book.last_update_id] = (book.best_bid, book.best_ask)


def _frames(name: str) -> list[Frame]:
    """In order of arrival; both requests go out before the first frame."""
    arrivals: list[Arrival | Shot] = [*capture_frames(name), *capture_shots(name)]
    arrivals.sort(key=lambda arrival: arrival.recv_ns)
    start = arrivals[0].recv_ns
    topics = [f"depth.{symbol}" for symbol in SYMBOLS]
    begin = [(start, Kind.SENT, subscribe(*topics), 1, "")]
    begin += [(start, Kind.REQUEST, b"", 0, depth_path(symbol)) for symbol in SYMBOLS]
    parts = [*begin, *map(_part, arrivals)]
    return [
        Frame(seq, recv_ns, recv_ns - start, conn, kind, topic, payload)
        for seq, (recv_ns, kind, payload, conn, topic) in enumerate(parts, 1)
    ]


def _part(arrival: Arrival | Shot) -> tuple[int, Kind, bytes, int, str]:
    if isinstance(arrival, Shot):
        path = depth_path(arrival.symbol)
        return arrival.recv_ns, Kind.REPLY, arrival.body.encode(), 0, path
    return arrival.recv_ns, Kind.DATA, arrival.text.encode(), 1, ""
