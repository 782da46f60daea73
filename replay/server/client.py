"""One websocket client: what it subscribed to, and its bounded queue."""

import asyncio
import math
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from random import uniform
from typing import NamedTuple

from aiohttp import WSCloseCode, web
from aiohttp.http_websocket import WSMsgType

PING_S = 60.0  # between Pings; the first one comes 5 to 38 s after the open (protocol section 1)
_FIRST = (5 / 60, 38 / 60)  # of that
_PATIENCE = 2  # times that without a Pong, which is the documented limit of 120 s
STUCK_S = 30.0  # a client that takes nothing for so long is as good as gone
GOODBYE_S = 2.0  # for one that is cut off to take a Close frame and answer it
QUEUE_BYTES = 16 << 20
_WRITE_BYTES = 1 << 16  # a piece of the queue that is handed to the socket
_SOCKET_BYTES = 1 << 18  # that may wait in each of the buffers behind the queue
_FRAME_BYTES = 16  # what a queued frame costs beside its payload, roughly
_HALF_LIFE_S = 1.0  # of what is remembered of how much a client takes

TEXT = 0x81  # first byte of a whole text frame (RFC 6455 section 5.2)
BINARY = 0x82


class Goodbye(NamedTuple):
    """How a connection is to end. code: of the Close frame; None: without one, as if it broke."""

    code: int | None
    reason: str


