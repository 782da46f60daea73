"""What was known in several recordings, as of shards, that are served together."""

from collections.abc import Sequence
from operator import attrgetter
from typing import TypeVar

from replay.server.courses import Whereabouts, marks_of
from schemas.requests import rest_symbol
from schemas.rows import Row
from tape.history import BookAt, History, Mark, Where

R = TypeVar("R", bound=Row)


class Histories:
    """As a `History`, of a `replay.server.courses.Moment`.

    Where a market moved from one recording to another, the newest that had begun by then tells of
    its book; rows are those of all.
    """

    def __init__(self, histories: Sequence[History]) -> None:
        self._histories = histories
        self._where = Whereabouts([len(each.segments) for each in histories])

    def symbols(self, row: type[Row]) -> list[str]:
        """As `History.symbols`."""
        return sorted({symbol for each in self._histories for symbol in each.symbols(row)})

    def last(
        self, row: type[R], symbol: str | None, mark: Mark, where: Where | None = None
    ) -> R | None:
        """As `History.last`."""
        return next(iter(self.tail(row, symbol, mark, 1, where=where)), None)

    def tail(
        self,
        row: type[R],
        symbol: str | None,
        mark: Mark,
        count: int,
        *,
        where: Where | None = None,
    ) -> list[R]:
        """As `History.tail`."""
        found = [
            one
            for history, local in self._begun(mark)
            for one in history.tail(row, symbol, local, count, where=where)
        ]
        return sorted(found, key=attrgetter("ts_recv"))[-count:] if count else []

    def since(
        self, row: type[R], symbol: str | None, mark: Mark, ts_recv: int, where: Where | None = None
    ) -> list[R]:
        """As `History.since`."""
        found = [
            one
            for history, local in self._begun(mark)
            for one in history.since(row, symbol, local, ts_recv, where)
        ]
        return sorted(found, key=attrgetter("ts_recv"))

    def book(self, symbol: str, mark: Mark) -> BookAt | None:
        """As `History.book`."""
        history, local = self._of_market(symbol, mark)
        return history.book(symbol, local)

    def book_behind(self, symbol: str, mark: Mark) -> BookAt | None:
        """The book behind a frame of the recording that has the market."""
        recording, index = self._where.local(mark.segment)
        return self._histories[recording].book(symbol, Mark(index, mark.seq))

    def next_book(self, symbol: str, mark: Mark, within_ns: int) -> BookAt | None:
        """As `History.next_book`."""
        history, local = self._of_market(symbol, mark)
        return history.next_book(symbol, local, within_ns)

    def said(self, path: str, mark: Mark) -> bytes | None:
        """As `History.said`: what one says who was asked by then, the newest recording first."""
        symbol = rest_symbol(path)
        if symbol is not None:
            history, local = self._of_market(symbol, mark)
            return history.said(path, local)
        asked = (history.said(path, local) for history, local in self._newest_first(mark))
        return next((body for body in asked if body is not None), None)

    def _locals(self, mark: Mark) -> list[tuple[History, Mark]]:
        marks = zip(self._histories, self._where.firsts, marks_of(mark), strict=True)
        return [(history, Mark(m.segment - first, m.seq)) for history, first, m in marks]

    def _begun(self, mark: Mark) -> list[tuple[History, Mark]]:
        """Those of which something has passed."""
        return [pair for pair in self._locals(mark) if _has_begun(*pair)]

    def _newest_first(self, mark: Mark) -> list[tuple[History, Mark]]:
        """Those that have begun, the newest first; then the others, the first first."""
        there = self._locals(mark)
        begun = [pair for pair in there if _has_begun(*pair)]
        others = [pair for pair in there if not _has_begun(*pair)]
        return sorted(begun, key=_first_ts, reverse=True) + sorted(others, key=_first_ts)

    def _of_market(self, symbol: str, mark: Mark) -> tuple[History, Mark]:
        """The one to be asked; any, where none has the market."""
        found = self._newest_first(mark)
        having = (pair for pair in found if pair[0].has_market(symbol))
        return next(having, found[0])


Known = History | Histories


def _has_begun(history: History, mark: Mark) -> bool:
    return mark.segment > 0 or mark.seq >= history.segments[0].first_seq


def _first_ts(pair: tuple[History, Mark]) -> int:
    return min(segment.first_ts for segment in pair[0].segments)
