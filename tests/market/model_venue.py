"""A venue that is only dicts and lists: every true change of one market, and texts made of them.

Prices and quantities are whole ticks of 0.01 here, so that nothing of the code's is borrowed.
"""

import json
from typing import NamedTuple

ENGINE_PRICE = 10_000_000  # a tick of 0.01 in the engine's 1e-9
ENGINE_QTY = 10_000  # and in its 1e-6
FIRST_ID = 4_330_360_000
FIRST_US = 1_788_367_430_000_000
EMITTED_US = 173  # from the engine to the socket
RENUMBER_BY = 1_000_000  # further down than any play gets up

Levels = dict[int, int]


class Sides(NamedTuple):
    """A whole book: price ticks to quantity ticks."""

    bids: Levels
    asks: Levels


class Change(NamedTuple):
    """One true change: the levels it touches, with their absolute quantities."""

    id: int
    us: int
    bids: Levels
    asks: Levels


class Era:
    """The changes of one numbering."""

    def __init__(self, last_id: int, us: int, sides: Sides) -> None:
        self.base_id = last_id
        self.base_us = us
        self.base = sides
        self.changes: list[Change] = []

    @property
    def last_id(self) -> int:
        """Id of the newest change."""
        return self.changes[-1].id if self.changes else self.base_id

    def us_of(self, update_id: int) -> int:
        """When a change happened, in microseconds."""
        return next((c.us for c in self.changes if c.id == update_id), self.base_us)

    def at(self, update_id: int) -> Sides:
        """The true book after a change: everything from the beginning, once more."""
        bids, asks = dict(self.base.bids), dict(self.base.asks)
        for change in self.changes:
            if change.id <= update_id:
                put(bids, change.bids)
                put(asks, change.asks)
        return Sides(bids, asks)


class ModelVenue:
    """One market; the last era is the present."""

    def __init__(self) -> None:
        self.us = FIRST_US
        self.eras = [Era(FIRST_ID, self.us, Sides({98: 10, 99: 250}, {101: 100, 102: 5}))]

    @property
    def now(self) -> Era:
        """The present numbering."""
        return self.eras[-1]

    def change(self, bids: Levels, asks: Levels, after_us: int) -> Change:
        """Something happens."""
        self.us += after_us
        change = Change(self.now.last_id + 1, self.us, bids, asks)
        self.now.changes.append(change)
        return change

    def renumber(self, after_us: int) -> None:
        """The ids start again further down, later; the book stays."""
        self.us += after_us
        old = self.now
        self.eras.append(Era(old.base_id - RENUMBER_BY, self.us, old.at(old.last_id)))

    def era_of(self, update_id: int) -> Era:
        """The numbering an id belongs to; they do not overlap."""
        return next(era for era in self.eras if era.base_id <= update_id)


def put(levels: Levels, changed: Levels) -> None:
    """Absolute quantities; zero deletes (protocol section 3.1)."""
    for price, qty in changed.items():
        if qty:
            levels[price] = qty
        else:
            levels.pop(price, None)


def padded(ticks: int) -> str:
    """As the websocket writes it: ``1.00``."""
    return f"{ticks // 100}.{ticks % 100:02d}"


def bare(ticks: int) -> str:
    """As REST writes it: ``1``."""
    return padded(ticks).rstrip("0").rstrip(".")


class Delta(NamedTuple):
    """A depth frame of one change or of several merged."""

    first: int
    last: int
    us: int
    text: str


def delta(topic: str, changes: list[Change]) -> Delta:
    """Changes as one frame: the levels of all, the time of the last (section 2.2)."""
    bids: Levels = {}
    asks: Levels = {}
    for change in changes:
        bids |= change.bids
        asks |= change.asks
    first, last, us = changes[0].id, changes[-1].id, changes[-1].us
    data = {
        "E": us + EMITTED_US,
        "T": us,
        "U": first,
        "a": [[padded(p), padded(q)] for p, q in asks.items()],
        "b": [[padded(p), padded(q)] for p, q in bids.items()],
        "e": "depth",
        "s": topic.removeprefix("depth.").removeprefix("200ms."),
        "u": last,
    }
    text = json.dumps({"data": data, "stream": topic}, separators=(",", ":"))
    return Delta(first, last, us, text)


def snapshot(era: Era, update_id: int) -> bytes:
    """The REST reply at an id: id as text, zeros trimmed, both sides ascending (section 3.2)."""
    sides = era.at(update_id)
    body = {
        "asks": [[bare(p), bare(sides.asks[p])] for p in sorted(sides.asks)],
        "bids": [[bare(p), bare(sides.bids[p])] for p in sorted(sides.bids)],
        "lastUpdateId": str(update_id),
        "timestamp": era.us_of(update_id),
    }
    return json.dumps(body).encode()
