"""What ``/klines`` says of one candle, but for its times (protocol section 6).

All are texts, prices null without trades. The schema of the venue demands a quote volume, which no
stream has: it is that of the trades that were recorded, exact if they are all there. What the
volume of the candle has beyond theirs is counted at its close.
"""

from collections.abc import Sequence
from decimal import Decimal

from replay.server.candles import Candle
from replay.server.replies import trimmed
from schemas.numbers import PRICE_DIGITS, QTY_DIGITS, WIDE_DIGITS, pretty, pretty_price
from schemas.rows import Kline, Trade

Members = dict[str, str | None]

_WIDER = 10 ** (WIDE_DIGITS - QTY_DIGITS)


def told(row: Kline, trades: Sequence[Trade]) -> Members:
    """Of a candle that was recorded. trades: of it, in order of arrival."""
    volume = Decimal() if row.volume is None else row.volume
    prices = (row.open, row.high, row.low, row.close)
    texts = (None if price is None else pretty_price(price) for price in prices)
    return {
        **dict(zip(("open", "high", "low", "close"), texts, strict=True)),
        "quoteVolume": _quote_volume(volume, row.close or 0, trades),
        "trades": str(row.trades or 0),
        "volume": trimmed(volume),
    }


def made(trades: Sequence[Trade]) -> Members:
    """Of a candle made from trades; of one without any, if there are none."""
    candle = Candle()
    for trade in trades:
        candle.add(trade)
    texts = candle.texts()
    quote_volume = sum(trade.price * trade.qty for trade in trades)
    return {
        "open": texts["o"],
        "high": texts["h"],
        "low": texts["l"],
        "close": texts["c"],
        "quoteVolume": pretty(quote_volume, PRICE_DIGITS + QTY_DIGITS),
        "trades": str(candle.trades),
        "volume": texts["v"] or "0",
    }


def priced(prices: Sequence[int]) -> Members:
    """Of a candle made from prices that nobody traded at, in order."""
    members = (prices[0], max(prices), min(prices), prices[-1])
    texts = map(pretty_price, members)
    nothing = dict.fromkeys(("quoteVolume", "trades", "volume"), "0")
    return {**dict(zip(("open", "high", "low", "close"), texts, strict=True)), **nothing}


def _quote_volume(volume: Decimal, close: int, trades: Sequence[Trade]) -> str:
    """Of the trades that make up a volume: those that came after the row are not in it."""
    numerator, denominator = volume.as_integer_ratio()
    left = numerator * 10**WIDE_DIGITS // denominator
    quote = 0
    for trade in trades:
        if trade.qty * _WIDER > left:
            break
        left -= trade.qty * _WIDER
        quote += trade.price * trade.qty * _WIDER
    return pretty(quote + left * close, PRICE_DIGITS + WIDE_DIGITS)
