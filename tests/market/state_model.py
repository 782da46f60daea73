"""What `market.state` should answer, worked out anew from everything that happened: lists, loops.

It knows frames only for what rows do not say: their connection, their stream, what was subscribed.
"""

import json
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from schemas.account_rows import Order
from schemas.frames import Frame, Kind
from schemas.rows import Gap, Kline, Row, Trade

UNIT = 1_000_000  # quantities of the tests are whole
OVER = ("Filled", "Cancelled", "Expired", "TriggerFailed")


class Step(NamedTuple):
    """A frame and its rows. stream: of a message that made rows, else empty."""

    frame: Frame
    rows: list[Row]
    stream: str

    def subscribes(self, stream: str) -> bool:
        return self.frame.kind is Kind.SENT and stream in json.loads(self.frame.payload)["params"]


def step(frame: Frame, rows: list[Row]) -> Step:
    """What the model is told of a frame."""
    tables = {row.TABLE for row in rows}
    read = frame.kind is Kind.DATA and tables and "reject" not in tables
    return Step(frame, rows, json.loads(frame.payload)["stream"] if read else "")


class Known(NamedTuple):
    """An order as one stream, or several, should know it."""

    row: Order
    executed: int
    quote: Any
    missed: int
    sure: bool


class Model:
    """Answers for the steps given."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps

    def rows(self, stream: str, table: str) -> list[Any]:
        """All of a stream."""
        return [r for s in self.steps if s.stream == stream for r in s.rows if table == r.TABLE]

    def last(self, stream: str, table: str) -> Row | None:
        return next(iter(self.rows(stream, table)[::-1]), None)

    def interruptions(self, stream: str, always: bool) -> list[int]:
        """Steps at which it was. always: when it is subscribed again where it was, too."""
        conn, found = 0, []
        for at, step in enumerate(self.steps):
            kind, its = step.frame.kind, step.frame.conn
            if step.stream == stream:
                conn = its
            elif step.subscribes(stream):
                found += [at] * (always or conn != its)
                conn = its
            elif kind is Kind.CLOSE and its == conn:
                found.append(at)
                conn = 0
            elif kind is Kind.LOSS:
                found.append(at)
        return found

    def quote(self, symbol: str) -> Row | None:
        stream = f"bookTicker.{symbol}"
        ends = max(self.interruptions(stream, always=False), default=-1)
        return Model(self.steps[ends + 1 :]).last(stream, "book_ticker")

    def trades(self, symbol: str, most: int) -> list[Trade]:
        """By id, one numbering after another."""
        eras: list[list[Trade]] = [[]]
        for row in chain.from_iterable(step.rows for step in self.steps):
            if isinstance(row, Gap) and row.topic == f"trade.{symbol}":
                eras += [[]] * (row.cause == "ids_backwards")
            if isinstance(row, Trade) and row.symbol == symbol:
                eras[-1] = [*eras[-1], row]
        return [row for era in eras for row in sorted(era, key=lambda r: r.trade_id)][-most:]

    def candles(self, symbol: str, interval: str, most: int) -> list[Kline]:
        """Of each start, what was sent last, but for what comes after its end."""
        by: dict[int, Kline] = {}
        for row in self.rows(f"kline.{interval}.{symbol}", "kline"):
            known = by.setdefault(row.ts_open, row)
            if row.ts_event >= known.ts_event and row.closed >= known.closed:
                by[row.ts_open] = row
        return [by[start] for start in sorted(by)][-most:]

    def liquidations(self, symbol: str, most: int) -> list[Row]:
        own = self.rows(f"liquidation.{symbol}", "liquidation")[-most:]
        every = self.rows("liquidation", "liquidation")[-most:]
        return own or [row for row in every if row.symbol == symbol]

    def each(self, streams: Sequence[str], table: str, thing: Callable[[Any], object]) -> list[Any]:
        """The last row about each thing, by seq."""
        by = {
            thing(row): row
            for step in self.steps
            if step.stream in streams
            for row in step.rows
            if table == row.TABLE
        }
        return sorted(by.values(), key=lambda row: row.seq)

    def fills(self, streams: Sequence[str]) -> list[Order]:
        """Each once."""
        found: dict[object, Order] = {}
        for step in self.steps:
            for row in step.rows:
                if step.stream in streams and isinstance(row, Order) and row.event == "orderFill":
                    trade = row.trade_id if row.trade_id is not None else f"at {row.executed_qty}"
                    found.setdefault((row.symbol, row.order_id, trade), row)
        return list(found.values())

    def orders(self, streams: Sequence[str]) -> list[Known]:
        """All that any of the streams told of, by seq."""
        rows = [row for stream in streams for row in self.rows(stream, "order")]
        keys = {(row.symbol, row.order_id) for row in rows}
        found = [self._order(key, streams) for key in keys]
        return sorted(found, key=lambda order: order.row.seq)

    def _order(self, key: tuple[str, str], streams: Sequence[str]) -> Known:
        heard = [order for stream in streams for order in self._heard(key, stream)]
        best = max(heard, key=lambda o: (o.row.state in OVER, o.executed, o.row.seq))
        executed = max(order.executed for order in heard)
        told = [r for stream in streams for r in self.rows(stream, "order") if _key(r) == key]
        seen = {unit for row in told for unit in _units(row)}
        return Known(
            best.row,
            executed,
            max(order.quote for order in heard),
            len(set(range(executed // UNIT)) - seen) * UNIT,
            best.row.state in OVER or any(order.sure for order in heard),
        )

    def _heard(self, key: tuple[str, str], stream: str) -> list[Known]:
        """An order as a single stream tells of it; nothing if it does not."""
        known: Known | None = None
        doubts = self.interruptions(stream, always=True)
        for at, step in enumerate(self.steps):
            for row in step.rows if step.stream == stream else []:
                if isinstance(row, Order) and _key(row) == key:
                    known = _told(known, row)
            if known is not None and at in doubts and known.row.state not in OVER:
                known = known._replace(sure=False)
        return [] if known is None else [known]


def _told(known: Known | None, row: Order) -> Known:
    if known is None:
        return Known(row, row.executed_qty, row.executed_quote_qty, 0, True)
    late = row.executed_qty < known.executed
    late |= known.row.state in OVER and row.state not in OVER
    if None not in (row.ts_engine, known.row.ts_engine):
        late |= (row.ts_engine or 0) < (known.row.ts_engine or 0)
    return Known(
        known.row if late else row,
        max(known.executed, row.executed_qty),
        max(known.quote, row.executed_quote_qty),
        0,
        known.sure or not late,
    )


def _key(row: Order) -> tuple[str | None, str]:
    return row.symbol, row.order_id


def _units(row: Order) -> range:
    """Which of the units of an order a fill tells of."""
    if row.event != "orderFill" or row.fill_qty is None:
        return range(0)
    last = row.executed_qty // UNIT
    return range(max(0, last - row.fill_qty // UNIT), last)
