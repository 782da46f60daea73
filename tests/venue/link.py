"""One websocket connection as the venue sees it, and how frames get onto its socket."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from tests.venue.instance import Instance


class Sent(NamedTuple):
    """One frame written to a connection: its number (from 1) and the untouched text or bytes."""

    connection: int
    frame: str | bytes


class Cue(NamedTuple):
    """One frame about to be sent.

    `t_ns` paces (wall ns), `topic` addresses, `book` is the market whose book it changes, if any.
    """

    t_ns: int
    topic: str
    text: str
    book: str | None


def depth_symbol(topic: str) -> str | None:
    """The market whose book frames of this topic change; None if they change none."""
    if not topic.startswith("depth."):
        return None
    rest = topic.removeprefix("depth.")
    for window in ("200ms.", "600ms.", "1000ms."):
        rest = rest.removeprefix(window)
    return rest


def cue_of(text: str, t_ns: int = 0) -> Cue:
    """The cue of an envelope text; text without a stream gets the empty topic."""
    try:
        envelope = json.loads(text)
        topic = envelope["stream"]
    except (ValueError, KeyError, TypeError):
        return Cue(t_ns, "", text, None)
    return Cue(t_ns, topic, text, depth_symbol(topic))


def _plain(payload: bytes) -> bytes:
    """One unmasked, uncompressed text frame (RFC 6455 section 5.2), faster than the library's."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class Link:
    """A connection: `number` counts from 1, `topics` is what it subscribed to.

    `open` turns False as soon as the venue decides to close or cut it; `stalled` means that
    nothing will ever be sent to it again. `instance` is the server that it is to.
    """

    def __init__(
        self, connection: ServerConnection, number: int, instance: Instance | None = None
    ) -> None:
        self.connection = connection
        self.instance = instance or Instance()
        self.number = number
        self.topics: set[str] = set()
        self.open = True
        self.stalled = False

    @property
    def deflates(self) -> bool:
        """Whether permessage-deflate was negotiated."""
        return bool(self.connection.protocol.extensions)

    @property
    def close_code(self) -> int | None:
        """The close code of the connection once it is closed, 1006 if there was no Close."""
        return self.connection.close_code

    def hears(self) -> bool:
        """Whether data may be sent to it."""
        usable = self.open and not self.stalled
        return usable and self.connection.protocol.state is State.OPEN

    def write(self, frames: Iterable[str | bytes]) -> None:
        """Write frames in one piece, text as text frames and bytes as binary ones."""
        self.connection.transport.write(b"".join(map(self._wire, frames)))

    def write_raw(self, *frames: Frame) -> None:
        """Write websocket frames of any kind, compressed where that was agreed."""
        extensions = self.connection.protocol.extensions
        wire = (frame.serialize(mask=False, extensions=extensions) for frame in frames)
        self.connection.transport.write(b"".join(wire))

    def _wire(self, frame: str | bytes) -> bytes:
        extensions = self.connection.protocol.extensions
        if isinstance(frame, bytes):
            return Frame(Opcode.BINARY, frame).serialize(mask=False, extensions=extensions)
        if extensions:
            payload = frame.encode()
            return Frame(Opcode.TEXT, payload).serialize(mask=False, extensions=extensions)
        return _plain(frame.encode())

    async def drain(self) -> None:
        """Wait until the socket takes more; at once if the connection is gone."""
        if self.hears():
            await self.connection.drain()

    def cut(self) -> None:
        """Abort the TCP connection without a Close frame."""
        self.open = False
        self.connection.transport.abort()

    def stall(self, deaf: bool) -> None:
        """Never send data again; `deaf` also stops reading, so that pings stay unanswered."""
        self.stalled = True
        if deaf:
            self.connection.transport.pause_reading()
