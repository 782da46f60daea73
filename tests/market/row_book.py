"""A book made of depth rows alone."""

from collections.abc import Iterable

from schemas.rows import Depth, Row
from tests.market.model_venue import Levels, put


class RowBook:
    """A book made of depth rows alone, by a reader who knows nothing but the column docs."""

    def __init__(self) -> None:
        self.bids: Levels = {}
        self.asks: Levels = {}

    def take(self, rows: Iterable[Row]) -> None:
        """Take rows in, in order."""
        for row in rows:
            if isinstance(row, Depth):
                self._take(row)

    def _take(self, row: Depth) -> None:
        if row.action == "clear":
            self.bids.clear()
            self.asks.clear()
        elif row.side is not None:
            assert row.price is not None
            assert row.qty is not None
            put(self.bids if row.side == "bid" else self.asks, {row.price: row.qty})
