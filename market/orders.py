"""Orders of ours and their fills, folded of the events of a stream (protocol section 4.1)."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from market.memory import Memory, put_last
from market.stretches import Stretch, common, length, without
from schemas.account_rows import Order
from schemas.columns import Count, Qty
from schemas.frames import Frame
from schemas.rows import Row

RESTING_KEPT = 4_096  # of a stream, each
OVER_KEPT = 256
FILLS_KEPT = 256
STRETCHES_KEPT = 32  # of an order, in which fills are missed; of older ones only their length
_FILL = "orderFill"
_OVER = frozenset(("Filled", "Cancelled", "Expired", "TriggerFailed"))


class OrderState(msgspec.Struct, frozen=True):
    """An order as it stands, by what was heard of it. It never changes: ask again for a newer one.

    row: its newest event. One that came late is not, though it may tell of a fill.
    executed_qty, executed_quote_qty: of all fills, by the venue's own totals; they never fall.
    sure: False if it may have changed unheard, its stream having been interrupted since.
    unheard: stretches of ``executed_qty`` of which no fill was heard; given_up: and what else.
    """

    row: Order
    executed_qty: Qty
    executed_quote_qty: Decimal
    sure: bool = True
    unheard: tuple[Stretch, ...] = ()
    given_up: Count = 0

    @property
    def open(self) -> bool:
        """Whether it is at the venue still, or waits for its trigger."""
        return self.row.state not in _OVER

    @property
    def missed_qty(self) -> int:
        """What was executed in fills that were not heard."""
        return self.given_up + length(self.unheard)

    def after(self, row: Order) -> "OrderState":
        """The order after another event of it, which may be a late one or a repeat."""
        executed = max(self.executed_qty, row.executed_qty)
        unheard = without((*self.unheard, (self.executed_qty, executed)), _filled(row))
        beyond = max(0, len(unheard) - STRETCHES_KEPT)
        newest = not self._had(row)
        return OrderState(
            row if newest else self.row,
            executed,
            max(self.executed_quote_qty, row.executed_quote_qty),
            self.sure or newest,
            tuple(unheard[beyond:]),
            self.given_up + length(unheard[:beyond]),
        )

    def beside(self, other: "OrderState") -> "OrderState":
        """What two streams know of it together: the farthest counts, of equals the latest."""
        best = max(self, other, key=lambda one: (not one.open, one.executed_qty, one.row.seq))
        return replace(
            best,
            executed_qty=max(self.executed_qty, other.executed_qty),
            executed_quote_qty=max(self.executed_quote_qty, other.executed_quote_qty),
            sure=not best.open or self.sure or other.sure,
            unheard=tuple(common(self._all_unheard(other), other._all_unheard(self))),
            given_up=min(self.given_up, other.given_up),
        )

    def _all_unheard(self, other: "OrderState") -> list[Stretch]:
        """With what only the other knows to be executed."""
        return [*self.unheard, (self.executed_qty, max(self.executed_qty, other.executed_qty))]

    def _had(self, row: Order) -> bool:
        """Whether an event is none of after the newest one. What is over stays so."""
        if row.executed_qty < self.executed_qty or (not self.open and row.state not in _OVER):
            return True
        known, told = self.row.ts_engine, row.ts_engine
        return known is not None and told is not None and told < known


class OrdersState(msgspec.Struct):
    """Keyframe of a stream of orders."""

    conn: Count
    resting: list[OrderState] = []
    over: list[OrderState] = []
    fills: list[Order] = []


class Orders(Memory):
    """Open orders, those closed last, and our last fills.

    resting, over: by market and id, in the order of their newest events. fills: as they came.
    """

    __slots__ = ("fills", "over", "resting")

    def reset(self) -> None:
        super().reset()
        self.resting: dict[object, OrderState] = {}
        self.over: dict[object, OrderState] = {}
        self.fills: dict[object, Order] = {}

    def keep(self, made: Sequence[Any]) -> None:
        for row in made:
            self._put(row)
            if row.event == _FILL and fill_key(row) not in self.fills:
                put_last(self.fills, fill_key(row), row, FILLS_KEPT)

    def opened(self, frame: Frame) -> None:
        """Even on the same connection: what came before may not have been heard."""
        self.lost()
        self.conn = frame.conn

    def lost(self) -> None:
        """Orders that are open may be so no more."""
        for key, order in self.resting.items():
            self.resting[key] = replace(order, sure=False)

    def kept(self) -> Iterable[Row]:
        """Of all orders, the newest event."""
        return [order.row for order in (*self.over.values(), *self.resting.values())]

    def export(self) -> bytes:
        """Keyframe of this stream."""
        return msgspec.json.encode(
            OrdersState(
                self.conn,
                list(self.resting.values()),
                list(self.over.values()),
                list(self.fills.values()),
            )
        )

    def restore(self, frame: Frame, payload: bytes) -> list[Row]:
        """Become what a keyframe says; raises MsgspecError if it cannot be read."""
        del frame
        saved = _decode(payload)
        self.conn = saved.conn
        self.resting = {order_key(order.row): order for order in saved.resting}
        self.over = {order_key(order.row): order for order in saved.over}
        self.fills = {fill_key(row): row for row in saved.fills}
        return []

    def _put(self, row: Order) -> None:
        key = order_key(row)
        before = self.resting.get(key) or self.over.get(key)
        order = _first(row) if before is None else before.after(row)
        if before is not None and order.row is before.row:  # late: it moves nowhere
            (self.resting if order.open else self.over)[key] = order
            return
        self.resting.pop(key, None)
        if order.open:
            put_last(self.resting, key, order, RESTING_KEPT)
        else:
            put_last(self.over, key, order, OVER_KEPT)


_decode = msgspec.json.Decoder(OrdersState).decode


def order_key(row: Order) -> object:
    """What makes an order one: ids are not said to be unique across markets."""
    return row.symbol, row.order_id


def fill_key(row: Order) -> object:
    """What makes a fill one: both sides of a trade with ourselves have its id."""
    trade = ("z", row.executed_qty) if row.trade_id is None else ("t", row.trade_id)
    return row.symbol, row.order_id, *trade


def _first(row: Order) -> OrderState:
    """An order nobody has heard of; what it was filled before then was missed."""
    return OrderState(row, 0, row.executed_quote_qty).after(row)


def _filled(row: Order) -> Stretch:
    """Which part of its executed quantity an event tells of; an empty one if it is no fill."""
    if row.event != _FILL or row.fill_qty is None:
        return (0, 0)
    return row.executed_qty - row.fill_qty, row.executed_qty
