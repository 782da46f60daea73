"""What REST was asked, and what it said: to whom it matters."""

from collections.abc import Iterator

from market.books import Books
from market.lanes import Lanes
from market.markets import Markets
from market.notes import session_row
from market.trades import TradeTracker
from schemas.frames import Frame
from schemas.requests import trades_symbol
from schemas.rows import Row


class Answers:
    """Books, market lists and streams of trades, each of which takes what is about it."""

    def __init__(self, lanes: Lanes, books: Books, markets: Markets) -> None:
        self._lanes = lanes
        self._books = books
        self._markets = markets

    def requested(self, frame: Frame) -> list[Row]:
        """A request went out."""
        self._books.requested(frame)
        return [session_row(frame)]

    def replied(self, frame: Frame) -> list[Row]:
        """The reply came."""
        rows = [session_row(frame), *self._books.replied(frame)]
        for tracker in self._trades(frame):
            rows += tracker.replied(frame)
        return [*rows, *self._markets.replied(frame)]

    def failed(self, frame: Frame) -> list[Row]:
        """It will not come."""
        self._books.failed(frame)
        for tracker in self._trades(frame):
            tracker.failed(frame)
        return [session_row(frame)]

    def _trades(self, frame: Frame) -> Iterator[TradeTracker]:
        """The stream of trades that a request is about, if it is followed."""
        symbol = trades_symbol(frame.topic)
        lane = self._lanes.get(f"trade.{symbol}") if symbol else None
        if lane is not None and isinstance(lane.tracker, TradeTracker):
            yield lane.tracker
