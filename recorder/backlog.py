"""What waits to be read, looked at where it is read and now and then: how far behind we are."""

import asyncio
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection

from recorder.overload import EMPTY, Overload, Signs
from recorder.stamp import Clock
from recorder.unread import unread
from schemas.shedding import Level

LOOK_EVERY_NS = 4_000_000  # at most, while it is read
BEAT_S = 0.05  # a look by itself, where nothing comes
_NEVER = 2**63 - 1  # ns
TELL_EVERY_S = 10.0  # what was lost, on the tape: a crash costs no more of the counts

Turn = Callable[[Level], None]


class Backlog:
    """Looks at the sockets of all connections, and turns the level.

    turn: is called with the level that is to hold, each time it is another, and now and then while
        anything is shed.
    """

    def __init__(self, turn: Turn, clock: Clock) -> None:
        self._turn = turn
        self._clock = clock
        self._sockets: dict[ClientConnection, None] = {}
        self._overload = Overload()
        self._level = Level.ALL
        self._next = 0
        self._late = 0

    def read(self, connection: ClientConnection) -> None:
        """A connection has read its socket, and what it read is done with."""
        if self._clock().ts_mono >= self._next:
            self._sockets[connection] = None
            self._look()

    def amid(self, connection: ClientConnection) -> None:
        """A connection is at work on what it has read. That nothing more waits then says nothing:
        there is what it has read."""
        if self._clock().ts_mono >= self._next:
            self._sockets[connection] = None
            self._look(EMPTY)

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
                self._look()
                if self._level and loop.time() - told >= TELL_EVERY_S:
                    told = loop.time()
                    self._turn(self._level)
        finally:
            self._next = _NEVER
            self._set(Level.ALL)

    def _look(self, least: int = -1) -> None:
        """least: fewer bytes unread tell nothing."""
        now = self._clock().ts_mono
        self._next = now + LOOK_EVERY_NS
        waiting = sum(unread(connection) or 0 for connection in self._sockets)
        if waiting > least:
            self._set(self._overload.see(Signs(now, waiting, self._late)))

    def _set(self, level: Level) -> None:
        if level is not self._level:
            self._level = level
            self._turn(level)
