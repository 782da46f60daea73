"""Rows, books and replies as of a moment of a recording, from its sealed files.

Nothing is replayed: a lookup costs the same at any position of a recording of any length.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from schemas.rows import Row
from tape.layout import Tape
from tape.manifest import Manifest

R = TypeVar("R", bound=Row)
Where = tuple[str, str]


class Mark(NamedTuple):
    """A position: after frame ``seq`` of the segment with this index in the list."""

    segment: int
    seq: int


class BookAt(NamedTuple):
    """A whole book. Levels are (price in 1e-9, quantity in 1e-6), ascending by price.

    ts_engine: matching engine time of its newest change, ns; None where the venue did not say.
    """

    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    update_id: int
    ts_engine: int | None


class History:
    """What was known at any moment of a recording. Raises TapeError for what cannot be read."""

    def __init__(
        self, tape: Tape, segments: Sequence[Manifest], cache_bytes: int = 256 << 20
    ) -> None: ...

    def symbols(self, row: type[Row]) -> list[str]:
        """Markets with rows of a table, in whatever segment; sorted."""
        raise NotImplementedError

    def last(
        self, row: type[R], symbol: str | None, mark: Mark, where: Where | None = None
    ) -> R | None:
        """The newest row at or before a mark."""
        raise NotImplementedError

    def tail(
        self,
        row: type[R],
        symbol: str | None,
        mark: Mark,
        count: int,
        *,
        where: Where | None = None,
        keep: Callable[[R], bool] | None = None,
    ) -> list[R]:
        """The newest ``count`` rows at or before a mark, the oldest first."""
        raise NotImplementedError

    def since(
        self,
        row: type[R],
        symbol: str | None,
        mark: Mark,
        ts_recv: int,
        where: Where | None = None,
    ) -> list[R]:
        """Rows at or before a mark that were received at or after a time, the oldest first."""
        raise NotImplementedError

    def book(self, symbol: str, mark: Mark) -> BookAt | None:
        """The live book; None while there is none."""
        raise NotImplementedError

    def next_book(self, symbol: str, mark: Mark, within_ns: int) -> BookAt | None:
        """The next snapshot that joins after a mark."""
        raise NotImplementedError

    def said(self, path: str, mark: Mark) -> bytes | None:
        """Body of a recorded REST reply."""
        raise NotImplementedError
