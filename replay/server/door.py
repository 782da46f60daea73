"""One port that speaks websocket, REST and control, over aiohttp."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from replay.server.audience import Audience
from replay.server.client import PING_S, QUEUE_BYTES, STUCK_S, Client
from replay.server.log import Facts
from replay.server.replies import NO_PATH, Reply, as_text
from replay.server.requests import MOST_NAMES, answer
from replay.server.rest import ENDPOINTS

CONTROL = "/control"
REST_PREFIX = "/api/"
LARGEST_REQUEST = 64 << 10  # bytes of a body of HTTP
LARGEST_MESSAGE = 128 << 10  # bytes of a websocket message: some thousand topics
_METHOD = as_text("method not allowed", 405)
CLOSING_S = 3.0  # for the last goodbyes
_BACKLOG = 128


class House(Protocol):
    """What is behind the door."""

    async def rest(self, target: str) -> Reply:
        """The reply to a GET of a path with its query."""

    async def command(self, body: bytes | None) -> Reply:
        """Carry out a command; None: just tell."""

    def subscribed(self, topics: list[str]) -> None:
        """Somebody is subscribed to these now."""

    def unsubscribed(self) -> None:
        """Somebody is subscribed to less."""

    def say(self, event: str, facts: Facts) -> None:
        """Write to the log."""


class Door:
    """Takes connections.

    port: where it listens, once `open`.
    """

    def __init__(
        self,
        house: House,
        audience: Audience,
        recorded: Collection[str],
        queue: int = QUEUE_BYTES,
        ping_s: float = PING_S,
    ) -> None:
        self._house = house
        self._audience = audience
        self._recorded = recorded
        self._queue = queue
        self._ping_s = ping_s
        self._numbers = 0
        self._handlers: set[asyncio.Task[Any]] = set()
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_route("*", "/{path:.*}", self._enter)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=1.0,
            handler_cancellation=True,
            logger=_logger(),
        )

    async def open(self, host: str, port: int) -> int:
        """Listen; the port. Raises OSError where that cannot be."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=_BACKLOG)
        await site.start()
        server = site._server
        assert isinstance(server, asyncio.Server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Say goodbye to all and listen no more."""
        self._audience.close(WSCloseCode.GOING_AWAY, "the server ends")
        await self.gone(CLOSING_S)
        await self._runner.cleanup()

    async def gone(self, patience_s: float) -> None:
        """Wait until all connections have ended, for so long at most."""
        if self._handlers:
            await asyncio.wait(self._handlers, timeout=patience_s)

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        if request.path == CONTROL:
            return await self._control(request)
        if request.method == "GET" and _is_upgrade(request):
            return await self._websocket(request) if request.path == "/" else _response(NO_PATH)
        if not request.path.startswith(REST_PREFIX):
            return _response(NO_PATH)
        if request.method != "GET":
            return _response(_METHOD if request.path in ENDPOINTS else NO_PATH)
        return _response(await self._house.rest(request.raw_path))

    async def _control(self, request: web.Request) -> web.Response:
        if request.headers.get("Origin") or not _is_address(request.host):
            return _response(as_text("no page of a browser may do this", 403))
        if request.method == "GET":
            return _response(await self._house.command(None))
        if request.method == "POST":
            return _response(await self._commanded(request))
        return _response(_METHOD)

    async def _commanded(self, request: web.Request) -> Reply:
        try:
            body = await request.read()
        except (ConnectionError, RequestPayloadError) as error:
            return as_text(f"the body cannot be read: {error}", 400)
        return await self._house.command(body)

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        websocket = web.WebSocketResponse(
            timeout=STUCK_S, autoping=False, max_msg_size=LARGEST_MESSAGE
        )
        try:
            await websocket.prepare(request)
        except ValueError as error:  # a key that is no base64
            return _response(as_text(f"no handshake: {error}", 400))
        self._numbers += 1
        client = Client(self._numbers, request, websocket, self._queue, self._ping_s)
        self._audience.enter(client)
        self._house.say("connected", {"client": client.number, "peer": client.peer})
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers.add(handler)
        try:
            await self._attend(client, websocket)
        finally:
            client.end()
            self._audience.leave(client)
            self._house.unsubscribed()
            self._handlers.discard(handler)
            facts: dict[str, object] = {"client": client.number, "sent": client.sent}
            self._house.say("disconnected", facts | ({"why": client.why} if client.why else {}))
        return websocket

    async def _attend(self, client: Client, websocket: web.WebSocketResponse) -> None:
        """Until the client goes, or is to go; then say goodbye."""
        pinging = asyncio.create_task(_quietly(client.ping))
        listening = asyncio.create_task(self._listen(client, websocket))
        serving = asyncio.create_task(client.serve(self._audience.drained))
        try:
            await asyncio.wait([listening, serving], return_when=asyncio.FIRST_COMPLETED)
            self._audience.leave(client)
            if listening.done():
                listening.result()
                return
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await client.finish()
        finally:
            client.end()
            for task in (pinging, listening, serving):
                task.cancel()

    async def _listen(self, client: Client, websocket: web.WebSocketResponse) -> None:
        """Until the connection ends."""
        async for message in websocket:
            if message.type is WSMsgType.PING:
                with suppress(ConnectionError, RuntimeError):
                    await websocket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                client.ponged()
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._take(client, message.data)
            await asyncio.sleep(0)  # who says much holds up nobody

    def _take(self, client: Client, text: str | bytes) -> None:
        """Carry out a client's text; success is answered by nothing (protocol section 1)."""
        verdict = answer(text, self._recorded)
        if verdict.remove:
            self._audience.unsubscribe(client, verdict.remove)
            self._house.unsubscribed()
        if len(client.topics.union(verdict.add)) > MOST_NAMES:
            client.close(WSCloseCode.POLICY_VIOLATION, f"more than {MOST_NAMES:,} topics")
            return
        if verdict.add:
            self._house.subscribed(self._audience.subscribe(client, verdict.add))
        if verdict.errors:
            client.send([error.encode() for error in verdict.errors])


class _NotOurs(logging.Filter):
    """What is no HTTP is answered with 400, who goes is gone: there is nothing to tell anybody."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | ConnectionError | RequestPayloadError)


def _logger() -> logging.Logger:
    logger = logging.getLogger("replay.server")
    if not logger.filters:
        logger.addFilter(_NotOurs())
    return logger


def _is_address(host: str) -> bool:
    """Whether we are called by number or as localhost, and not by a name that was made to lead
    here (a browser says which)."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name in ("", "localhost"):
        return True
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _is_upgrade(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _response(reply: Reply) -> web.Response:
    kind = {"Content-Type": reply.content_type} if reply.content_type else {}
    return web.Response(status=reply.status, body=reply.body, headers=kind)


async def _quietly(act: Callable[[], Awaitable[None]]) -> None:
    with suppress(ConnectionError, RuntimeError):
        await act()
