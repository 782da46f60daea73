"""Brings the subscriptions of one connection in line with what is wanted, request by request."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import groupby

import msgspec
from websockets.exceptions import ConnectionClosed

from recorder.account import Account, Behind
from recorder.connection import TapConnection
from recorder.intake import Intake
from schemas.frames import Kind
from schemas.requests import SUBSCRIBE, UNSUBSCRIBE
from schemas.topics import Topic, is_private

BATCH = 100  # names in one SUBSCRIBE; 91 were seen to work (section 1)


class Wish:
    """wanted: topics, in order, on every connection. told: what is subscribed by what is on the
    tape, on any."""

    def __init__(self, topics: Iterable[str]) -> None:
        self.wanted = dict.fromkeys(topics)
        self.told: dict[str, None] = {}


class Subscriptions:
    """Of one connection after another. What is wanted may change at any time; a new connection gets
    all of it.

    Every request is on the tape before it is on the wire, so that replay follows. Topics of an
    account are handed on to `Account`, which asks for each by itself, after the public ones.
    """

    def __init__(self, wish: Wish, intake: Intake, account: Account) -> None:
        self._wish = wish
        self._intake = intake
        self.account = account
        self._connection: TapConnection | None = None
        self._conn = 0
        self._asked: dict[str, None] = {}  # on this connection
        self._turn = asyncio.Lock()  # requests go out in the order in which they were made

    async def run(self, behind: Behind) -> None:
        """Ask for the topics of an account until cancelled."""
        await self.account.run(behind)

    def close(self) -> None:
        """No connection will begin any more."""
        self.account.close()

    async def begin(self, connection: TapConnection, conn: int) -> None:
        """A connection is up; raises ConnectionClosed where it is not any more."""
        async with self._turn:
            self._connection, self._conn = connection, conn
            # Without a connection nobody could be told, and the engine still waits for these; those
            # of the connection before may have been told on all others but on that.
            wish = self._wish
            known = dict.fromkeys((*wish.told, *self._asked))
            self._asked.clear()
            for names in batches([name for name in known if name not in wish.wanted]):
                await self._send(UNSUBSCRIBE, names)
            await self._catch_up()
            self.account.want(name for name in wish.wanted if is_private(name))
            self.account.begin(connection, conn)

    def end(self) -> None:
        """The connection is gone; the next one begins anew."""
        self._connection = None
        self.account.end()

    async def update(self) -> None:
        """What is wanted has changed. Without a connection the next one gets it; topics of an
        account are asked for in the background."""
        async with self._turn:
            self.account.want(name for name in self._wish.wanted if is_private(name))
            with suppress(ConnectionClosed):  # who keeps it up sees that too, and begins the next
                await self._catch_up()

    async def again(self, names: Sequence[str]) -> None:
        """Ask for these once more, those of them that were asked for here and are public."""
        async with self._turn:
            with suppress(ConnectionClosed):  # as above
                for batch in batches([name for name in names if name in self._asked]):
                    await self._send(SUBSCRIBE, batch)

    async def _catch_up(self) -> None:
        wanted, asked = self._wish.wanted, self._asked
        for names in batches([name for name in asked if name not in wanted]):
            await self._send(UNSUBSCRIBE, names)
        for names in batches([n for n in wanted if n not in asked and not is_private(n)]):
            await self._send(SUBSCRIBE, names)

    async def _send(self, method: str, names: Sequence[str]) -> None:
        connection = self._connection
        if connection is None:
            return
        text = msgspec.json.encode({"method": method, "params": names})
        self._intake.take(Kind.SENT, text, conn=self._conn)
        for known in (self._asked, self._wish.told):
            for name in names:
                known.pop(name, None)
            if method == SUBSCRIBE:
                known.update(dict.fromkeys(names))
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
