"""What the venue knows: every book at every update id, and every frame it has ever made."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from tests.venue import ShadowBook
from tests.venue.link import Cue
from tests.venue.shadow_book import Truth as Books

Side = dict[int, int]  # price in 1e-9 to quantity in 1e-6


class Sides(NamedTuple):
    """A book in whole numbers."""

    bids: Side
    asks: Side


class Emitted(NamedTuple):
    """A frame with ids that the venue made, sent or not."""

    topic: str
    first: int
    last: int
    text: str


class Truth:
    """Of all markets of a venue.

    books: by market and update id. No two books of a market have the same id.
    places: how many books there were before the one of an id, which may be higher.
    emitted: frames with ids in the order they were made.
    """

    def __init__(self, books: Books) -> None:
        self.books: defaultdict[str, dict[int, Sides]] = defaultdict(dict)
        self.emitted: list[Emitted] = []
        self.places: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._venue = books
        for symbol in books.symbols():
            self._remember(symbol)

    def now(self, symbol: str) -> int:
        """Update id of a market's book at this moment."""
        return self._venue.book(symbol).update_id

    def note(self, cue: Cue) -> None:
        """A frame was made."""
        data = json.loads(cue.text)["data"]
        if data.get("e") == "depth":
            self.emitted.append(Emitted(cue.topic, data["U"], data["u"], cue.text))
        elif data.get("e") == "trade":
            self.emitted.append(Emitted(cue.topic, data["t"], data["t"], cue.text))
        if cue.book is not None:
            self._venue.note(cue.book, cue.text)
            self._remember(cue.book)

    def renumber(self, by: int, seconds: int) -> None:
        """All books go on under other ids."""
        bodies = {}
        for symbol in list(self._venue.symbols()):
            body = json.loads(self._venue.book(symbol).catch_up().body())
            body["lastUpdateId"] = str(int(body["lastUpdateId"]) + by)
            body["timestamp"] += seconds * 1_000_000
            bodies[symbol] = json.dumps(body)
        self._venue.restart(bodies)
        for symbol in bodies:
            self._remember(symbol)

    def _remember(self, symbol: str) -> None:
        book = self._venue.book(symbol).catch_up()
        if book.update_id not in self.books[symbol]:
            self.places[symbol][book.update_id] = len(self.places[symbol])
            self.books[symbol][book.update_id] = _whole(book)


def _whole(book: ShadowBook) -> Sides:
    return Sides(*({_int(p, 9): _int(q, 6) for p, q in s.items()} for s in (book.bids, book.asks)))


@cache
def _int(number: Decimal, digits: int) -> int:
    whole = number.scaleb(digits)
    assert whole == whole.to_integral_value()
    return int(whole)
