"""``STREAMS``: one line per kind of stream. All else about a stream derives from it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct

from market import account_handlers, handlers
from market.candles import Candles
from market.depth import DepthTracker
from market.memory import Balances, Last, Memory, Positions, Recent, Rfqs
from market.orders import Orders
from market.quotes import QuoteTracker
from market.trades import TradeTracker
from schemas import account_rows, account_wire, rows, wire
from schemas.frames import Frame
from schemas.rows import Row
from schemas.topics import Topic

Tracker = DepthTracker | TradeTracker | QuoteTracker
Handler = Callable[[Topic, Frame, Any], list[Row]]


class Stream(NamedTuple):
    """A kind of stream: its channel; the class of its messages, which knows the names of its
    events, and of its rows; and the handler between with the memory that keeps its rows, or the
    tracker that does both.

    several: a frame may have an array of messages.
    """

    channel: str
    message: type[Struct]
    row: type[Row]
    handler: Handler | None = None
    keep: type[Memory] = Last
    tracker: type[Tracker] | None = None
    several: bool = False

    @property
    def private(self) -> bool:
        """Whether only the owner of an account may hear it."""
        return Topic.parse(self.channel).private


STREAMS: dict[str, Stream] = {
    stream.channel: stream
    for stream in (
        Stream("depth", wire.Depth, rows.Depth, tracker=DepthTracker),
        Stream("bookTicker", wire.BookTicker, rows.BookTicker, tracker=QuoteTracker),
        Stream("trade", wire.Trade, rows.Trade, tracker=TradeTracker),
        Stream("ticker", wire.Ticker, rows.Ticker, handlers.ticker),
        Stream("kline", wire.Kline, rows.Kline, handlers.kline, Candles),
        Stream("markPrice", wire.MarkPrice, rows.MarkPrice, handlers.mark_price),
        Stream("openInterest", wire.OpenInterest, rows.OpenInterest, handlers.open_interest),
        Stream("liquidation", wire.Liquidation, rows.Liquidation, handlers.liquidation, Recent),
        Stream(
            "externalTicker", wire.ExternalTicker, rows.ExternalTicker, handlers.external_ticker
        ),
        Stream("stockPrice", wire.StockPrice, rows.StockPrice, handlers.stock_price),
        Stream(
            "stockIndicativeQuote",
            wire.StockIndicativeQuote,
            rows.StockIndicativeQuote,
            handlers.stock_indicative_quote,
        ),
        Stream(
            "account.orderUpdate",
            account_wire.Order,
            account_rows.Order,
            account_handlers.order,
            Orders,
        ),
        Stream(
            "account.positionUpdate",
            account_wire.Position,
            account_rows.Position,
            account_handlers.position,
            Positions,
            several=True,
        ),
        Stream(
            "account.balanceUpdate",
            account_wire.Balance,
            account_rows.Balance,
            account_handlers.balance,
            Balances,
        ),
        Stream("account.rfqUpdate", account_wire.Rfq, account_rows.Rfq, account_handlers.rfq, Rfqs),
    )
}

PUBLIC = {channel: stream for channel, stream in STREAMS.items() if not stream.private}
