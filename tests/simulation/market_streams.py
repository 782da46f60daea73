"""The frames of one market: depth, depth.200ms, bookTicker, trade, and its clockwork streams."""

from __future__ import annotations

import json
from typing import Any

from tests.simulation.clockwork import Candles, Day, MarkPrice
from tests.simulation.draws import Draws
from tests.simulation.flow import Event, Flow, Market
from tests.simulation.ladder import ASK, BID, Level, Scale, trimmed
from tests.simulation.timeline import Timeline

WINDOW_US = 200_000
SECOND_US = 1_000_000


def sides(scale: Scale, levels: list[Level]) -> dict[int, list[list[str]]]:
    """Changed levels per side as padded texts, in the order given (protocol 3.1)."""
    found: dict[int, list[list[str]]] = {ASK: [], BID: []}
    for side, price, qty in levels:
        found[side].append([scale.price(price), scale.qty(qty)])
    return found


class Window:
    """The running 200 ms window of a throttled depth stream: last quantity per price."""

    def __init__(self) -> None:
        self.first_id = self.last_id = self.time_us = 0
        self._levels: dict[tuple[int, int], int] = {}

    def take(self, event: Event, update_id: int) -> None:
        """Add one event's levels."""
        self.first_id = self.first_id or update_id
        self.last_id, self.time_us = update_id, event.time_us
        self._levels |= {(level.side, level.price): level.qty for level in event.levels}

    def levels(self) -> list[Level]:
        """The net changes, ascending by price on both sides (protocol 3.1)."""
        return [Level(side, price, qty) for (side, price), qty in sorted(self._levels.items())]


