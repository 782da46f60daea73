"""A `Link` keeps one websocket connection up: dial, subscribe, wait for its end, dial again."""

import asyncio
from collections.abc import Callable
from random import uniform
from typing import NamedTuple

import msgspec
from websockets.exceptions import ConnectionClosed

from recorder.account import Behind
from recorder.connection import TapConnection, answered, dial
from recorder.folding import Folding
from recorder.messages import Level, Message
from recorder.settings import Patience, Settings
from recorder.stamp import Stamp
from recorder.subscriptions import Subscriptions
from schemas.errors import VenueError
from schemas.frames import ConnectionClosed as Closed
from schemas.frames import ConnectionOpened, Kind, to_json

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STEADY_S = 60.0  # a connection that held this long starts again with short delays
NO_CLOSE_FRAME = 1006
LONGEST_REASON = 123  # bytes in a Close frame (RFC 6455 section 5.5)
FIRST_TRIES = 3  # then a venue that never answered is given up

Notice = Callable[[str], None]


class ConnectionNumbers:
    """Numbers connections, over all links. newest: 0 before the first."""

    def __init__(self) -> None:
        self.newest = 0

    def take(self) -> int:
        """The next number."""
        self.newest += 1
        return self.newest


class LinkContext(NamedTuple):
    """What all links of a recording share. folding: where their messages go."""

    settings: Settings
    folding: Folding
    notice: Notice
    numbers: ConnectionNumbers


class Link:
    """A sequence of connections, one at a time, each with a number of its own.

    place: this link's position among the links, from 1.
    conn: number of its newest connection, 0 before the first.
    trouble: why the last dialling failed; None if it succeeded.
    connection: the open one, if any.
    frames: messages that came here first, including those shed. copies: those another link had
        brought before.
    tried: set when the first dialling has succeeded or failed. heard: set at the first message.
    """

    def __init__(self, place: int, subscriptions: Subscriptions, context: LinkContext) -> None:
        self._context = context
        self.subscriptions = subscriptions
        self._intake = context.folding.intake
        self._take = context.folding.take
        self._failures = 0
        self._open = False
        self.place = place
        self.conn = 0
        self.trouble: VenueError | None = None
        self.connection: TapConnection | None = None
        self.frames = self.copies = 0
        self.tried, self.heard, self._subscribed = (asyncio.Event() for _ in range(3))

    @property
    def patience(self) -> Patience:
        """How long the venue is waited for."""
        return self._context.settings.patience

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._open

    async def run(self, behind: Behind) -> None:
        """Until cancelled; raises VenueError where the venue was never reached, by no link. behind:
        see `Account.run`."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.subscriptions.run(behind))
                tasks.create_task(self._dialling())
        finally:
            self.subscriptions.close()

    async def hang_up(self, why: str) -> None:
        """End the connection that is up, if any, and dial again."""
        if self.connection is not None:
            reason = why.encode()[:LONGEST_REASON].decode(errors="ignore")
            await self.connection.close(reason=reason)

    async def settled(self) -> None:
        """Wait until all that is wanted was asked for, and the venue had the time to read that;
        raises ConnectionClosed."""
        await self._subscribed.wait()
        if self.connection is not None:
            await answered(self.connection)
            await self.subscriptions.account.settled()

    def follow(self, old: "Link") -> None:
        """Continue the counts of the link that this one replaces."""
        self.frames += old.frames
        self.copies += old.copies

    async def _dialling(self) -> None:
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await self._connection()
            except VenueError as error:
                if self._context.numbers.newest == 0 and self._failures + 1 >= FIRST_TRIES:
                    raise
                self.trouble = error
                self._context.notice(Message(str(error), "no_connection", Level.WARNING))
                self.tried.set()
            if asyncio.get_running_loop().time() - started > STEADY_S:
                self._failures = 0
            await asyncio.sleep(self._delay())

    def _delay(self) -> float:
        """Longer each time, and never the same for two recorders cut off together."""
        longest = min(FIRST_DELAY_S * 2**self._failures, LONGEST_DELAY_S)
        self._failures = min(self._failures + 1, 16)
        return uniform(longest / 2, longest)

    async def _connection(self) -> None:
        settings, clock = self._context.settings, self._intake.clock
        try:
            connection = await dial(settings.ws_url, self._message, settings.patience, clock)
        except (VenueError, asyncio.CancelledError) as error:
            if self._open:  # it spoke, and then the dialling failed all the same, or was given up
                stopped = isinstance(error, asyncio.CancelledError)
                self._closed(Closed(NO_CLOSE_FRAME, str(error)), stopped)
            raise
        stopped = False
        try:
            self.connection = connection
            connection.backlog = self._intake.backlog
            self._opened()
            await self.subscriptions.begin(connection, self.conn)
            self._subscribed.set()
            await connection.wait_closed()
        except ConnectionClosed:
            pass  # while subscribing; told below
        except asyncio.CancelledError:
            stopped = True
            raise
        finally:
            self.subscriptions.end()
            await connection.close()
            self._closed(connection.end, stopped)

    def _message(self, kind: Kind, payload: bytes, stamp: Stamp) -> None:
        self._opened()  # a venue may speak before the dialling has returned
        if self._take(kind, payload, self.conn, stamp):
            self.copies += 1
        else:
            self.frames += 1
        if not self.heard.is_set():
            self.heard.set()

    def _opened(self) -> None:
        if not self._open:
            self._open = True
            self.trouble = None
            self.conn = self._context.numbers.take()
            opened = ConnectionOpened(self._context.settings.ws_url)
            self._intake.take(Kind.OPEN, to_json(opened), conn=self.conn)
            self.tried.set()

    def _closed(self, end: Closed, stopped: bool) -> None:
        self._open = False
        self.connection = None
        end = msgspec.structs.replace(end, stopped=stopped)
        self._context.folding.note()
        self._intake.take(Kind.CLOSE, to_json(end), conn=self.conn)
        self._subscribed.clear()
        why = f"{end.code}: {end.reason}" if end.reason else f"{end.code}"
        text, level = f"connection {self.conn} closed ({why})", Level.WARNING
        if stopped:
            level = Level.INFO
        facts = {"conn": self.conn, "code": end.code, "reason": end.reason}
        self._context.notice(Message(text, "connection_closed", level, **facts))
