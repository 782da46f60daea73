"""Keeps one websocket connection up: dial, subscribe, wait for its end, dial again."""

import asyncio
from collections.abc import Callable
from random import uniform

import msgspec
from websockets.exceptions import ConnectionClosed

from recorder.connection import TapConnection, dial
from recorder.intake import Intake
from recorder.messages import Level, Message
from recorder.settings import Settings
from recorder.stamp import Stamp
from recorder.subscriptions import Subscriptions
from schemas.errors import VenueError
from schemas.frames import ConnectionClosed as Closed
from schemas.frames import ConnectionOpened, Kind, to_json

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STEADY_S = 60.0  # a connection that held this long starts again with short delays
NO_CLOSE_FRAME = 1006
FIRST_TRIES = 3  # then a venue that never answered is given up

Notice = Callable[[str], None]


class Link:
    """One connection after another, each an epoch with a number of its own.

    conn: number of the newest, 0 before the first.
    trouble: why the last dialling failed; None after one that did not.
    connection: the one that is up, once it was dialled.
    """

    def __init__(
        self, settings: Settings, subscriptions: Subscriptions, intake: Intake, notice: Notice
    ) -> None:
        self._url = settings.ws_url
        self._patience = settings.patience
        self._clock = intake.clock
        self._subscriptions = subscriptions
        self._intake = intake
        self._notice = notice
        self._failures = 0
        self._open = False
        self.conn = 0
        self.trouble: VenueError | None = None
        self.connection: TapConnection | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._open

    async def run(self) -> None:
        """Until cancelled; raises VenueError where the venue was never reached."""
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await self._connection()
            except VenueError as error:
                if self.conn == 0 and self._failures + 1 >= FIRST_TRIES:
                    raise
                self.trouble = error
                self._notice(Message(str(error), "no_connection", Level.WARNING))
            if asyncio.get_running_loop().time() - started > STEADY_S:
                self._failures = 0
            await asyncio.sleep(self._delay())

    def _delay(self) -> float:
        """Longer each time, and never the same for two recorders cut off together."""
        longest = min(FIRST_DELAY_S * 2**self._failures, LONGEST_DELAY_S)
        self._failures = min(self._failures + 1, 16)
        return uniform(longest / 2, longest)

    async def _connection(self) -> None:
        try:
            connection = await dial(self._url, self._message, self._patience, self._clock)
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
            await self._subscriptions.begin(connection, self.conn)
            await connection.wait_closed()
        except ConnectionClosed:
            pass  # while subscribing; told below
        except asyncio.CancelledError:
            stopped = True
            raise
        finally:
            self._subscriptions.end()
            await connection.close()
            self._closed(connection.end, stopped)

    def _message(self, kind: Kind, payload: bytes, stamp: Stamp) -> None:
        self._opened()  # a venue may speak before the dialling has returned
        self._intake.take(kind, payload, conn=self.conn, stamp=stamp)

    def _opened(self) -> None:
        if not self._open:
            self._open = True
            self.trouble = None
            self.conn += 1
            opened = ConnectionOpened(self._url)
            self._intake.take(Kind.OPEN, to_json(opened), conn=self.conn)

    def _closed(self, end: Closed, stopped: bool) -> None:
        self._open = False
        self.connection = None
        end = msgspec.structs.replace(end, stopped=stopped)
        self._intake.take(Kind.CLOSE, to_json(end), conn=self.conn)
        why = f"{end.code}: {end.reason}" if end.reason else f"{end.code}"
        text, level = f"connection {self.conn} closed ({why})", Level.WARNING
        if stopped:
            level = Level.INFO
        facts = {"conn": self.conn, "code": end.code, "reason": end.reason}
        self._notice(Message(text, "connection_closed", level, **facts))
