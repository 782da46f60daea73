"""The venue: one port on 127.0.0.1 that speaks websocket and REST, driven by a script."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response

from tests.venue.accounts import VenueClock
from tests.venue.actor import Actor
from tests.venue.catalogue import Listing, markets_body
from tests.venue.feed import Feed
from tests.venue.link import Cue, Link, Sent
from tests.venue.options import Books, Options, Received
from tests.venue.past_trades import PastTrades
from tests.venue.reel import Reel
from tests.venue.rest import DOOR, Fault, Faults, Reply, Rest, http_response
from tests.venue.script import Step
from tests.venue.shadow_book import Truth
from tests.venue.topics import answer, symbol_of


class Venue:
    """An imitation of the exchange on real sockets.

    `async with Venue(script, snapshots=..., markets=...) as venue:` serves until the block ends.
    Logs: `sent`, `received`, `requests` (REST targets, query included), `connections` (every
    connection so far), `counts` (frames delivered per topic). With a market list given, topics of
    unknown and closed markets get silence and no data; without one any symbol streams. An error in
    the script is raised by `finished()` and when the block ends.
    """

    def __init__(
        self,
        script: Sequence[Step] = (),
        *,
        snapshots: Mapping[str, str] | None = None,
        markets: str | None = None,
        options: Options | None = None,
    ) -> None:
        self.options = options or Options()
        self.sent: list[Sent] = []
        self.received: list[Received] = []
        self.requests: list[str] = []
        self.connections: list[Link] = []
        self.counts: Counter[str] = Counter()
        books = Books(snapshots or {}, markets)
        self.truth = Truth(dict(books.snapshots))
        self.clock = VenueClock(self.options.clock_ahead_ms)
        self._rest = Rest(self.truth, books.market_list(), self.clock)
        self._strict = markets is not None
        self._actor = Actor(self, script)
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._reels: dict[int, Reel] = {}
        self._port = 0

    @classmethod
    def of_feed(cls, feed: Feed, script: Sequence[Step], options: Options | None = None) -> Self:
        """A venue with the market list and the books a feed begins with."""
        return cls(script, snapshots=feed.snapshots, markets=feed.markets, options=options)

    @property
    def ws_url(self) -> str:
        """Where the websocket is."""
        return f"ws://127.0.0.1:{self._port}"

    @property
    def rest_url(self) -> str:
        """Where REST is, without a trailing slash."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def faults(self) -> Faults:
        """The queue of REST faults."""
        return self._rest.faults

    @property
    def trades(self) -> PastTrades:
        """Those that REST tells of."""
        return self._rest.trades

    def relist(self, *listings: Listing) -> None:
        """From here on these are the markets."""
        self._rest.relist(markets_body(listings))

    async def __aenter__(self) -> Self:
        self._server: Server = await serve(
            self._handle,
            "127.0.0.1",
            self.options.port,
            process_request=self._process_request,
            compression="deflate" if self.options.deflate else None,
            ping_interval=None,
            open_timeout=None,
            close_timeout=0.5,
            write_limit=1 << 20,
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        self._task = asyncio.create_task(self._actor.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        failed = self._task.done() and not self._task.cancelled() and self._task.exception()
        self._task.cancel()
        for link in self.connections:
            if link.stalled:
                link.cut()
        self._server.close()
        await self._server.wait_closed()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._task
        if failed and error is None:
            raise failed

    async def finished(self) -> None:
        """Wait until the script is at its end; raises what went wrong in it."""
        await asyncio.shield(self._task)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something about connections, topics or requests makes this true."""
        if not true():
            waiter = (true, asyncio.get_running_loop().create_future())
            self._waiters.append(waiter)
            await waiter[1]

    def reel(self, feed: Feed) -> Reel:
        """The rounds of a feed, built once."""
        if id(feed) not in self._reels:
            self._reels[id(feed)] = Reel(feed)
        return self._reels[id(feed)]

    def post(self, cues: Sequence[Cue], *, lost: bool = False, only: Link | None = None) -> None:
        """Advance the books by these frames and, unless lost, write them to the subscribers."""
        for cue in cues:
            if cue.book is not None:
                self.truth.note(cue.book, cue.text)
            self.trades.note(cue)
        if not lost:
            self.deliver(cues, only)

    def deliver(self, cues: Sequence[Cue], only: Link | None = None) -> None:
        """Write frames to the subscribers; the books are left alone."""
        for link in [only] if only else self.connections:
            mine = [cue for cue in cues if cue.topic in link.topics] if link.hears() else []
            if mine := link.instance.spread(mine):
                link.write(cue.text for cue in mine)
                self.counts.update(cue.topic for cue in mine)
                self._log(link, [cue.text for cue in mine])

    def force(self, frame: str | bytes, only: Link | None = None) -> None:
        """Write one frame to every open connection (or one), subscribed or not."""
        for link in [only] if only else self.connections:
            if link.hears():
                link.write([frame])
                self._log(link, [frame])

    def utter(self, payload: bytes) -> None:
        """Write a text message of any bytes, UTF-8 or not, to every open connection."""
        for link in self.connections:
            if link.hears():
                link.write_raw(Frame(Opcode.TEXT, payload))
                self._log(link, [payload])

    async def drain(self) -> None:
        """Wait until every socket takes more, and let the venue read what came meanwhile."""
        await asyncio.sleep(0)
        for link in self.connections:
            await link.drain()

    def _log(self, link: Link, frames: Sequence[str | bytes]) -> None:
        if self.options.log:
            self.sent.extend(Sent(link.number, frame) for frame in frames)
        if self.options.sink is not None:
            for frame in frames:
                self.options.sink(Sent(link.number, frame))

    def changed(self) -> None:
        """Wake what waits in `until` for a thing that is now true.

        Judged here and not when the waiter runs: a subscription may be gone again by then.
        """
        for waiter in list(self._waiters):
            true, woken = waiter
            if woken.done() or true():
                self._waiters.remove(waiter)
                if not woken.done():
                    woken.set_result(None)

    async def _handle(self, connection: ServerConnection) -> None:
        number = len(self.connections) + 1
        link = Link(connection, number, *self.options.instances[number - 1 : number])
        self.connections.append(link)
        self.changed()
        own = [
            asyncio.create_task(Actor(self, self.options.on_connect, link).run()),
            asyncio.create_task(self._ping(link)),
        ]
        try:
            with contextlib.suppress(ConnectionClosed):
                async for text in connection:
                    self._take(link, text)
        finally:
            link.open = False
            self.changed()
            for task in own:
                task.cancel()

    async def _ping(self, link: Link) -> None:
        while self.options.ping_interval is not None:
            await asyncio.sleep(self.options.ping_interval)
            if link.hears():
                with contextlib.suppress(ConnectionClosed):
                    await link.connection.ping()

    def _take(self, link: Link, text: str | bytes) -> None:
        """Carry out a client's text; success is answered by nothing (protocol section 1)."""
        self.received.append(Received(link.number, text))
        verdict = answer(text)
        if self.options.accounts is not None:
            verdict = self.options.accounts.judge(text, verdict, self.clock.now_ms())
        link.topics.update(topic for topic in verdict.add if self._streams(topic))
        link.topics.difference_update(verdict.remove)
        for error in verdict.errors:
            self.force(error, link)
        self.changed()

    def _streams(self, topic: str) -> bool:
        symbol = symbol_of(topic)
        return not self._strict or symbol is None or self._rest.streams(symbol)

    async def _process_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._at_the_door(connection)
        self.requests.append(request.path)
        pending = asyncio.ensure_future(self._rest.reply(request.path))
        await asyncio.sleep(0)  # the reply is made before the script may go on
        self.changed()
        reply = await pending
        if reply is None:
            connection.transport.abort()
            await asyncio.wait([connection.connection_lost_waiter])
            return None
        return http_response(reply)

    async def _at_the_door(self, connection: ServerConnection) -> Response | None:
        """The handshake of a websocket, whose faults are queued under `DOOR`."""
        fault = self.faults.take(DOOR) or Fault()
        await asyncio.sleep(fault.delay)
        if fault.drop:
            connection.transport.abort()
            await asyncio.wait([connection.connection_lost_waiter])
        if fault.status is None:
            return None
        return http_response(Reply(fault.status, fault.body or "", headers=fault.headers))
