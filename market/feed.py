"""What a strategy sees: the same from a live feed and from a recording."""

from collections.abc import AsyncIterator
from typing import Protocol

from market.book import Book
from market.state import State
from schemas.rows import Row


class Feed(Protocol):
    """`recorder.Live` and `replay.Replay` are this.

    Iterating yields rows in ``seq`` order; ``book(symbol)`` is the order book at the row in hand,
    None while it is not live. ``state`` is all else that a client would ask for, at that row.
    """

    def __aiter__(self) -> AsyncIterator[Row]: ...

    @property
    def state(self) -> State: ...

    def book(self, symbol: str) -> Book | None: ...
