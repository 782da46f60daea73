"""``/trades`` and ``/trades/history``: public trades, the newest first."""

from replay.server.as_of import AsOf
from replay.server.asked import U16, U64, Asked, Bounds, Integer
from replay.server.replies import Refused, Reply, as_json, error
from schemas.numbers import PRICE_DIGITS, QTY_DIGITS, pretty, pretty_price, pretty_qty
from schemas.rows import Trade

DEFAULT = 100
ALLOWED = Bounds(1, 1_000)
FARTHEST = 10_000  # limit and offset together
TOO_FAR = error(400, "INVALID_RANGE", f"limit and offset exceed {FARTHEST}")


def trades(asked: Asked, at: AsOf) -> Reply:
    """The newest trades."""
    symbol, limit = _symbol_and_limit(asked, U16)
    return _newest(at.check(symbol), limit, 0, at)


def trade_history(asked: Asked, at: AsOf) -> Reply:
    """The newest trades but for the first ``offset``."""
    symbol, limit = _symbol_and_limit(asked, U64)
    offset = asked.whole("offset", U64) or 0
    at.check(symbol)
    if limit + offset > FARTHEST:
        raise Refused(TOO_FAR)
    return _newest(symbol, limit, offset, at)


def _symbol_and_limit(asked: Asked, kind: Integer) -> tuple[str, int]:
    symbol = asked.text("symbol")
    limit = asked.whole("limit", kind, ALLOWED)
    return symbol, DEFAULT if limit is None else limit


def _newest(symbol: str, limit: int, offset: int, at: AsOf) -> Reply:
    found = at.history.tail(Trade, symbol, at.mark, limit + offset)
    found.sort(key=lambda trade: trade.trade_id, reverse=True)  # one may have come late
    return as_json([_trade(trade, at) for trade in found[offset:]])


def _trade(trade: Trade, at: AsOf) -> dict[str, object]:
    return {
        "id": trade.trade_id,
        "isBuyerMaker": trade.side == "sell",
        "price": pretty_price(trade.price),
        "quantity": pretty_qty(trade.qty),
        "quoteQuantity": pretty(trade.price * trade.qty, PRICE_DIGITS + QTY_DIGITS),
        "timestamp": at.millis(trade.ts_engine),
    }
