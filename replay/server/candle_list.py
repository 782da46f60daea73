"""``/klines``: candles that were recorded, and candles made from trades or from mark prices."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from replay.server.as_of import AsOf
from replay.server.asked import I64, Asked
from replay.server.candle_members import Members, made, priced, told
from replay.server.candles import bounds, naive_iso
from replay.server.replies import Reply, as_json
from schemas.rows import Kline, MarkPrice, Trade
from schemas.topics import INTERVALS

PRICE_TYPES = ("Last", "Index", "Mark")
SOURCES = ("Venue", "External")
MOST = 10_000  # candles of a reply: the newest

_S = 1_000_000_000
_END = 2**63 - 1  # ns, of all times that a tape can hold
_SKEW_NS = 60 * _S  # the clock of a recorder may be behind the venue's by so much


class Span(NamedTuple):
    """The candles asked for: those that end after ``after`` and not after ``until``, in ns, as the
    client sees time. So the venue was seen to do it (2026-09-01 and 02, replies that were not
    cached): the candle in which the start lay was there, the one that was running was not."""

    interval: str
    after: int
    until: int


def klines(asked: Asked, at: AsOf) -> Reply:
    """The oldest first."""
    symbol = asked.text("symbol")
    interval = asked.needs_one_of("interval", "KlineInterval", INTERVALS)
    start = asked.needs_whole("startTime", I64) * _S
    end = asked.whole("endTime", I64)
    price_type = asked.one_of("priceType", "KlinePriceType", PRICE_TYPES)
    source = asked.one_of("source", "KlineSource", SOURCES)
    at.check(symbol)
    span = Span(interval, start, at.moved(at.now) if end is None else end * _S)
    if source == "External" or start >= min(span.until, _END):
        return as_json([])  # candles of outside providers are on no tape
    if price_type in ("Index", "Mark"):
        candles = _of_prices(symbol, price_type, span, at)
    else:
        candles = _of_trades(symbol, span, at)
    return as_json(_shown(candles, span, at))


def _of_trades(symbol: str, span: Span, at: AsOf) -> dict[int, Members]:
    """Candles by their start: as the stream had them last, or else made from trades."""
    first = _first(span, at)
    since = max(first - _SKEW_NS, 0)
    trades = at.history.since(Trade, symbol, at.mark, since)
    rows = at.history.since(Kline, symbol, at.mark, since, ("interval", span.interval))
    states = {row.ts_open: row for row in rows}  # the last one of each
    traded = _by_candle(trades, span.interval)
    starts = {start for start in (*states, *traded) if start >= first}
    if first not in starts and (
        min(traded, default=first) < first or _has_more(trades, symbol, at)
    ):
        starts.add(first)  # trades were recorded before it, and none in it
    if traded or first in starts:
        starts |= _between(starts, span.interval, at.now)
    return {
        start: told(states[start], traded.get(start, []))
        if start in states
        else made(traded.get(start, []))
        for start in sorted(starts)
    }


def _of_prices(symbol: str, price_type: str, span: Span, at: AsOf) -> dict[int, Members]:
    """The same from the mark or index prices of a market, once a second."""
    first = _first(span, at)
    points: dict[int, list[int]] = {}
    for row in at.history.since(MarkPrice, symbol, at.mark, max(first - _SKEW_NS, 0)):
        price = row.mark_price if price_type == "Mark" else row.index_price
        start = bounds(span.interval, row.ts_engine or row.ts_event or row.ts_recv)[0]
        if price is not None and start >= first:
            points.setdefault(start, []).append(price)
    return {start: priced(points[start]) for start in sorted(points)}


def _first(span: Span, at: AsOf) -> int:
    """Start of the oldest candle asked for, and of no more than `MOST`."""
    newest, end = bounds(span.interval, at.now)
    oldest = max(at.moved_back(span.after), newest - MOST * (end - newest), 0)
    return bounds(span.interval, min(oldest, at.now))[0]


def _by_candle(trades: Iterable[Trade], interval: str) -> dict[int, list[Trade]]:
    found: dict[int, list[Trade]] = {}
    start = end = 0
    for trade in trades:
        if not start <= trade.ts_engine < end:
            start, end = bounds(interval, trade.ts_engine)
        found.setdefault(start, []).append(trade)
    return found


def _has_more(trades: Sequence[Trade], symbol: str, at: AsOf) -> bool:
    """Whether there are older trades than these, which are all since some time."""
    return len(at.history.tail(Trade, symbol, at.mark, len(trades) + 1)) > len(trades)


def _between(starts: Iterable[int], interval: str, now: int) -> set[int]:
    """Starts of all candles from the first of these until now."""
    start, found = min(starts, default=now + 1), set[int]()
    while start <= now and len(found) <= MOST:
        found.add(start)
        start = bounds(interval, start)[1]
    return found


def _shown(candles: dict[int, Members], span: Span, at: AsOf) -> list[Members]:
    """Those asked for, with their times, members in the venue's order."""
    found = []
    for start, members in candles.items():
        end = bounds(span.interval, start)[1]
        shown = at.moved_candle(span.interval, end)
        over = end <= at.now or at.moved(end) <= span.until
        if over and span.after < shown <= span.until:
            times = {"start": at.moved_candle(span.interval, start), "end": shown}
            texts = {name: _text(ts) for name, ts in times.items()}
            found.append(dict(sorted((members | texts).items())))
    return found[-MOST:]


def _text(ts: int) -> str:
    """With a space, where the stream has a ``T`` (protocol fact 8)."""
    return naive_iso(ts).replace("T", " ")
