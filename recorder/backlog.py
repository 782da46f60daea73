"""What waits to be read, looked at where it is read and now and then: how far behind we are."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from websockets.asyncio.client import ClientConnection

from recorder.overload import EMPTY, Overload, Signs
from recorder.stamp import Clock
from recorder.unread import unread
from schemas.shedding import Level

LOOK_EVERY_NS = 4_000_000  # at most, while it is read
BEAT_S = 0.05  # a look by itself, where nothing comes
TELL_EVERY_S = 10.0  # what was lost, on the tape: a crash costs no more of the counts

Turn = Callable[[Level], None]


class Seen(NamedTuple):
    """A socket after it was read: bytes unread; when it is worth another look, ns."""

    unread: int
    again: int


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
        self._over = False
        self._late = 0

    def read(self, connection: ClientConnection) -> None:
        """A connection has read its socket, and what it read is done with."""
        self._look(connection)

    def amid(self, connection: ClientConnection) -> None:
        """A connection is at work on what it has read. That nothing more waits then says nothing:
        there is what it has read."""
        self._look(connection, EMPTY)

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
                for connection in self._sockets:
                    self._sockets[connection] = self._seen(connection)
                self._judge(-1)
                if self._level and loop.time() - told >= TELL_EVERY_S:
                    told = loop.time()
                    self._turn(self._level)
        finally:
            self._over = True
            self._set(Level.ALL)

    def _look(self, connection: ClientConnection, least: int = -1) -> None:
        """What waits of the others was seen when they were read, as it has come since then: it is
        not their turn yet."""
        before = self._sockets.get(connection)
        if self._over or (before is not None and self._clock().ts_mono < before.again):
            return
        self._sockets[connection] = self._seen(connection)
        self._judge(least)

    def _seen(self, connection: ClientConnection) -> Seen:
        return Seen(unread(connection) or 0, self._clock().ts_mono + LOOK_EVERY_NS)

    def _judge(self, least: int) -> None:
        """least: fewer bytes unread tell nothing."""
        waiting = sum(seen.unread for seen in self._sockets.values())
        if waiting > least and not self._over:
            self._set(self._overload.see(Signs(self._clock().ts_mono, waiting, self._late)))

    def _set(self, level: Level) -> None:
        if level is not self._level:
            self._level = level
            self._turn(level)
