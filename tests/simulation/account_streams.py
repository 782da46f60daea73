"""The frames of an account that trades a market: orders, their fills, the position, the balance.

It puts an order at the touch, is filled bit by bit by trades that happen anyway, now and then gives
up, and begins again on the other side. All of it follows from the market's own frames.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.simulation.draws import Draws
from tests.simulation.ladder import Scale, trimmed
from tests.simulation.market_streams import MarketStreams
from tests.simulation.timeline import Timeline

CASH = 50_000_000_000  # USDC, in millionths
PATIENCE = 25  # trades until an order that is not whole is cancelled
FEE_PER_MILLION = 200


class Trade(NamedTuple):
    """A trade of the market: engine time in us, id, price and quantity in ticks and steps."""

    time_us: int
    trade_id: int
    price: int
    qty: int


class Order:
    """An order of ours and how far it is filled, in ticks, steps and millionths of the quote."""

    def __init__(self, number: int, buys: bool, price: int, qty: int) -> None:
        self.id = str(61_000_000_000 + number)
        self.buys, self.price, self.qty = buys, price, qty
        self.filled = self.cost = self.age = 0


class AccountStreams:
    """Frames of one account on a timeline of its own."""

    def __init__(self, streams: MarketStreams, seed: int) -> None:
        self._market = streams.market
        self._draws = Draws(seed, streams.market.symbol + " account")
        self.timeline = Timeline(Draws(seed, streams.market.symbol + " account timeline"))
        self._trades = trades_of(streams)
        self._orders = 0
        self._order: Order | None = None
        self._held, self._cash = 0, CASH

    def run(self) -> None:
        """Live through all trades of the market."""
        for trade in self._trades:
            self.timeline.event()
            if self._order is None:
                self._place(trade)
            else:
                self._wait(trade, self._order)

    def _place(self, trade: Trade) -> None:
        self._orders += 1
        buys = self._held <= 0
        self._order = Order(self._orders, buys, trade.price, 30 + self._draws.below(200))
        self._say(trade, self._order, "orderAccepted", "New")

    def _wait(self, trade: Trade, order: Order) -> None:
        order.age += 1
        if order.age > PATIENCE:
            self._say(trade, order, "orderCancelled", "Cancelled")
            self._order = None
        elif self._draws.chance(400):
            self._fill(trade, order)

    def _fill(self, trade: Trade, order: Order) -> None:
        qty = min(1 + self._draws.below(80), order.qty - order.filled)
        cost = self._worth(order.price, qty)
        fee = cost * FEE_PER_MILLION // 1_000_000
        order.filled, order.cost = order.filled + qty, order.cost + cost
        self._held += qty if order.buys else -qty
        self._cash -= (cost if order.buys else -cost) + fee
        whole, scale = order.filled == order.qty, self._market.scale
        more: dict[str, Any] = {
            "L": trimmed(order.price, scale.price_places),
            "N": "USDC",
            "l": self._qty(qty),
        }
        more |= {"m": True, "n": trimmed(fee, 6), "t": trade.trade_id}
        state = "Filled" if whole else "PartiallyFilled"
        self._say(trade, order, "orderFill", state, **more)
        self._position(trade, opened=self._held == (qty if order.buys else -qty))
        self._balance(trade)
        if whole:
            self._order = None

    def _say(self, trade: Trade, order: Order, event: str, state: str, **more: Any) -> None:
        price = trimmed(order.price, self._market.scale.price_places)
        data: dict[str, Any] = {"O": "USER", "Q": trimmed(self._worth(order.price, order.qty), 6)}
        data |= {"S": "Bid" if order.buys else "Ask", "V": "RejectTaker", "X": state}
        data |= {"Z": trimmed(order.cost, 6), "e": event, "f": "GTC", "i": order.id}
        data |= {"o": "LIMIT", "p": price, "q": self._qty(order.qty), "r": False}
        data |= {"s": self._market.symbol, "t": None, "z": self._qty(order.filled)}
        self._emit("account.orderUpdate", trade, data | more)

    def _position(self, trade: Trade, opened: bool) -> None:
        event = "positionClosed" if not self._held else "positionOpened" if opened else None
        price = trimmed(trade.price, self._market.scale.price_places)
        notional = self._worth(trade.price, abs(self._held))
        data: dict[str, Any] = {
            "B": price,
            "M": price,
            "P": "0",
            "Q": self._qty(self._held),
            "b": price,
        }
        data |= {"e": event or "positionAdjusted", "f": "0.02", "i": 5_411_399_049, "l": "0"}
        data |= {"m": "0.0125", "n": trimmed(notional, 6), "p": "0", "q": self._qty(self._held)}
        self._emit("account.positionUpdate", trade, data | {"s": self._market.symbol})

    def _balance(self, trade: Trade) -> None:
        data = {"A": trimmed(self._cash, 6), "L": "0", "S": "0", "a": "USDC", "e": "balanceUpdate"}
        self._emit("account.balanceUpdate", trade, data)

    def _emit(self, topic: str, trade: Trade, data: dict[str, Any]) -> None:
        emitted = self.timeline.emitted(topic, trade.time_us)
        self.timeline.add(topic, emitted, {"E": emitted, "T": trade.time_us} | data)

    def _qty(self, steps: int) -> str:
        text = trimmed(abs(steps), self._market.scale.qty_places)
        return f"-{text}" if steps < 0 else text

    def _worth(self, ticks: int, steps: int) -> int:
        """In millionths of the quote."""
        scale = self._market.scale
        unit: int = 10 ** (scale.price_places + scale.qty_places)
        return ticks * steps * 1_000_000 // unit


def trades_of(streams: MarketStreams) -> list[Trade]:
    """The trades of a market that has run, in order."""
    topic, scale = f'"stream":"trade.{streams.market.symbol}"', streams.market.scale
    found = (json.loads(a.text)["data"] for a in streams.timeline.arrivals if topic in a.text)
    return [Trade(d["T"], d["t"], *_whole(scale, d["p"], d["q"])) for d in found]


def _whole(scale: Scale, price: str, qty: str) -> tuple[int, int]:
    """Padded texts in ticks and steps."""
    assert len(price.partition(".")[2]) == scale.price_places
    return int(price.replace(".", "")), int(qty.replace(".", ""))
