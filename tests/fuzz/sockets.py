"""A server under fire: bytes on several connections at once, and what must hold of it afterwards.

An input is parts between lines that hold ``=`` alone. Each is a connection, and they are all open
at the same time. Its first byte says what its lines are, its second how it ends; see `FORMS` and
`ENDS`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from itertools import islice
from zlib import Z_SYNC_FLUSH, compressobj

from replay.server.client import TEXT, plain
from replay.server.server import Server
from schemas.frames import Kind
from tests.replay.server.stage import recorded, serving

SEPARATOR = b"\n=\n"
MOST = 8  # connections of an input
TOPIC = "depth.SOL_USDC"
STEPS = 60  # frames that a fresh client is given
READ_S = 0.02  # that a connection listens before it ends
PATIENCE_S = 9.0  # of a whole input; libFuzzer ends it a bit later
STALL_S = 3.0  # of work in one go: other clients wait meanwhile
QUEUE = 1 << 20
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
REPAIR: tuple[dict[str, object], ...] = (  # after these it is as at its beginning, and paused
    {"command": "clear"},
    {"command": "loop"},
    {"command": "speed", "speed": "max"},
    {"command": "pause"},
    {"command": "seek", "to": "#1"},
    {"command": "pause"},  # one that had ended plays after a seek
    {"command": "seek", "to": "#1"},
)


def masked(first: int, payload: bytes) -> bytes:
    """A frame of a client (RFC 6455 section 5.2), under a mask of zeros, so that it is legible."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + bytes(4) + payload


def post(body: bytes) -> bytes:
    """A request to the control endpoint."""
    head = f"POST /control HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def raw(body: bytes) -> bytes:
    """The bytes as they are."""
    return body


def websocket(body: bytes) -> bytes:
    """Each line is a frame: its first byte, then its payload."""
    return HANDSHAKE + b"\r\n" + _frames(body, compress=False)


def deflated(body: bytes) -> bytes:
    """The same, compressed where the first byte says so (RSV1)."""
    return HANDSHAKE + DEFLATE + b"\r\n" + _frames(body, compress=True)


def control(body: bytes) -> bytes:
    """Each line is a command."""
    return b"".join(map(post, body.split(b"\n")))


def rest(body: bytes) -> bytes:
    """Each line is what is asked for."""
    return b"".join(
        b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % line for line in body.split(b"\n")
    )


FORMS: dict[bytes, Callable[[bytes], bytes]] = {
    b"r": raw,
    b"w": websocket,
    b"z": deflated,
    b"c": control,
    b"g": rest,
}
ENDS = b"chas"  # closed, half-closed first, aborted at once, stays to the end and reads nothing


class Trouble(logging.Handler):
    """What was logged as an error: a traceback that somebody would see."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Raises AssertionError if there was any, or the event loop stood still."""
        root, loop = logging.getLogger(), asyncio.get_running_loop()
        root.addHandler(self)
        loop.set_exception_handler(lambda _, context: self.texts.append(str(context)))
        stalls = asyncio.create_task(_longest_stall())
        try:
            yield
        finally:
            root.removeHandler(self)
            stalls.cancel()
        assert not self.texts, "\n".join(self.texts)
        with suppress(asyncio.CancelledError):
            longest = await stalls
            assert longest < STALL_S, f"nobody was served for {longest:.2f} s"


def sockets(data: bytes) -> None:
    """Send an input to a server of its own; raises AssertionError or TimeoutError if it does not
    serve a fresh client as ever, or anything of the others is left."""
    asyncio.run(_bounded(data))


async def _bounded(data: bytes) -> None:
    async with (
        asyncio.timeout(PATIENCE_S),
        Trouble().watched(),
        serving(on_subscribe=False, speed=1.0, queue=QUEUE) as stage,
    ):
        server = stage.server
        before = len(asyncio.all_tasks())
        await asyncio.gather(*(_connection(server, part) for part in _parts(data)))
        await _settled(server, before)
        await _fresh(server)
        await _settled(server, before)
        assert not server._playing.done(), server._playing


def _parts(data: bytes) -> list[bytes]:
    return data.split(SEPARATOR)[:MOST]


def _frames(body: bytes, compress: bool) -> bytes:
    compressor = compressobj(wbits=-15)
    found = []
    for line in filter(None, body.split(b"\n")):
        first, payload = line[0], line[1:]
        if compress and first & 0x40:
            payload = compressor.compress(payload) + compressor.flush(Z_SYNC_FLUSH)
            payload = payload.removesuffix(b"\0\0\xff\xff")
        found.append(masked(first, payload))
    return b"".join(found)


async def _connection(server: Server, part: bytes) -> None:
    """One connection from its beginning to its end."""
    form = FORMS.get(part[:1], raw)
    end = part[1:2] if part[1:2] in (b"c", b"h", b"a", b"s") else b"c"
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with suppress(ConnectionError):
        if end == b"s":
            writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(form(part[2:]))
        if end == b"h":
            writer.write_eof()
        if end != b"a":
            await _read(reader)
    writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> None:
    """What comes, for a moment."""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(READ_S):
            while await reader.read(1 << 16):
                pass


async def _settled(server: Server, tasks: int) -> None:
    """Wait until nothing is left of those that have gone."""
    audience = server.audience
    deadline = time.monotonic() + PATIENCE_S / 3
    while audience.clients or audience.wanted or len(asyncio.all_tasks()) > tasks:
        left = [str(task)[:300] for task in asyncio.all_tasks()]
        assert time.monotonic() < deadline, (audience.clients, audience.wanted, left)
        await asyncio.sleep(0.001)


async def _fresh(server: Server) -> None:
    """A client that comes now gets what was recorded, byte for byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for command in REPAIR:
        await _asked(reader, writer, command)
    listener, talker = await asyncio.open_connection("127.0.0.1", server.port)
    request = json.dumps({"method": "SUBSCRIBE", "params": [TOPIC]}).encode()
    talker.write(HANDSHAKE + b"\r\n" + masked(TEXT, request))
    assert b" 101 " in await listener.readuntil(b"\r\n\r\n")
    while TOPIC not in server.audience.wanted:
        await asyncio.sleep(0.001)
    said = await _asked(reader, writer, {"command": "step", "frames": STEPS})
    assert (said["state"], said["seq"]) == ("paused", STEPS), said
    expected = _first_frames()
    assert await listener.readexactly(len(expected)) == expected
    for one in (writer, talker):
        one.transport.abort()


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: dict[str, object]
) -> dict[str, object]:
    """Carry out a command that cannot fail; how things are then."""
    writer.write(post(json.dumps(command).encode()))
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length:")[2].split()[0])
    body = await reader.readexactly(size)
    assert head.startswith(b"HTTP/1.1 200"), (command, head, body)
    said: dict[str, object] = json.loads(body)
    return said


@cache
def _first_frames() -> bytes:
    """What the first frames of the recording are to who is subscribed to one topic."""
    mine = (
        filed.frame.payload
        for filed in islice(recorded(), STEPS)
        if filed.frame.kind is Kind.DATA and filed.topic == TOPIC
    )
    frames = b"".join(plain(TEXT, payload) for payload in mine)
    assert frames
    return frames


async def _longest_stall() -> float:
    """The longest time that this process worked for one round of the event loop, until it is
    cancelled. What other processes do meanwhile is not ours to be faster than."""
    longest, last = 0.0, time.process_time()
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.process_time() - last), time.process_time()
    return longest
