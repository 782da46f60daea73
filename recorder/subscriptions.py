"""What is subscribed: the topics wanted, and the requests that tell the venue so."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import groupby

import msgspec
from websockets.exceptions import ConnectionClosed

from recorder.account import Account
from recorder.connection import TapConnection
from recorder.intake import Intake
from schemas.frames import Kind
from schemas.requests import SUBSCRIBE, UNSUBSCRIBE
from schemas.topics import Topic, is_private

BATCH = 100  # names in one SUBSCRIBE; 91 were seen to work (section 1)


class Subscriptions:
    """Topics wanted, in order. They may change at any time; a new connection gets all of them.

    Every request is on the tape before it is on the wire, so that replay follows. Topics of an
    account are handed on to `Account`, which asks for each by itself, after the public ones.
    """

    def __init__(self, topics: Iterable[str], intake: Intake, account: Account) -> None:
        self._wanted = dict.fromkeys(topics)
        self._intake = intake
        self._account = account
        self._connection: TapConnection | None = None
        self._conn = 0
        self._told: dict[str, None] = {}  # what is subscribed by what is on the tape
        self._turn = asyncio.Lock()  # requests go out in the order in which they were made

    @property
    def topics(self) -> tuple[str, ...]:
        """What is wanted now."""
        return tuple(self._wanted)

    async def begin(self, connection: TapConnection, conn: int) -> None:
        """A connection is up; raises ConnectionClosed where it is not any more."""
        async with self._turn:
            self._connection, self._conn = connection, conn
            # Without a connection nobody could be told, and the engine still waits for these.
            for names in batches([name for name in self._told if name not in self._wanted]):
                await self._send(UNSUBSCRIBE, names)
            for names in batches(self._public(self.topics)):
                await self._send(SUBSCRIBE, names)
            self._account.want(self._private())
            self._account.begin(connection, conn)

    def end(self) -> None:
        """The connection is gone; the next one begins anew."""
        self._connection = None
        self._account.end()

    async def add(self, names: Iterable[str]) -> list[str]:
        """Want these too; returns those that were not wanted yet. Without a connection the next one
        gets them. Those of an account are asked for in the background."""
        async with self._turn:
            new = [name for name in dict.fromkeys(names) if name not in self._wanted]
            self._wanted.update(dict.fromkeys(new))
            await self._tell(SUBSCRIBE, new)
        return new

    async def remove(self, names: Iterable[str]) -> list[str]:
        """Want these no more; returns those that were wanted."""
        async with self._turn:
            old = [name for name in dict.fromkeys(names) if name in self._wanted]
            for name in old:
                del self._wanted[name]
            await self._tell(UNSUBSCRIBE, old)
        return old

    async def again(self, names: Iterable[str]) -> None:
        """Ask for these once more, those of them that are wanted, public, and were asked for."""
        async with self._turn:
            wanted = [name for name in names if name in self._wanted and name in self._told]
            with suppress(ConnectionClosed):  # as in `_tell`
                for batch in batches(self._public(wanted)):
                    await self._send(SUBSCRIBE, batch)

    def _private(self) -> list[str]:
        return [name for name in self._wanted if is_private(name)]

    def _public(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if not is_private(name)]

    async def _tell(self, method: str, names: Sequence[str]) -> None:
        self._account.want(self._private())
        try:
            for batch in batches(self._public(names)):
                await self._send(method, batch)
        except ConnectionClosed:
            pass  # whoever keeps it up sees that too, and begins the next one with what is wanted

    async def _send(self, method: str, names: Sequence[str]) -> None:
        connection = self._connection
        if connection is None:
            return
        text = msgspec.json.encode({"method": method, "params": names})
        self._intake.take(Kind.SENT, text, conn=self._conn)
        for name in names:
            self._told.pop(name, None)
        if method == SUBSCRIBE:
            self._told.update(dict.fromkeys(names))
        await connection.send(text, text=True)


def batches(topics: Sequence[str]) -> list[list[str]]:
    """Topics in requests of one kind each, since nobody knows what the venue does with the
    good names of a batch that holds a bad one (section 1)."""
    ordered = sorted(topics, key=_kind)
    result = []
    for _, group in groupby(ordered, key=_kind):
        names = list(group)
        result += [names[i : i + BATCH] for i in range(0, len(names), BATCH)]
    return result


def _kind(name: str) -> tuple[str, str, bool]:
    """Channel, throttle or interval, and whether it is about one market: any may be unknown to
    the venue by now."""
    topic = Topic.parse(name)
    return topic.channel, topic.variant, bool(topic.symbol)
