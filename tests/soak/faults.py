"""What goes wrong in a soak, when, and what the venue says of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tests.venue.link import Link
from tests.venue.rest import DOOR, Fault
from tests.venue.server import Venue

LOSS = 0.0005  # of the frames, on each connection by itself
LONGEST_RUN = 5  # frames lost on all connections at once


class Kind(NamedTuple):
    """A kind of fault, and how many seconds lie between two of them on average."""

    name: str
    every_s: float


KINDS = (
    Kind("lose", 40.0),  # a few frames, on all connections
    Kind("cut", 50.0),  # one connection, without a word
    Kind("close", 130.0),  # one connection, in order
    Kind("cut_all", 290.0),
    Kind("stall", 310.0),  # one goes silent, and still answers pings
    Kind("deaf", 330.0),  # one goes silent for good
    Kind("rest", 25.0),  # the next requests fail
    Kind("door", 110.0),  # the next handshake fails
)


class Event(NamedTuple):
    """What happened before the frame at `position`; conn: to which connection, 0: all."""

    position: int
    kind: str
    conn: int = 0


class Faults:
    """Draws what happens; the same seed draws the same, at the same seconds."""

    def __init__(self, venue: Venue, seed: int) -> None:
        self.events: list[Event] = []
        self.losing = 0  # frames that are still to be lost on all connections
        self._venue = venue
        self._random = Random(seed)
        self._closing: set[asyncio.Task[None]] = set()
        self._due = {kind: self._next(kind, 0.0) for kind in KINDS}

    def at(self, second: float, position: int) -> None:
        """Let happen what is due."""
        for kind, due in self._due.items():
            if due <= second:
                self._due[kind] = self._next(kind, second)
                self._happen(kind.name, position)

    def lost(self) -> bool:
        """Whether a connection does not get a frame."""
        return self._random.random() < LOSS

    def _next(self, kind: Kind, second: float) -> float:
        return second + self._random.expovariate(1 / kind.every_s)

    def _happen(self, name: str, position: int) -> None:
        links = [link for link in self._venue.connections if link.hears()]
        match name:
            case "lose":
                self.losing = self._random.randint(1, LONGEST_RUN)
                self.events.append(Event(position, name))
            case "cut_all":
                self._cut(links, position)
            case "rest":
                self._venue.faults.clear("/api/v1/")  # they are not to heap up while nobody asks
                self._venue.faults.add("/api/v1/", self._rest_fault(), self._random.randint(1, 3))
                self.events.append(Event(position, name))
            case "door":
                self._venue.faults.clear(DOOR)
                self._venue.faults.add(DOOR, Fault(503))
                self.events.append(Event(position, name))
            case _ if links:
                self._touch(name, self._random.choice(links), position)

    def _cut(self, links: list[Link], position: int) -> None:
        for link in links:
            link.cut()
            self.events.append(Event(position, "cut", link.number))

    def _touch(self, name: str, link: Link, position: int) -> None:
        if name == "cut":
            link.cut()
        elif name == "close":
            link.open = False
            closing = asyncio.create_task(link.connection.close(1001, "draining"))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        else:
            link.stall(deaf=name == "deaf")
        self.events.append(Event(position, name, link.number))

    def _rest_fault(self) -> Fault:
        return self._random.choice([Fault(429), Fault(503), Fault(drop=True), Fault(delay=2.0)])


def counts(events: list[Event]) -> Iterator[tuple[str, int]]:
    """How often each kind happened."""
    for name in sorted({event.kind for event in events}):
        yield name, sum(event.kind == name for event in events)
