"""One market's book inside the simulator: integer ticks to integer steps, per side."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import NamedTuple

BID, ASK = 0, 1


class Level(NamedTuple):
    """One change: side, price in ticks, new quantity in steps (0 deletes)."""

    side: int
    price: int
    qty: int


@dataclass(frozen=True, slots=True)
class Scale:
    """Decimals of a market: price = ticks / 10**price_places, quantity likewise."""

    price_places: int
    qty_places: int

    def price(self, ticks: int) -> str:
        """Padded to the tick, as on the websocket (protocol fact 2)."""
        return fixed(ticks, self.price_places)

    def qty(self, steps: int) -> str:
        """Padded to the step; zero is `0.00` and the like."""
        return fixed(steps, self.qty_places)


def fixed(number: int, places: int) -> str:
    """An integer count of 10**-places as padded decimal text."""
    if places == 0:
        return str(number)
    sign, digits = ("-" if number < 0 else ""), str(abs(number)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def trimmed(number: int, places: int) -> str:
    """The same without trailing zeros, as REST and the ticker write it."""
    text = fixed(number, places)
    return text.rstrip("0").rstrip(".") if "." in text else text


class Ladder:
    """Both sides of a book, prices kept sorted."""

    def __init__(self) -> None:
        self.sizes: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.prices: tuple[list[int], list[int]] = ([], [])

    def put(self, level: Level) -> None:
        """Set a level to its absolute quantity; zero removes it."""
        side, price, qty = level
        known = price in self.sizes[side]
        if qty == 0:
            if known:
                del self.sizes[side][price]
                self.prices[side].pop(bisect_left(self.prices[side], price))
            return
        if not known:
            insort(self.prices[side], price)
        self.sizes[side][price] = qty

    def best(self, side: int) -> int:
        """The best price of a side, which must not be empty."""
        return self.prices[side][-1 if side == BID else 0]

    def top(self) -> tuple[int, int, int, int]:
        """Best bid price and quantity, best ask price and quantity."""
        bid, ask = self.best(BID), self.best(ASK)
        return bid, self.sizes[BID][bid], ask, self.sizes[ASK][ask]

    def nearest(self, side: int, price: int) -> int:
        """The existing price of a side closest to this one."""
        prices = self.prices[side]
        at = bisect_left(prices, price)
        return min(prices[max(0, at - 1) : at + 1], key=lambda p: (abs(p - price), p))
