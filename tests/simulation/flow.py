"""The order flow of one simulated market, with the statistics of `real/spot2_events_90s`.

Measured there (depth frames of two markets, 90 s): 27-47 % deletes, gaps of 0.25 / 0.6 / 1.6 / 4.4
/ 20 ms at the 5 / 25 / 50 / 75 / 99 % quantiles, seconds between 0.25 and 7 times the usual rate,
changes 0 / 1 / 4.5 / 15 / 25 / 45 / 940 basis points from the touch at 5 / 25 / 50 / 75 / 90 / 95 /
99 %, a spread of one tick nine times out of ten, 6 trades per 100 frames, in clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.simulation.draws import Draws, Table
from tests.simulation.ladder import ASK, BID, Ladder, Level, Scale

# In us for a rate of 300 per second; scaled to the market's own rate.
GAP: Table = (
    (0, 200), (50, 280), (250, 570), (500, 1600), (750, 4350), (900, 8350), (950, 11_800),
    (990, 22_400), (1000, 60_000),
)  # fmt: skip
MEAN_GAP_US = 3400
# Usual seconds, quiet seconds, storms: percent of the usual rate.
WEATHER: Table = ((0, 26), (150, 45), (500, 70), (800, 115), (950, 200), (985, 420), (1000, 680))
# Hundredths of a basis point from the touch of the own side.
DISTANCE: Table = (
    (0, 0), (60, 0), (250, 100), (500, 430), (750, 1500), (900, 2500), (950, 4500),
    (975, 25_000), (1000, 110_000),
)  # fmt: skip
# Thousandths of the market's usual quantity.
SIZE: Table = (
    (0, 3),
    (50, 15),
    (250, 350),
    (500, 1000),
    (750, 4000),
    (950, 14_000),
    (1000, 40_000),
)
# A side keeps between these parts, in per mille, of the levels it began with.
FEWEST, MOST = 700, 1600
TRADE_PER_MILLE, REPLACE_PER_MILLE = 24, 6
DELETE_PER_MILLE, CHANGE_PER_MILLE = 400, 250
# Thousandths of a tick per thousand ticks of price and event: 9 basis points in 90 s (measured).
DRIFT = 22
# A touch that would go only changes, so often: it is made of many orders.
STICKY_TOUCH_PER_MILLE = 350


@dataclass(frozen=True, slots=True)
class Market:
    """A simulated market: decimals, price in ticks, usual quantity in steps, updates per second."""

    symbol: str
    scale: Scale
    price: int
    size: int
    rate: int
    first_update_id: int
    first_trade_id: int
    throttled: bool = False

    @property
    def perp(self) -> bool:
        """Whether it is a perpetual."""
        return self.symbol.endswith("_PERP")


class Fill(NamedTuple):
    """One trade: price in ticks, quantity in steps, whether the buyer was the maker."""

    price: int
    qty: int
    buyer_is_maker: bool


class Event(NamedTuple):
    """One engine event: its time in us, the levels it changed, the trades of it."""

    time_us: int
    levels: tuple[Level, ...]
    fills: tuple[Fill, ...]


class Flow:
    """Generates the events of a market and keeps its book in step with them."""

    def __init__(self, market: Market, draws: Draws) -> None:
        self.market = market
        self.book = Ladder()
        self._draws = draws
        self._fair = market.price * 1000  # in thousandths of a tick; wanders, see DRIFT
        self._open_book()
        counts = [len(prices) for prices in self.book.prices]
        self._fewest, self._most = min(counts) * FEWEST // 1000, max(counts) * MOST // 1000

    def events(self, start_us: int, end_us: int) -> Iterator[Event]:
        """All events in [start, end); the book is as of the event when it is yielded."""
        now, second, weather = start_us, -1, 100
        while True:
            if now // 1_000_000 != second:
                second, weather = now // 1_000_000, self._draws.table(WEATHER)
            usual = self._draws.table(GAP) * 1_000_000 // (self.market.rate * MEAN_GAP_US)
            now += max(120, usual * 100 // weather)
            if now >= end_us:
                return
            yield self._event(now)

    def _event(self, now: int) -> Event:
        drift = self.market.price * DRIFT // 1000
        self._fair += self._draws.between(-drift, drift)
        if self._draws.chance(TRADE_PER_MILLE):
            levels, fills = self._match()
        else:
            levels, fills = self._quote(), []
        for level in levels:
            self.book.put(level)
        return Event(now, tuple(levels), tuple(fills))

    def _open_book(self) -> None:
        for side in (BID, ASK):
            sign = -1 if side == BID else 1
            for _ in range(150):
                price = self.market.price + sign * (1 + self._ticks_away()) + (side == BID)
                self.book.put(Level(side, price, self._size()))
            self.book.put(Level(side, self.market.price + (side == ASK), self._size()))

    def _ticks_away(self) -> int:
        return self.market.price * self._draws.table(DISTANCE) // 1_000_000

    def _size(self) -> int:
        return max(1, self.market.size * self._draws.table(SIZE) // 1000)

    def _quote(self) -> list[Level]:
        """One resting order comes, changes or goes; rarely one is replaced (two levels)."""
        side = self._draws.below(2)
        if self.book.best(ASK) - self.book.best(BID) > 1 and self._draws.chance(450):
            return [self._improve(self._willing_side(side))]
        count = len(self.book.prices[side])
        near = self.book.nearest(side, self._drawn_price(side))
        kind = self._draws.below(1000)
        if near == self.book.best(side) and self._draws.chance(STICKY_TOUCH_PER_MILLE):
            kind = DELETE_PER_MILLE
        if (kind < DELETE_PER_MILLE and count > self._fewest) or count > self._most:
            return [Level(side, near, 0)]
        if kind < DELETE_PER_MILLE + CHANGE_PER_MILLE:
            return [Level(side, near, self._size())]
        fresh = Level(side, self._drawn_price(side), self._size())
        if self._draws.chance(REPLACE_PER_MILLE) and near != fresh.price and count > self._fewest:
            return [Level(side, near, 0), fresh]
        return [fresh]

    def _drawn_price(self, side: int) -> int:
        away = self._ticks_away()
        return self.book.best(side) + (away if side == ASK else -away)

    def _willing_side(self, side: int) -> int:
        """Who closes a gap: mostly those who bring the middle back to the fair price."""
        if self._draws.chance(250):
            return side
        middle = self.book.best(BID) + self.book.best(ASK)
        return BID if middle * 500 < self._fair else ASK

    def _improve(self, side: int) -> Level:
        """Close a spread of more than a tick, mostly all of it."""
        room = self.book.best(ASK) - self.book.best(BID) - 1
        inside = room if self._draws.chance(800) else 1 + self._draws.below(room)
        best = self.book.best(side)
        return Level(side, best + (inside if side == BID else -inside), self._size())

    def _match(self) -> tuple[list[Level], list[Fill]]:
        """One taker order: fills against up to three levels, one depth frame for all of them."""
        side = self._draws.below(2)  # of the makers
        deep = self._draws.pick((1, 1, 1, 1, 1, 2, 3))
        prices = self.book.prices[side][-deep:][::-1] if side == BID else self.book.prices[side]
        levels: list[Level] = []
        fills: list[Fill] = []
        for depth, price in enumerate(prices[:deep], 1):
            resting = self.book.sizes[side][price]
            whole = depth < deep or self._draws.chance(250)
            taken = resting if whole else self._draws.between(1, max(1, resting // 2))
            levels.append(Level(side, price, resting - taken))
            fills += self._split(price, taken, side)
        return levels, fills

    def _split(self, price: int, taken: int, side: int) -> list[Fill]:
        """The makers of one level: one to four fills that add up."""
        fills: list[Fill] = []
        for _ in range(self._draws.pick((0, 0, 1, 1, 2, 3))):
            part = self._draws.between(1, max(1, taken // 2))
            if part < taken:
                fills.append(Fill(price, part, side == BID))
                taken -= part
        return [*fills, Fill(price, taken, side == BID)]
