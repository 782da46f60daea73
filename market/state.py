"""What a client would ask for besides books, at the row in hand: the same live and in replay."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from market.lanes import Lane
from market.memory import Last, Memory
from market.orders import Orders, OrderState, fill_key, order_key
from market.trades import TradeTracker
from schemas.account_rows import Balance, Order, Position, Rfq
from schemas.errors import UsageError
from schemas.rows import (
    BookTicker,
    ExternalTicker,
    Kline,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Row,
    StockIndicativeQuote,
    StockPrice,
    Ticker,
    Trade,
)
from schemas.topics import INTERVALS, Topic

R = TypeVar("R", bound=Row)
T = TypeVar("T")
Channels = Mapping[str, Mapping[str, Lane]]

_ORDERS = "account.orderUpdate"
_POSITIONS = "account.positionUpdate"
_BALANCES = "account.balanceUpdate"
_RFQS = "account.rfqUpdate"
_LIQUIDATIONS = "liquidation"


class State:
    """Read-only, and without a copy: what it says changes from row to row; the rows it gives do
    not.

    What was never heard, or not asked for, is None or empty; `has` tells which. Several rows come
    as a tuple, oldest first. ``since``, in ns since the epoch and inclusive, is compared with the
    matching engine's time of a row, where it has none with the time the venue sent it, where that
    is missing too with its arrival; for candles with their start. ``limit`` keeps the newest.
    """

    def __init__(self, channels: Callable[[], Channels]) -> None:
        self._channels = channels

    def has(self, topic: str) -> bool:
        """Whether a stream is subscribed, or heard without that, in this recording."""
        lane = self._channels().get(Topic.parse(topic).channel, {}).get(topic)
        return lane is not None and not lane.ended

    def ticker(self, symbol: str) -> Ticker | None:
        """Statistics of 24 hours."""
        return self._last("ticker", symbol, Ticker)

    def tickers(self, symbols: Collection[str] | None = None) -> tuple[Ticker, ...]:
        """Of several markets, or all."""
        return self._lasts("ticker", symbols, Ticker)

    def quote(self, symbol: str) -> BookTicker | None:
        """Best bid and ask, a side that is empty None. None from when its connection ended, or
        frames were lost, until the next one."""
        return self._last("bookTicker", symbol, BookTicker)

    def quotes(self, symbols: Collection[str] | None = None) -> tuple[BookTicker, ...]:
        """Of several markets, or all."""
        return self._lasts("bookTicker", symbols, BookTicker)

    def mark_price(self, symbol: str) -> MarkPrice | None:
        """With index price, funding rate and next funding."""
        return self._last("markPrice", symbol, MarkPrice)

    def open_interest(self, symbol: str) -> OpenInterest | None:
        """In contracts."""
        return self._last("openInterest", symbol, OpenInterest)

    def external_ticker(self, symbol: str) -> ExternalTicker | None:
        """Statistics of 24 hours from an outside provider."""
        return self._last("externalTicker", symbol, ExternalTicker)

    def stock_price(self, ticker: str) -> StockPrice | None:
        """Of a stock in its own market."""
        return self._last("stockPrice", ticker, StockPrice)

    def stock_quote(self, ticker: str) -> StockIndicativeQuote | None:
        """Indicative quote of a stock."""
        return self._last("stockIndicativeQuote", ticker, StockIndicativeQuote)

    def trades(
        self, symbol: str, since: int | None = None, limit: int | None = None
    ) -> tuple[Trade, ...]:
        """Public trades in the order of their ids, at most TRADES_KEPT."""
        lane = self._lane("trade", symbol)
        tracker = lane.tracker if lane else None
        recent = tracker.recent if isinstance(tracker, TradeTracker) else ()
        return _newest(recent, since, limit)

    def liquidations(
        self, symbol: str | None = None, since: int | None = None, limit: int | None = None
    ) -> tuple[Liquidation, ...]:
        """Of a market, from its own stream, or where that is silent from the one of all markets;
        without a market, whatever the latter brought."""
        rows: Iterable[Liquidation] = self._rows(_LIQUIDATIONS, symbol or "", Liquidation)
        if symbol and not rows:
            every = self._rows(_LIQUIDATIONS, "", Liquidation)
            rows = [row for row in every if row.symbol == symbol]
        return _newest(rows, since, limit)

    def candles(
        self, symbol: str, interval: str, since: int | None = None, limit: int | None = None
    ) -> tuple[Kline, ...]:
        """By their start, at most CANDLES_KEPT: closed ones, and last the one that is open. Raises
        UsageError for an interval that there is not."""
        if interval not in INTERVALS:
            raise UsageError(f"no candles of {interval!r}; there are: {', '.join(INTERVALS)}")
        return _newest(self._rows("kline", f"{interval}.{symbol}", Kline), since, limit)

    def orders(
        self, symbol: str | None = None, since: int | None = None, limit: int | None = None
    ) -> tuple[OrderState, ...]:
        """Ours, those closed last too, in the order of their newest events."""
        found = sorted(self._merged_orders(symbol), key=lambda order: order.row.seq)
        return _newest(found, since, limit, lambda order: order.row)

    def order(self, symbol: str, order_id: str) -> OrderState | None:
        """One of ours."""
        found = (order for order in self.orders(symbol) if order.row.order_id == order_id)
        return next(found, None)

    def open_orders(
        self, symbol: str | None = None, since: int | None = None, limit: int | None = None
    ) -> tuple[OrderState, ...]:
        """Those of `orders` that are at the venue still."""
        found = [order for order in self.orders(symbol) if order.open]
        return _newest(found, since, limit, lambda order: order.row)

    def my_trades(
        self, symbol: str | None = None, since: int | None = None, limit: int | None = None
    ) -> tuple[Order, ...]:
        """Our fills as they came, each once, at most FILLS_KEPT of a stream."""
        rows = [row for memory in self._orders(symbol) for row in memory.fills.values()]
        by_seq = sorted(_about(rows, symbol), key=lambda row: row.seq)
        return _newest(_once(by_seq, fill_key), since, limit)

    def position(self, symbol: str) -> Position | None:
        """Ours in a market; a closed one has a ``net_qty`` of zero."""
        return next(iter(self._positions([symbol])), None)

    def positions(self, symbols: Collection[str] | None = None) -> tuple[Position, ...]:
        """Those that are open."""
        return tuple(row for row in self._positions(symbols) if row.net_qty)

    def balances(self) -> tuple[Balance, ...]:
        """Of each asset that has changed; the others, the venue does not tell."""
        return tuple(self._account(_BALANCES, None, Balance))

    def rfqs(
        self, symbol: str | None = None, since: int | None = None, limit: int | None = None
    ) -> tuple[Rfq, ...]:
        """Requests for quote, and quotes for them, by their newest events."""
        rows = _about(self._account(_RFQS, symbol, Rfq), symbol)
        found = _once(reversed(rows), lambda row: (row.rfq_id, row.quote_id))
        return _newest(found, since, limit)

    def _positions(self, symbols: Collection[str] | None) -> Sequence[Position]:
        symbols = _each_once(symbols)
        only = next(iter(symbols)) if symbols is not None and len(symbols) == 1 else None
        rows = self._account(_POSITIONS, only, Position)
        found = _once(reversed(rows), lambda row: row.symbol)
        return [row for row in found if symbols is None or row.symbol in symbols]

    def _merged_orders(self, symbol: str | None) -> Iterable[OrderState]:
        by: dict[object, OrderState] = {}
        for memory in self._orders(symbol):
            for order in (*memory.over.values(), *memory.resting.values()):
                key = order_key(order.row)
                if symbol is None or order.row.symbol == symbol:
                    by[key] = by[key].beside(order) if key in by else order
        return by.values()

    def _orders(self, symbol: str | None) -> Iterator[Orders]:
        for lane in self._account_lanes(_ORDERS, symbol):
            if isinstance(lane.tracker, Orders):
                yield lane.tracker

    def _account(self, channel: str, symbol: str | None, table: type[R]) -> list[R]:
        """All that is kept, by seq: an account may be heard by several streams at once."""
        found = [
            row
            for lane in self._account_lanes(channel, symbol)
            if isinstance(lane.tracker, Memory)
            for row in lane.tracker.kept()
            if isinstance(row, table)
        ]
        return sorted(found, key=lambda row: row.seq)

    def _account_lanes(self, channel: str, symbol: str | None) -> Iterator[Lane]:
        """Streams that may tell of a market: its own, and that of all."""
        lanes = self._channels().get(channel, {})
        names = lanes if symbol is None else (channel, f"{channel}.{symbol}")
        return (lanes[name] for name in names if name in lanes)

    def _lane(self, channel: str, rest: str) -> Lane | None:
        return self._channels().get(channel, {}).get(f"{channel}.{rest}" if rest else channel)

    def _rows(self, channel: str, rest: str, table: type[R]) -> list[R]:
        lane = self._lane(channel, rest)
        kept = lane.tracker.kept() if lane and isinstance(lane.tracker, Memory) else ()
        return [row for row in kept if isinstance(row, table)]

    def _last(self, channel: str, symbol: str, table: type[R]) -> R | None:
        lane = self._lane(channel, symbol)
        row = lane.tracker.row if lane and isinstance(lane.tracker, Last) else None
        return row if isinstance(row, table) else None

    def _lasts(
        self, channel: str, symbols: Collection[str] | None, table: type[R]
    ) -> tuple[R, ...]:
        if symbols is None:
            lanes = self._channels().get(channel, {}).values()
            symbols = [lane.topic.symbol for lane in lanes]
        found = (self._last(channel, symbol, table) for symbol in _each_once(symbols) or ())
        return tuple(sorted((row for row in found if row is not None), key=lambda row: row.seq))


def _each_once(symbols: Collection[str] | None) -> Collection[str] | None:
    """Raises UsageError for a single text, which is a collection of letters."""
    if isinstance(symbols, str):
        raise UsageError(f"{symbols!r} is one symbol: several are asked for, as in [{symbols!r}]")
    return symbols if symbols is None else dict.fromkeys(symbols)


def _about(rows: Iterable[R], symbol: str | None) -> list[R]:
    return [row for row in rows if symbol is None or row.symbol == symbol]


def _once(rows: Iterable[R], thing: Callable[[R], object]) -> list[R]:
    """The first row about each thing, by seq."""
    by: dict[object, R] = {}
    for row in rows:
        by.setdefault(thing(row), row)
    return sorted(by.values(), key=lambda row: row.seq)


def _newest(
    found: Iterable[T],
    since: int | None,
    limit: int | None,
    row_of: Callable[[T], Any] = lambda row: row,
) -> tuple[T, ...]:
    if limit is not None and limit < 0:
        raise UsageError(f"a limit of {limit}: it is how many rows are wanted, from 0")
    rows = [one for one in found if since is None or _when(row_of(one)) >= since]
    return tuple(rows if limit is None else rows[max(0, len(rows) - limit) :])


def _when(row: Row) -> int:
    """The time that ``since`` is about."""
    if isinstance(row, Kline):
        return row.ts_open
    ts_engine: int | None = getattr(row, "ts_engine", None)
    for ts in (ts_engine, row.ts_event):
        if ts is not None:
            return ts
    return row.ts_recv
