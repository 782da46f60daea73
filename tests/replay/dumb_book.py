"""Order books made of rows alone, as a stranger would make them from the Parquet files."""

from collections import defaultdict

from schemas.rows import BookKeyframe, Depth, Row, Session

Levels = list[tuple[int, int]]


class DumbBook:
    """Prices to quantities per side, or None while nobody knows."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[int, int]] | None = None

    def see(self, row: Depth | BookKeyframe) -> None:
        """Take one row in."""
        if isinstance(row, Depth) and row.action == "clear":
            self.sides = None
        elif row.side is not None and row.price is not None and row.qty is not None:
            if self.sides is None:
                self.sides = {"bid": {}, "ask": {}}
            self.sides[row.side][row.price] = row.qty

    def levels(self, side: str) -> Levels:
        """Best first."""
        assert self.sides is not None
        found = [(price, qty) for price, qty in self.sides[side].items() if qty]
        return sorted(found, reverse=side == "bid")


class DumbBooks:
    """One for each symbol and throttle."""

    def __init__(self) -> None:
        self.books: defaultdict[tuple[str | None, str], DumbBook] = defaultdict(DumbBook)

    def see(self, rows: list[Row]) -> None:
        """Take the rows of one frame in. A segment begins with nothing, then come keyframes."""
        for row in rows:
            if isinstance(row, Session) and row.event == "segment":
                self.books.clear()
            elif isinstance(row, Depth | BookKeyframe):
                self.books[row.symbol, row.window].see(row)

    def of(self, symbol: str) -> DumbBook:
        """The known book of a market, real time before throttled."""
        candidates = [self.books[symbol, window] for window in ("", "200ms", "600ms", "1000ms")]
        return next((book for book in candidates if book.sides is not None), candidates[0])
