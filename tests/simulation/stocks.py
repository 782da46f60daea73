"""The streams of a quiet tokenised stock: candles without trades, external and source prices.

`stockPrice` and `stockIndicativeQuote` were never captured (protocol section 2.9): long names as
documented, source time in milliseconds; the first without `e`, the second with it.
"""

from __future__ import annotations

from typing import Any

from tests.simulation.clockwork import Candles, Day, MarkPrice
from tests.simulation.draws import Draws
from tests.simulation.flow import Market
from tests.simulation.ladder import Scale, fixed
from tests.simulation.timeline import Timeline

SPOT = Market("AAPL.US_USDC", Scale(2, 2), 34_043, 800, 1, 1, 1)
PERP = Market("AAPL.US_USDC_PERP", Scale(2, 2), 34_043, 800, 1, 1, 1)


class StockStreams:
    """One stock, spot and perpetual, that nobody trades while the simulation runs."""

    def __init__(self, seed: int, start_us: int) -> None:
        self.timeline = Timeline(Draws(seed, "stock timeline"))
        self._draws = Draws(seed, "stock")
        self._start_us = start_us
        self._price = SPOT.price
        self._day = Day(SPOT)
        self._candles = Candles(SPOT, start_us)
        self._mark = MarkPrice(PERP, Draws(seed, "stock mark"))

    def run(self, end_us: int) -> None:
        """Generate everything up to `end_us`."""
        for second in range(self._start_us, end_us, 1_000_000):
            self._price += self._draws.between(-2, 2)
            self._second(second)

    def _second(self, second: int) -> None:
        number = (second - self._start_us) // 1_000_000
        self._mark.follow(self._price)
        self._add("markPrice." + PERP.symbol, second + 422_000, self._mark.data(second))
        for data in self._candles.due(second + 510_000):
            self._add("kline.1m." + SPOT.symbol, second + 510_300, data)
        if number % 5 == 1:
            data = self._day.data("externalTicker")
            self._add("externalTicker." + SPOT.symbol, second + 620_000, data)
        ends = self._quote(second)
        self.timeline.add("stockPrice.AAPL", second + 130_000, ends)
        self._add("stockIndicativeQuote.AAPL", second + 131_000, self._indicative(ends))

    def _add(self, topic: str, when: int, data: dict[str, Any]) -> None:
        self.timeline.add(topic, when, {"E": when} | data)

    def _quote(self, second: int) -> dict[str, Any]:
        """Source prices; now and then the source has no ask."""
        ask = None if self._draws.chance(60) else fixed(self._price + 3, 2)
        data: dict[str, Any] = {"ask": ask, "bid": fixed(self._price - 3, 2)}
        data |= {"mid": fixed(self._price, 2), "session": "OVERNIGHT", "symbol": "AAPL"}
        return data | {"timestamp": second // 1000 + 120}

    def _indicative(self, quote: dict[str, Any]) -> dict[str, Any]:
        data: dict[str, Any] = {"ask": quote["ask"], "bid": quote["bid"]}
        data |= {"e": "stockIndicativeQuote", "estimatedAsk": fixed(self._price + 5, 2)}
        data |= {"estimatedBid": fixed(self._price - 5, 2), "symbol": "AAPL"}
        return data | {"timestamp": quote["timestamp"]}
