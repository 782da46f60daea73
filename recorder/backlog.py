"""Measures the backlog in the sockets, and has `recorder.overload` make a shedding level of it."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from websockets.asyncio.client import ClientConnection

from recorder.overload import Overload, Signs
from recorder.stamp import Clock
from recorder.unread import unread
from schemas.shedding import Level

LOOK_EVERY_NS = 4_000_000  # at most, while it is read
RATE_EVERY_NS = 500_000_000
BEAT_S = 0.05  # a look by itself, where nothing comes
TELL_EVERY_S = 10.0  # what was lost, on the tape: a crash costs no more of the counts

Turn = Callable[[Level], None]


class Seen(NamedTuple):
    """A socket after it was read: bytes unread; when it is worth another look, ns."""

    unread: int
    again: int


class Throughput:
    """Of all sockets together. rate: bytes a second, of each half second anew."""

    def __init__(self) -> None:
        self.rate = 0
        self._bytes = self._since = 0

    def add(self, size: int, now: int) -> None:
        """So many more have come. now: by the monotonic clock, ns."""
        self._bytes += size
        if now - self._since >= RATE_EVERY_NS:
            self.rate = self._bytes * 1_000_000_000 // (now - self._since)
            self._bytes, self._since = 0, now


class Backlog:
    """Looks at the sockets of all connections, and turns the level.

    turn: is called with the level that is to hold, each time it is another, and now and then while
        anything is shed.
    """

    def __init__(self, turn: Turn, clock: Clock) -> None:
        self._turn = turn
        self._clock = clock
        self._sockets: dict[ClientConnection, Seen] = {}
        self._overload = Overload()
        self._level = Level.ALL
        self._throughput = Throughput()
        self._over = False
        self._late = 0

    def read(self, connection: ClientConnection, size: int) -> None:
        """A connection has read so many bytes of its socket, and they are done with."""
        now = self._clock().ts_mono
        self._throughput.add(size, now)
        self._look(connection, now)

    def amid(self, connection: ClientConnection) -> None:
        """A connection is at work on what it has read. That nothing more waits then says nothing:
        there is what it has read."""
        self._look(connection, self._clock().ts_mono, amid=True)

    def gone(self, connection: ClientConnection) -> None:
        """It is over."""
        self._sockets.pop(connection, None)

    async def watch(self) -> None:
        """Until cancelled: look where nobody reads. At the end nothing is shed any more, whatever
        connections bring while they are being closed."""
        loop = asyncio.get_running_loop()
        told = loop.time()
        try:
            while True:
                due = loop.time() + BEAT_S
                await asyncio.sleep(BEAT_S)
                self._late = max(int((loop.time() - due) * 1e9), 0)
                for connection, seen in self._sockets.items():
                    self._sockets[connection] = Seen(unread(connection) or 0, seen.again)
                self._judge(self._clock().ts_mono)
                if self._level and loop.time() - told >= TELL_EVERY_S:
                    told = loop.time()
                    self._turn(self._level)
        finally:
            self._over = True
            self._set(Level.ALL)

    def _look(self, connection: ClientConnection, now: int, amid: bool = False) -> None:
        """What waits of the others was seen when they were read, as it has come since then: it is
        not their turn yet. A look amid puts off none at the end, which alone may find nothing."""
        before = self._sockets.get(connection)
        if self._over or (before is not None and now < before.again):
            return
        again = (before.again if before is not None else now) if amid else now + LOOK_EVERY_NS
        self._sockets[connection] = Seen(unread(connection) or 0, again)
        self._judge(now, amid)

    def _judge(self, now: int, amid: bool = False) -> None:
        """amid: that little waits tells nothing."""
        waiting = sum(seen.unread for seen in self._sockets.values())
        signs = Signs(now, waiting, self._late, self._throughput.rate)
        if not (self._over or (amid and waiting <= signs.empty)):
            self._set(self._overload.see(signs))

    def _set(self, level: Level) -> None:
        if level is not self._level:
            self._level = level
            self._turn(level)
