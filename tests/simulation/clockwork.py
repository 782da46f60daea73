"""What a market says by the clock: 24 h numbers, candles, mark price and funding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.simulation.draws import Draws
from tests.simulation.flow import Market
from tests.simulation.ladder import trimmed

MINUTE_US = 60_000_000
HOUR_US = 3_600_000_000


class Day:
    """The rolling 24 h numbers; volume in steps, quote volume in ticks times steps."""

    def __init__(self, market: Market) -> None:
        self._market = market
        price = market.price
        self._open, self._close = price * 1019 // 1000, price
        self._high, self._low = price * 1022 // 1000, price * 984 // 1000
        self._volume = market.size * 45_000 + 37
        self._quote = self._volume * price
        self._trades = 6_796

    def trade(self, price: int, qty: int) -> None:
        """Count one trade."""
        self._close = price
        self._high, self._low = max(self._high, price), min(self._low, price)
        self._volume += qty
        self._quote += price * qty
        self._trades += 1

    def data(self, kind: str) -> dict[str, Any]:
        """A `ticker` frame without E; nothing is padded (section 2.5)."""
        scale = self._market.scale
        places, both = scale.price_places, scale.price_places + scale.qty_places
        return {
            "V": trimmed(self._quote, both),
            "c": trimmed(self._close, places),
            "e": kind,
            "h": trimmed(self._high, places),
            "l": trimmed(self._low, places),
            "n": self._trades,
            "o": trimmed(self._open, places),
            "s": self._market.symbol,
            "v": trimmed(self._volume, scale.qty_places),
        }


@dataclass(slots=True)
class Candle:
    """One minute's prices (ticks), volume (steps) and trades; no prices while there is no trade."""

    start_us: int
    prices: tuple[int, int, int, int] | None = None  # open, high, low, close
    volume: int = 0
    trades: int = 0
    changed: bool = False
    pushed_us: int = 0

    def trade(self, price: int, qty: int) -> None:
        """Take one trade in."""
        first, high, low, _ = self.prices or (price, price, price, price)
        self.prices = (first, max(high, price), min(low, price), price)
        self.volume += qty
        self.trades += 1
        self.changed = True


def naive_iso(time_us: int) -> str:
    """UTC without a zone, as klines have it (protocol fact 8)."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class Candles:
    """One-minute candles: pushed on change, at most once a second, and again after 4 s."""

    def __init__(self, market: Market, start_us: int) -> None:
        self._market = market
        first = start_us // MINUTE_US * MINUTE_US
        self._open: dict[int, Candle] = {first: Candle(first)}

    def trade(self, time_us: int, price: int, qty: int) -> None:
        """Take one trade into its minute."""
        start = time_us // MINUTE_US * MINUTE_US
        self._open.setdefault(start, Candle(start)).trade(price, qty)

    def due(self, now_us: int) -> Iterator[dict[str, Any]]:
        """The frames (without E) to push now: closed candles first, then the open one."""
        current = now_us // MINUTE_US * MINUTE_US
        self._open.setdefault(current, Candle(current))
        for start in sorted(start for start in self._open if start < current):
            yield self._data(self._open.pop(start), closed=True)
        candle = self._open[current]
        if candle.changed or (candle.trades and now_us - candle.pushed_us >= 4_000_000):
            candle.changed, candle.pushed_us = False, now_us
            yield self._data(candle, closed=False)

    def _data(self, candle: Candle, *, closed: bool) -> dict[str, Any]:
        scale = self._market.scale
        texts: list[str | None] = [None] * 4
        if candle.prices is not None:
            texts = [trimmed(price, scale.price_places) for price in candle.prices]
        volume = trimmed(candle.volume, scale.qty_places) if candle.trades else None
        data: dict[str, Any] = {"e": "kline", "s": self._market.symbol}
        data |= {"T": naive_iso(candle.start_us + MINUTE_US), "X": closed, "c": texts[3]}
        data |= {"h": texts[1], "l": texts[2], "n": candle.trades, "o": texts[0]}
        return data | {"t": naive_iso(candle.start_us), "v": volume}


class MarkPrice:
    """Mark and index price of a perpetual and its funding rate with up to 28 decimals."""

    def __init__(self, market: Market, draws: Draws) -> None:
        self._market = market
        self._draws = draws
        self._mark = market.price
        # In units of 1e-28: the sample -0.0019226427158784468464417899 needs all of them.
        self._rate = -19_226_427_158_784_468_464_417_899

    def follow(self, price: int) -> None:
        """Move half way towards the book."""
        self._mark += (price - self._mark) // 2
        self._rate += self._draws.below(10**14) * 10**8 - 5 * 10**21 + self._draws.below(10**8)

    def data(self, second_us: int) -> dict[str, Any]:
        """A `markPrice` frame without E: T in us, `n` in ms (section 2.6)."""
        places = self._market.scale.price_places
        index = self._mark * 10 ** (8 - places) + self._draws.below(10 ** (9 - places))
        data: dict[str, Any] = {"T": second_us + 421_300, "e": "markPrice"}
        data |= {"f": trimmed(self._rate, 28), "i": trimmed(index, 8)}
        data |= {"n": (second_us // HOUR_US + 1) * HOUR_US // 1000}
        price = self._market.scale.price(self._mark)
        return data | {"p": price, "s": self._market.symbol}
