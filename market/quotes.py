"""Best bid and ask: bookTickers to rows, compared with the books of their market, and kept."""

from collections import deque

from market.depth import DepthTracker
from market.handlers import book_ticker
from market.memory import Last, is_older
from schemas import wire
from schemas.frames import Frame
from schemas.requests import Request
from schemas.rows import BookTicker, Row
from schemas.topics import Topic


class QuoteTracker(Last):
    """The last quote; none once the stream has been interrupted, until the next one comes: no
    stale best price is ever read by accident.

    depths: books of the market, of all windows, which share its numbering. One may be added.
    """

    __slots__ = ("depths",)

    def __init__(self, topic: Topic, outbox: deque[Request]) -> None:
        del outbox  # quotes ask for nothing
        super().__init__(topic, BookTicker, self.rows)
        self.depths: list[DepthTracker] = []

    def rows(self, frame: Frame, message: wire.BookTicker) -> list[Row]:
        """The hot path: kept as it passes, with no call for that."""
        rows = book_ticker(self.topic, frame, message)
        row = self.row = rows[0]
        self.conn = frame.conn
        if isinstance(row, BookTicker):
            for tracker in self.depths:
                rows += tracker.quoted(frame, row)
        return rows

    def spliced(self, frame: Frame, message: wire.BookTicker) -> list[Row]:
        """A late one is compared all the same."""
        before, conn = self.row, self.conn
        rows = self.rows(frame, message)
        if self.row is not None and is_older(self.row, before):
            self.row, self.conn = before, conn
        return rows

    def lost(self) -> None:
        """It may be another by now."""
        self.row = None