class Client:
    """A connection of a client. Nothing here ever waits for it but its own `serve`.

    number: from 1. topics: what it is subscribed to.
    sent, waiting: frames handed to its socket; bytes in its queue.
    why: the reason for which it was cut off; empty while it was not.
    """

    def __init__(
        self,
        number: int,
        request: web.Request,
        websocket: web.WebSocketResponse,
        limit: int = QUEUE_BYTES,
        ping_s: float = PING_S,
    ) -> None:
        self.number = number
        self.peer = str(request.remote)
        self.topics: set[str] = set()
        self.sent = self.waiting = 0
        self.why = ""
        self._request = request
        self._websocket = websocket
        self._limit = limit
        self._ping_s = ping_s
        self._queue: deque[tuple[int, bytes]] = deque()  # first byte and payload of each frame
        self._filled = asyncio.Event()
        self._goodbye: Goodbye | None = None
        self._over = False  # nothing is sent any more, not even what is queued
        self._pumping: asyncio.Task[None] | None = None
        self._heard = self._took_at = time.monotonic()
        self._took = 0.0

    @property
    def fill(self) -> float:
        """How full its queue is, from 0 to 1."""
        return self.waiting / self._limit

    @property
    def appetite(self) -> float:
        """Bytes that it took lately: the more, the longer ago they may be."""
        age = time.monotonic() - self._took_at
        return self._took * math.exp2(-age / _HALF_LIFE_S)

    @property
    def unsent(self) -> int:
        """Bytes that it may not have, as far as can be known here."""
        transport = self._request.transport
        return self.waiting + (0 if transport is None else transport.get_write_buffer_size())

    def facts(self) -> dict[str, object]:
        """What is known of it, for people."""
        return {
            "client": self.number,
            "peer": self.peer,
            "topics": len(self.topics),
            "sent": self.sent,
            "waiting_bytes": self.waiting,
        }

    def send(self, payloads: list[bytes], first: int = TEXT) -> None:
        """Queue frames. If they do not fit any more the client is cut off instead."""
        if self._over or self._goodbye is not None:
            return
        self._queue.extend([(first, payload) for payload in payloads])
        self.waiting += sum(map(len, payloads)) + _FRAME_BYTES * len(payloads)
        self._filled.set()
        if self.waiting > self._limit:
            why = f"too slow: {self.waiting:,} bytes were waiting for it"
            self._cut_off(why, "too slow: the queue is full")

    def close(self, code: int | None, reason: str) -> None:
        """End the connection once the queue is empty; code None: without a Close frame."""
        if self._goodbye is None:
            self._goodbye = Goodbye(code, reason)
            self._filled.set()

    def end(self) -> None:
        """Nothing is sent any more, not even what is queued."""
        self._over = True
        self._queue.clear()
        self.waiting = 0
        if self._pumping is not None:
            self._pumping.cancel()

    def ponged(self) -> None:
        """It is alive."""
        self._heard = time.monotonic()

    async def serve(self, drained: Callable[[], None]) -> None:
        """Write the queue to the socket until the connection is to end; calls ``drained`` after
        each piece. `finish` then ends it."""
        if not self._over:
            self._pumping = asyncio.create_task(self._pump(drained))
            await asyncio.wait([self._pumping])
        self._over = True
        self.waiting = 0

    async def finish(self) -> None:
        """End the connection; from the task that reads from it, and no longer does."""
        transport, goodbye = self._request.transport, self._goodbye
        if transport is None:
            return
        if goodbye is not None and goodbye.code is None and not self.why:
            transport.close()  # what is in its buffer is sent first
            asyncio.get_running_loop().call_later(STUCK_S, transport.abort)
            return
        if goodbye is not None and goodbye.code is not None and not self._websocket.closed:
            # In order it is waited for as long as it may take to read all that was sent.
            patience = GOODBYE_S if self.why else STUCK_S
            with suppress(TimeoutError, ConnectionError, RuntimeError):
                async with asyncio.timeout(patience):
                    await self._websocket.close(code=goodbye.code, message=_cut(goodbye.reason))
        if self.why:
            transport.abort()

    async def ping(self) -> None:
        """Ping for ever, as the venue does; returns where no Pong came for too long."""
        await asyncio.sleep(self._ping_s * uniform(*_FIRST))
        while time.monotonic() - self._heard < self._ping_s * (_PATIENCE + 0.5):
            await self._websocket.ping()
            await asyncio.sleep(self._ping_s)
        self._cut_off(f"it answered no Ping for {self._ping_s * _PATIENCE:.0f} s", "no Pong")

    def _cut_off(self, why: str, told: str) -> None:
        """Send nothing more but a reason."""
        self.why = why
        self._goodbye = Goodbye(WSCloseCode.POLICY_VIOLATION, told)
        self.end()

    async def _pump(self, drained: Callable[[], None]) -> None:
        self._bound()
        try:
            while self._queue or self._goodbye is None:
                await self._filled.wait()
                self._filled.clear()
                while self._queue:
                    async with asyncio.timeout(STUCK_S):
                        await self._write(self._piece())
                    drained()
        except TimeoutError:
            self.why = f"stuck: it took nothing for {STUCK_S:.0f} s"
        except (ConnectionError, RuntimeError):
            self.why = "it is gone"

    def _bound(self) -> None:
        """Keep short what waits behind the queue: the transport's buffer, and the system's, which
        would take megabytes."""
        size = min(self._limit // 4, _SOCKET_BYTES)
        if self._request.transport is not None:
            self._request.transport.set_write_buffer_limits(size)
            sock = self._request.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def _piece(self) -> list[tuple[int, bytes]]:
        """The next frames of the queue, together about as long as a write should be."""
        queue, piece, size = self._queue, [], 0
        while queue and size < _WRITE_BYTES:
            frame = queue.popleft()
            size += len(frame[1]) + _FRAME_BYTES
            piece.append(frame)
        self.waiting -= size
        self.sent += len(piece)
        self._took, self._took_at = self.appetite + size, time.monotonic()
        return piece

    async def _write(self, piece: list[tuple[int, bytes]]) -> None:
        if self._websocket.compress:
            for first, payload in piece:
                kind = WSMsgType.TEXT if first == TEXT else WSMsgType.BINARY
                await self._websocket.send_frame(payload, kind)
            return
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        transport.write(b"".join([plain(first, payload) for first, payload in piece]))
        await self._request.writer.drain()


def _cut(reason: str) -> bytes:
    """A reason as it fits into a Close frame (RFC 6455 section 5.5)."""
    return reason.encode()[:123].decode(errors="ignore").encode()


def plain(first: int, payload: bytes) -> bytes:
    """One whole unmasked, uncompressed frame (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload
