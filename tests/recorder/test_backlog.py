"""Looks at sockets, and what they come to."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, NamedTuple, cast

from websockets.asyncio.client import ClientConnection

from recorder.backlog import Backlog
from recorder.overload import URGENT_NS
from recorder.stamp import Stamp
from schemas.shedding import Level

UNREAD = 60_000  # bytes of a socket


class Far(NamedTuple):
    """As much of a connection as is looked at: its own end of a socket."""

    near: socket.socket

    @property
    def transport(self) -> Far:
        """The same."""
        return self

    def get_extra_info(self, name: str) -> socket.socket:
        """The socket."""
        assert name == "socket"
        return self.near


class Scene:
    """Two connections with something unread each, and what the backlog says of them."""

    def __init__(self) -> None:
        self.levels: list[Level] = []
        self.mono = 10**12
        self.backlog = Backlog(self.levels.append, lambda: Stamp(self.mono, self.mono))
        self.pairs = [socket.socketpair() for _ in range(2)]

    def __enter__(self) -> Scene:
        for _, far in self.pairs:
            far.sendall(bytes(UNREAD))
        return self

    def __exit__(self, *error: object) -> None:
        for near, far in self.pairs:
            near.close()
            far.close()

    def read(self, place: int) -> None:
        """One of them has been read, some time later."""
        self.mono += URGENT_NS
        self.backlog.read(cast(ClientConnection, Far(self.pairs[place][0])), 0)

    def until(self, level: Level) -> None:
        """Both are read in turn."""
        for turn in range(1_000):
            if self.levels and self.levels[-1] is level:
                return
            self.read(turn % 2)
        raise AssertionError(self.levels)


def test_one_connection_that_is_read_does_not_hide_another() -> None:
    """What waits is that of both."""
    with Scene() as scene:
        scene.pairs[0][0].recv(UNREAD)
        scene.read(1)
        for _ in range(20):
            scene.read(0)
        assert scene.levels == list(Level)[1 : len(scene.levels) + 1]
        assert scene.levels


def test_after_the_end_nothing_is_shed_whatever_still_comes() -> None:
    """Connections are closed meanwhile, and read until they are."""

    async def play() -> None:
        with Scene() as scene:
            scene.until(Level.NO_TICKERS)
            watching: asyncio.Task[Any] = asyncio.create_task(scene.backlog.watch())
            await asyncio.sleep(0)
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            assert scene.levels[-1] is Level.ALL
            told = len(scene.levels)
            for place in (0, 1) * 20:
                scene.read(place)
                scene.backlog.amid(cast(ClientConnection, Far(scene.pairs[place][0])))
            assert len(scene.levels) == told

    asyncio.run(play())