class MarketStreams:
    """Turns a market's order flow into frames on a timeline."""

    def __init__(self, market: Market, seed: int, start_us: int) -> None:
        self.market = market
        self.draws = Draws(seed, market.symbol)
        self.timeline = Timeline(Draws(seed, market.symbol + " timeline"))
        self.flow = Flow(market, self.draws)
        self._update_id, self._trade_id = market.first_update_id - 1, market.first_trade_id - 1
        self._start_us = start_us
        self._window, self._window_end = Window(), start_us + WINDOW_US
        self._day = Day(market)
        self._candles = Candles(market, start_us)
        self._mark = MarkPrice(market, Draws(seed, market.symbol + " mark"))
        self._top = self.flow.book.top()

    def snapshot(self) -> str:
        """The REST depth body of the present book: ascending, trimmed, id as text (section 3.2)."""
        scale, book = self.market.scale, self.flow.book
        listed = [
            [
                [trimmed(p, scale.price_places), trimmed(book.sizes[side][p], scale.qty_places)]
                for p in book.prices[side]
            ]
            for side in (BID, ASK)
        ]
        body = {
            "asks": listed[ASK],
            "bids": listed[BID],
            "lastUpdateId": str(self._update_id),
            "timestamp": self._start_us,
        }
        return json.dumps(body, separators=(",", ":"))

    def run(self, end_us: int) -> None:
        """Generate everything up to `end_us`."""
        second = self._start_us
        for event in self.flow.events(self._start_us, end_us):
            while second + SECOND_US <= event.time_us:
                self._clockwork(second)
                second += SECOND_US
            self._close_windows(event.time_us)
            self._event(event)
        while second < end_us:
            self._clockwork(second)
            second += SECOND_US
        self._close_windows(end_us)

    def _event(self, event: Event) -> None:
        self._update_id += 1
        self.timeline.event()
        for fill in event.fills:
            self._trade(event.time_us, fill.price, fill.qty, fill.buyer_is_maker)
        top = self.flow.book.top()
        if top != self._top:
            self._top = top
            self._book_ticker(event.time_us)
        ids = (self._update_id, self._update_id)
        self._depth(f"depth.{self.market.symbol}", ids, list(event.levels), event.time_us)
        if self.market.throttled:
            self._window.take(event, self._update_id)

    def _depth(self, topic: str, ids: tuple[int, int], levels: list[Level], engine: int) -> None:
        emitted = self.timeline.emitted(topic, engine)
        texts = sides(self.market.scale, levels)
        data = {"E": emitted, "T": engine, "U": ids[0], "a": texts[ASK], "b": texts[BID]}
        data |= {"e": "depth", "s": self.market.symbol, "u": ids[1]}
        self.timeline.add(topic, emitted, data)

    def _close_windows(self, now: int) -> None:
        """End each 200 ms window that is over; one without changes makes no frame."""
        while self._window_end <= now:
            if self._window.first_id:
                window, topic = self._window, f"depth.200ms.{self.market.symbol}"
                self.timeline.not_before(topic, self._window_end)
                ids = (window.first_id, window.last_id)
                self._depth(topic, ids, window.levels(), window.time_us)
                self._window = Window()
            self._window_end += WINDOW_US

    def _book_ticker(self, engine: int) -> None:
        """The touch; usually a few us ahead of its depth frame, now and then far behind it."""
        topic, scale = f"bookTicker.{self.market.symbol}", self.market.scale
        bid, bid_qty, ask, ask_qty = self._top
        late = -900 if self.draws.chance(15) else 4 + self.draws.below(10)
        emitted = self.timeline.emitted(topic, engine, late)
        data = {"A": scale.qty(ask_qty), "B": scale.qty(bid_qty), "E": emitted, "T": engine}
        data |= {"a": scale.price(ask), "b": scale.price(bid), "e": "bookTicker"}
        data |= {"s": self.market.symbol, "u": self._update_id}
        self.timeline.add(topic, emitted, data)

    def _trade(self, engine: int, price: int, qty: int, buyer_is_maker: bool) -> None:
        """One fill; T has only milliseconds (section 2.4). Order ids have no order of time."""
        topic, scale = f"trade.{self.market.symbol}", self.market.scale
        self._trade_id += 1
        emitted = self.timeline.emitted(topic, engine, 20)
        orders = [str(59_885_000_000 + self.draws.below(900_000_000)) for _ in range(2)]
        data: dict[str, Any] = {"E": emitted, "T": engine // 1000 * 1000}
        data |= {"a": orders[0], "b": orders[1], "e": "trade", "m": buyer_is_maker}
        data |= {"p": scale.price(price), "q": scale.qty(qty), "s": self.market.symbol}
        self.timeline.add(topic, emitted, data | {"t": self._trade_id})
        self._day.trade(price, qty)
        self._candles.trade(engine, price, qty)

    def _clockwork(self, second: int) -> None:
        """What comes by the clock within one second, in its order."""
        symbol, number = self.market.symbol, (second - self._start_us) // SECOND_US
        jitter = self.draws.below(900)
        if self.market.perp:
            self._mark.follow(self._top[0])
            self._clocked(f"markPrice.{symbol}", second + 422_000, self._mark.data(second))
        for data in self._candles.due(second + 510_000):
            self._clocked(f"kline.1m.{symbol}", second + 510_000 + jitter, data)
        self._clocked(f"ticker.{symbol}", second + 549_000 + jitter, self._day.data("ticker"))
        if self.market.perp and number % 60 == 20:
            self._clocked(f"openInterest.{symbol}", second + 700_000, self._open_interest())
        if self.market.perp and number in (17, 41):
            self._clocked(f"liquidation.{symbol}", second + 805_000, self._liquidation(second))

    def _clocked(self, topic: str, when: int, data: dict[str, Any]) -> None:
        self.timeline.add(topic, when, {"E": when} | data)

    def _open_interest(self) -> dict[str, Any]:
        qty = trimmed(
            self.market.size * 9000 + self.draws.below(9000), self.market.scale.qty_places
        )
        return {"e": "openInterest", "o": qty, "s": self.market.symbol}

    def _liquidation(self, second: int) -> dict[str, Any]:
        """No capture exists (section 2.8): the documented members, in the wire's usual order."""
        scale, price = self.market.scale, self._top[self.draws.below(2) * 2]
        data: dict[str, Any] = {"S": ("Bid", "Ask")[self.draws.below(2)], "T": second + 804_000}
        data |= {"e": "liquidation", "p": scale.price(price), "q": scale.qty(self.market.size)}
        return data | {"s": self.market.symbol}
