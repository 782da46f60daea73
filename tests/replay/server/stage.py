"""A server in this process, and plain clients of it over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from replay.server.server import Server, Serving
from schemas.frames import Kind
from tape.layout import Tape
from tape.reader import Filed, read_filed, segments

SAMPLE = Path(__file__).resolve().parents[3] / "data" / "sample"
PATIENCE_S = 30.0  # nothing here takes as long; it only ends what would hang


class Stage:
    """A server under test. log: what it said, by event."""

    def __init__(self, server: Server, log: list[tuple[str, dict[str, object]]]) -> None:
        self.server = server
        self.log = log

    def said(self, event: str) -> list[dict[str, object]]:
        """What it said of one kind of event."""
        return [facts for name, facts in self.log if name == event]

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and body of a GET, decoded where it is JSON."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(self.server.rest_url + path) as reply,
        ):
            text = await reply.text()
            json_type = reply.content_type == "application/json"
            return reply.status, json.loads(text) if json_type else text

    async def command(self, **command: object) -> dict[str, Any]:
        """Carry out a command over the control endpoint; how things are then."""
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.server.rest_url}/control", json=command) as reply,
        ):
            said: dict[str, Any] = await reply.json()
            assert reply.status in (200, 400), said
            return said

    @asynccontextmanager
    async def client(self, *topics: str, deflate: bool = False) -> AsyncIterator[Listener]:
        """A client that is subscribed to topics and takes what comes."""
        compression = "deflate" if deflate else None
        async with connect(
            self.server.ws_url, compression=compression, max_size=None, max_queue=None
        ) as socket:
            listener = Listener(socket)
            if topics:
                await listener.subscribe(*topics)
            task = asyncio.create_task(listener.listen())
            try:
                yield listener
            finally:
                task.cancel()


class Listener:
    """What a client hears: payloads in order; ``closed``: how the connection ended."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[str | bytes] = []
        self.closed: tuple[int, str] | None = None

    @property
    def payloads(self) -> list[bytes]:
        """What came, as bytes."""
        return [m.encode() if isinstance(m, str) else m for m in self.heard]

    async def subscribe(self, *topics: str, method: str = "SUBSCRIBE") -> None:
        """Send one request; success is answered by nothing."""
        await self.socket.send(json.dumps({"method": method, "params": list(topics)}))

    async def listen(self) -> None:
        """Take what comes until the end."""
        try:
            while True:
                self.heard.append(await self.socket.recv())
        except ConnectionClosed as end:
            code = 1006 if end.rcvd is None else end.rcvd.code
            self.closed = (code, "" if end.rcvd is None else end.rcvd.reason)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that must come true."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await asyncio.sleep(0.002)

    async def ended(self) -> None:
        """Wait for the end of the connection."""
        await self.until(lambda: self.closed is not None)

    async def count(self, frames: int) -> None:
        """Wait for so many frames."""
        await self.until(lambda: len(self.heard) >= frames)


@asynccontextmanager
async def serving(data: Path = SAMPLE, **options: Any) -> AsyncIterator[Stage]:
    """A server on a free port of the loopback; by default as fast as can be, from the first
    subscription on."""
    log: list[tuple[str, dict[str, object]]] = []
    chosen = {"port": 0, "speed": None, "on_subscribe": True, **options}
    say = lambda event, facts: log.append((event, dict(facts)))  # noqa: E731
    async with Server(data, Serving(**chosen, say=say)) as server:
        yield Stage(server, log)


def run(scene: Callable[[], Awaitable[None]]) -> None:
    """Run one scene, which does not last."""

    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene()

    asyncio.run(limited())


def recorded(data: Path = SAMPLE) -> list[Filed]:
    """All frames of a recording."""
    tape = Tape.open(data)
    return [f for part in segments(tape) for some in read_filed(tape, part) for f in some]


def messages(data: Path = SAMPLE, *topics: str, upto: int = 2**63) -> list[bytes]:
    """Payloads of the venue's messages of some topics, of all if none is named, up to a frame."""
    return [
        filed.frame.payload
        for filed in recorded(data)
        if filed.frame.kind is Kind.DATA
        and (not topics or filed.topic in topics)
        and filed.frame.seq <= upto
    ]
