"""``/ticker`` and ``/tickers``: statistics of the last 24 hours."""

from fractions import Fraction

from replay.server.as_of import AsOf
from replay.server.asked import Asked
from replay.server.replies import NO_DATA, Reply, as_json, trimmed
from schemas.numbers import pretty, pretty_price
from schemas.rows import Ticker

INTERVALS = ("1d", "1w")
RECORDED = "1d"  # the stream has no other
_PERCENT_DIGITS = 6


def ticker(asked: Asked, at: AsOf) -> Reply:
    """Of one market; 204 without data."""
    symbol = asked.text("symbol")
    interval = asked.one_of("interval", "TickerInterval", INTERVALS)
    found = _ticker(at.check(symbol), interval, at)
    return NO_DATA if found is None else as_json(found)


def tickers(asked: Asked, at: AsOf) -> Reply:
    """Of all markets that have data."""
    interval = asked.one_of("interval", "TickerInterval", INTERVALS)
    symbols = at.in_order(at.history.symbols(Ticker))
    found = [_ticker(symbol, interval, at) for symbol in symbols]
    return as_json([members for members in found if members is not None])


def _ticker(symbol: str, interval: str | None, at: AsOf) -> dict[str, str] | None:
    if interval not in (None, RECORDED) or at.markets.is_closed(symbol):
        return None
    row = at.history.last(Ticker, symbol, at.mark)
    return None if row is None else _members(row)


def _members(row: Ticker) -> dict[str, str] | None:
    """None where the venue had nothing to say but the name."""
    if row.open is None or row.high is None or row.low is None or row.last is None:
        return None
    if row.volume is None or row.quote_volume is None or row.trades is None:
        return None
    return {
        "firstPrice": pretty_price(row.open),
        "high": pretty_price(row.high),
        "lastPrice": pretty_price(row.last),
        "low": pretty_price(row.low),
        "priceChange": pretty_price(row.last - row.open),
        "priceChangePercent": _fraction(row.open, row.last),
        "quoteVolume": trimmed(row.quote_volume),
        "symbol": row.symbol or "",
        "trades": str(row.trades),
        "volume": trimmed(row.volume),
    }


def _fraction(first: int, last: int) -> str:
    """The change as a fraction of the first price, rounded to six decimals (0.01 is 1 %)."""
    if not first:
        return "N/A"
    return pretty(round(Fraction(last - first, first) * 10**_PERCENT_DIGITS), _PERCENT_DIGITS)
