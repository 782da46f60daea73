"""What the venue's script cannot say: any websocket frame, and far ends without manners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from websockets.frames import Frame, Opcode

from tests.venue import Do, Venue

TEXT, BINARY, CONT, PING = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING


def raw(*frames: Frame) -> Do:
    """Put these on the wire of every open connection, compressed where that was agreed."""

    def write(venue: Venue) -> None:
        for link in venue.connections:
            if link.hears():
                extensions = link.connection.protocol.extensions
                wire = (frame.serialize(mask=False, extensions=extensions) for frame in frames)
                link.connection.transport.write(b"".join(wire))

    return Do(write)


def text(payload: bytes) -> Do:
    """One text message of any bytes, UTF-8 or not."""
    return raw(Frame(TEXT, payload))


def binary(payload: bytes) -> Do:
    """One binary message."""
    return raw(Frame(BINARY, payload))


def fragments(kind: Opcode, *parts: bytes, between: Frame | None = None) -> Do:
    """One message in several pieces, which may have a control frame between them."""
    frames: list[Frame] = []
    for index, part in enumerate(parts):
        opcode = CONT if index else kind
        frames.append(Frame(opcode, part, fin=index == len(parts) - 1))
        if between is not None and index < len(parts) - 1:
            frames.append(between)
    return raw(*frames)


class Rude:
    """A server that says the same bytes to everyone and hangs up; counts who came."""

    def __init__(self, answer: Callable[[str], bytes]) -> None:
        self.targets: list[str] = []
        self._answer = answer
        self.port = 0

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: read the head of the request, answer, hang up."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        target = head.split()[1]
        self.targets.append("websocket" if "upgrade: websocket" in head.lower() else target)
        writer.write(self._answer(self.targets[-1]))
        await writer.drain()
        writer.close()


@asynccontextmanager
async def rude(answer: Callable[[str], bytes]) -> AsyncIterator[Rude]:
    """Serve what `answer` makes of a target (``websocket`` for a handshake)."""
    far_end = Rude(answer)
    server = await asyncio.start_server(far_end.handle, "127.0.0.1", 0)
    far_end.port = server.sockets[0].getsockname()[1]
    async with server:
        yield far_end


def http(status: str, body: bytes, kind: str = "application/json") -> bytes:
    """A whole HTTP reply."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
