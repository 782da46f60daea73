"""Looks at every book after every frame: is it the venue's at that id, or does nobody trust it?"""

from __future__ import annotations

import json
from collections import defaultdict

from market.engine import Engine
from market.sync_states import State
from schemas.frames import Frame, Kind
from schemas.rows import BookKeyframe, Depth, Reject, Row
from tests.faults.stage import Stage
from tests.faults.truth import Sides
from tests.replay.dumb_book import DumbBook
from tests.venue import Venue


class Watch:
    """A listener of the recorder, which shares no code with it.

    wrong: what it saw that must not be.
    links: number of the venue's connection by that of the recorder's.
    compared: how often a book was found right.
    """

    def __init__(self, engine: Engine, venue: Venue) -> None:
        self.wrong: list[str] = []
        self.links: dict[int, int] = {}
        self.compared = 0
        self.stage: Stage | None = None
        self._engine = engine
        self._venue = venue
        self._books: defaultdict[str, DumbBook] = defaultdict(DumbBook)
        self._ids: dict[str, int | None] = {}
        # Places of the oldest books that may be trusted: by market, and by topic.
        self._since_open: dict[str, int] = {}
        self._since_unread: dict[str, int] = {}

    def see(self, frame: Frame, rows: list[Row]) -> None:
        """After each frame."""
        if frame.kind is Kind.OPEN:
            self.links[frame.conn] = len(self._venue.connections)
            self._forget_all_before()
        touched = {topic for row in rows if (topic := self._take(row)) is not None}
        if frame.kind is Kind.DATA:
            self._keeps_up(frame, rows)
        for topic in touched:
            self._compare_rows(frame, topic)
        for symbol in self.stage.truth.books if self.stage else ():
            self._compare_engine(frame, symbol)

    def _take(self, row: Row) -> str | None:
        """A row of a book, on its book made of rows alone."""
        if not isinstance(row, Depth | BookKeyframe):
            return None
        topic = ".".join(part for part in ("depth", row.window, row.symbol) if part)
        if isinstance(row, Depth) and row.action == "snapshot":
            self._trusts_nothing_older(topic, row)
        self._books[topic].see(row)
        self._ids[topic] = row.last_update_id
        return topic

    def _forget_all_before(self) -> None:
        """A connection begins: a snapshot asked for before has nothing to do with it."""
        self._since_unread.clear()
        if self.stage is not None:
            truth = self.stage.truth
            self._since_open = {s: truth.places[s][truth.now(s)] for s in truth.books}

    def _heard_in_vain(self, topic: str, last: int) -> None:
        """A frame of a book came that could not be read: nor one asked for before that."""
        symbol = topic.rpartition(".")[2]
        if self.stage is not None and last in self.stage.truth.places[symbol]:
            self._since_unread[topic] = self.stage.truth.places[symbol][last]

    def _trusts_nothing_older(self, topic: str, row: Depth) -> None:
        """Unless the venue has lied about the moment of its snapshots."""
        if self.stage is None or not self.stage.honest or row.symbol is None:
            return
        place = self.stage.truth.places[row.symbol].get(row.last_update_id or 0, 0)
        if place < max(self._since_open.get(row.symbol, 0), self._since_unread.get(topic, 0)):
            self.wrong.append(f"seq {row.seq}: {topic} joined with a book of another time")

    def _compare_rows(self, frame: Frame, topic: str) -> None:
        """The book made of rows, real time or throttled, and whether the engine owns up to it."""
        known = self._books[topic].sides is not None
        live = self._engine.book_state(topic) is State.LIVE
        if known != live:
            self._note(frame, f"{topic}: rows make a book: {known}, the engine has one: {live}")
        if known:
            bids, asks = (dict(self._books[topic].levels(side)) for side in ("bid", "ask"))
            self._compare(frame, topic, self._ids[topic], Sides(bids, asks))

    def _compare_engine(self, frame: Frame, symbol: str) -> None:
        book = self._engine.book(symbol)
        if book is not None:
            sides = Sides(dict(book.bids.top()), dict(book.asks.top()))
            self._compare(frame, f"engine's book of {symbol}", book.last_update_id, sides)

    def _compare(self, frame: Frame, name: str, at: int | None, ours: Sides) -> None:
        """The same levels as the venue had at that id."""
        assert self.stage is not None
        true = self.stage.truth.books[name.rpartition(".")[2].rpartition(" ")[2]].get(at or 0)
        if true is None:
            self._note(frame, f"{name} is live at {at}, an id that never was")
        elif ours != true:
            pairs = zip(ours, true, strict=True)
            differing = [sorted(set(one.items()) ^ set(two.items())) for one, two in pairs]
            self._note(frame, f"{name} at {at} is not the venue's: {differing}")
        self.compared += 1

    def _keeps_up(self, frame: Frame, rows: list[Row]) -> None:
        """A live book is never behind what has been heard of it."""
        try:
            envelope = json.loads(frame.payload)
            topic, last = envelope["stream"], envelope["data"]["u"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if not topic.startswith("depth."):
            return
        live = self._engine.book_state(topic) is State.LIVE
        if any(isinstance(row, Reject) for row in rows):
            self._heard_in_vain(topic, last)
        elif live and (self._ids[topic] or 0) < last:
            self._note(frame, f"{topic} is live at {self._ids[topic]}, and {last} was heard")

    def _note(self, frame: Frame, text: str) -> None:
        self.wrong.append(f"seq {frame.seq}: {text}")
