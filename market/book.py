"""The order book in exact integers: prices of 1e-9, quantities of 1e-6 (design section 3).

Plain Python, since it is fed one frame at a time: a dict for the quantities and a sorted list
for the order, best price at the end, where changes are most frequent and cheapest.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

from schemas.columns import Count, Price, Qty
from schemas.numbers import pretty_price, pretty_qty

PriceQty = tuple[Price, Qty]
# Update id, best bid and its quantity, best ask and its quantity; None where a side is empty.
Touch = tuple[Count, Price | None, Qty | None, Price | None, Qty | None]


class Level(NamedTuple):
    """Price in 1e-9, quantity in 1e-6."""

    price: int
    qty: int

    @property
    def pretty(self) -> str:
        """``22.39 @ 98.97``, for people."""
        return f"{pretty_qty(self.qty)} @ {pretty_price(self.price)}"


class BookSide:
    """One side of a book. Keys are prices for bids and negated prices for asks: best is last."""

    __slots__ = ("_keys", "_levels", "_sign")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._levels: dict[int, int] = {}
        self._keys: list[int] = []

    def __len__(self) -> int:
        return len(self._keys)

    def set(self, price: int, qty: int) -> None:
        """Give a level its absolute quantity; zero deletes, also what is not there."""
        key = price * self._sign
        levels = self._levels
        if qty:
            if key not in levels:
                insort(self._keys, key)
            levels[key] = qty
        elif levels.pop(key, None) is not None:
            keys = self._keys
            del keys[bisect_left(keys, key)]

    def load(self, levels: Iterable[PriceQty]) -> None:
        """Replace the whole side. If a price comes twice, the last wins, be it zero."""
        given = {price * self._sign: qty for price, qty in levels}
        self._levels = {key: qty for key, qty in given.items() if qty}
        self._keys = sorted(self._levels)

    def clear(self) -> None:
        """Remove all levels."""
        self._levels.clear()
        self._keys.clear()

    @property
    def best(self) -> Level | None:
        """The level nearest the other side; None if the side is empty."""
        if not self._keys:
            return None
        key = self._keys[-1]
        return Level(key * self._sign, self._levels[key])

    def top(self, count: int | None = None) -> list[Level]:
        """The best ``count`` levels, best first; all without a count."""
        keys = self._keys[::-1] if count is None else self._keys[: -count - 1 : -1]
        return [Level(key * self._sign, self._levels[key]) for key in keys]

    def qty_at(self, price: int) -> int:
        """Quantity resting at a price; 0 if none."""
        return self._levels.get(price * self._sign, 0)


class Book:
    """Both sides of one market.

    last_update_id: id of the newest change in the book.
    ts_engine: matching engine time of that change in ns; None where the venue did not say.
    """

    __slots__ = ("asks", "bids", "last_update_id", "ts_engine")

    def __init__(self) -> None:
        self.bids = BookSide(1)
        self.asks = BookSide(-1)
        self.last_update_id = 0
        self.ts_engine: int | None = None

    @property
    def best_bid(self) -> Level | None:
        """Highest bid."""
        return self.bids.best

    @property
    def best_ask(self) -> Level | None:
        """Lowest ask."""
        return self.asks.best

    @property
    def spread(self) -> int | None:
        """Best ask less best bid in 1e-9; None if a side is empty; negative if crossed."""
        bid, ask = self.bids.best, self.asks.best
        return None if bid is None or ask is None else ask.price - bid.price

    def touch(self) -> Touch:
        """Where it stands, as bookTicker would say it; one call, as it may be asked each frame."""
        bids, asks = self.bids, self.asks
        bid = bids._keys[-1] if bids._keys else None
        ask = asks._keys[-1] if asks._keys else None
        return (
            self.last_update_id,
            bid,
            None if bid is None else bids._levels[bid],
            None if ask is None else -ask,
            None if ask is None else asks._levels[ask],
        )

    def clear(self) -> None:
        """Forget everything."""
        self.bids.clear()
        self.asks.clear()
        self.last_update_id = 0
        self.ts_engine = None
