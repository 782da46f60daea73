"""``/markPrices``, ``/openInterest`` and ``/fundingRates``."""

from collections.abc import Iterable
from decimal import ROUND_DOWN, Context, Decimal

from replay.server.as_of import AsOf
from replay.server.asked import U64, Asked, Bounds
from replay.server.candles import naive_iso
from replay.server.market_list import KINDS
from replay.server.replies import SYMBOL_NOT_FOUND, Refused, Reply, as_json, trimmed
from schemas.numbers import pretty_price, pretty_qty
from schemas.rows import MarkPrice, OpenInterest

DEFAULT_KIND = "PERP"
DEFAULT_RATES = 100
ALLOWED_RATES = Bounds(1, 10_000)
_LONGEST_INTERVAL_MS = 28_800_000
_NINE_DIGITS = Decimal("0.000000001")
_WIDE = Context(prec=60)


def mark_prices(asked: Asked, at: AsOf) -> Reply:
    """Of one market, or of all of a type that are open."""
    symbol = asked.first("symbol")
    kind = asked.one_of("marketType", "MarketType", KINDS)
    if symbol is not None:
        members = _mark_price(symbol, at)
        if members is None:
            raise Refused(SYMBOL_NOT_FOUND)
        return as_json([members])
    symbols = at.in_order(at.history.symbols(MarkPrice))
    wanted = (symbol for symbol in symbols if at.markets.kind(symbol) == (kind or DEFAULT_KIND))
    found = (_mark_price(symbol, at) for symbol in wanted)
    return as_json([members for members in found if members is not None])


def _mark_price(symbol: str, at: AsOf) -> dict[str, object] | None:
    """Prediction markets have the mark price alone (protocol 2.6)."""
    row = None if at.markets.is_closed(symbol) else at.history.last(MarkPrice, symbol, at.mark)
    if row is None:
        return None
    return {
        "fundingRate": None if row.funding_rate is None else trimmed(row.funding_rate),
        "indexPrice": None if row.index_price is None else pretty_price(row.index_price),
        "markPrice": pretty_price(row.mark_price),
        "nextFundingTimestamp": None if row.ts_funding is None else at.millis(row.ts_funding),
        "symbol": symbol,
    }


def open_interest(asked: Asked, at: AsOf) -> Reply:
    """Of one market, or of all."""
    symbol = asked.first("symbol")
    known = at.history.symbols(OpenInterest) if symbol is None else [at.check(symbol)]
    rows = (at.history.last(OpenInterest, name, at.mark) for name in at.in_order(known))
    return as_json([_open_interest(row, at) for row in rows if row is not None])


def _open_interest(row: OpenInterest, at: AsOf) -> dict[str, object]:
    return {
        "openInterest": pretty_qty(row.open_interest),
        "symbol": row.symbol,
        "timestamp": at.millis(row.ts_recv if row.ts_event is None else row.ts_event),
    }


def funding_rates(asked: Asked, at: AsOf) -> Reply:
    """Of one market, the running interval included, the newest first."""
    symbol = asked.text("symbol")
    limit = asked.whole("limit", U64, ALLOWED_RATES)
    offset = asked.whole("offset", U64) or 0
    wanted = offset + (DEFAULT_RATES if limit is None else limit)
    since = at.now - (wanted + 1) * _interval(at.check(symbol), at)
    rows = at.history.since(MarkPrice, symbol, at.mark, max(since, 0))
    newest = sorted(_last_estimates(rows).items(), reverse=True)[offset:wanted]
    return as_json(
        [
            {
                "fundingRate": nine_digits(rate),
                "intervalEndTimestamp": naive_iso(at.moved(end)),
                "symbol": symbol,
            }
            for end, rate in newest
        ]
    )


def _interval(symbol: str, at: AsOf) -> int:
    """Between two fundings of a market, ns."""
    listed = at.markets.get(symbol)
    known = None if listed is None else listed.funding_ms
    return (known or _LONGEST_INTERVAL_MS) * 1_000_000


def _last_estimates(rows: Iterable[MarkPrice]) -> dict[int, Decimal]:
    """By the end of each interval, the rate that was the estimate when it ended."""
    found: dict[int, Decimal] = {}
    for row in rows:
        end, rate, said = row.ts_funding, row.funding_rate, row.ts_event or row.ts_recv
        if end is not None and rate is not None and (said < end or end not in found):
            found[end] = rate
    return found


def nine_digits(rate: Decimal) -> str:
    """As ``fundingRates`` has it, where ``markPrices`` has up to 28 decimals. Cut and not rounded:
    0.0002438565367.. was seen beside 0.000243856, of a rate that moves by far more every second.
    """
    return trimmed(rate.quantize(_NINE_DIGITS, ROUND_DOWN, _WIDE))
