"""All clients together: who wants what, and giving it to them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from replay.server.client import BINARY, TEXT, Client

_ENOUGH = 0.5  # of a queue, which is filled no further where nobody says when frames are due

Outgoing = tuple[str | None, bytes]  # topic (None: for all that listen at all) and payload


class Audience:
    """Clients that are connected.

    wanted: topics that somebody is subscribed to, and how many are.
    changed: called whenever a client or a subscription comes or goes.
    """

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.wanted: Counter[str] = Counter()
        self.changed: Callable[[], None] = lambda: None
        self._waiters: list[asyncio.Future[None]] = []

    def enter(self, client: Client) -> None:
        """A client is there."""
        self.clients.append(client)
        self.changed()

    def leave(self, client: Client) -> None:
        """A client is gone."""
        if client in self.clients:
            self.clients.remove(client)
            self._forget(client, list(client.topics))
            self.drained()
            self.changed()

    def subscribe(self, client: Client, topics: Iterable[str]) -> list[str]:
        """Those topics that the client did not have; none for one that is not here any more."""
        if client not in self.clients:
            return []
        added = [topic for topic in dict.fromkeys(topics) if topic not in client.topics]
        client.topics.update(added)
        self.wanted.update(added)
        self.changed()
        return added

    def unsubscribe(self, client: Client, topics: Iterable[str]) -> None:
        """It wants them no more."""
        self._forget(client, [topic for topic in set(topics) if topic in client.topics])
        self.changed()

    def deliver(self, batch: Sequence[Outgoing], first: int = TEXT) -> None:
        """Queue frames for all who are subscribed to their topic."""
        for client in list(self.clients):
            topics = client.topics
            if topics:
                mine = [p for topic, p in batch if topic in topics or topic is None]
                if mine:
                    client.send(mine, first)

    def deliver_binary(self, payload: bytes) -> None:
        """Queue a binary message for all that listen at all."""
        self.deliver([(None, payload)], BINARY)

    def close(
        self, code: int | None, reason: str, about: Callable[[str], bool] | None = None
    ) -> None:
        """End all connections, or those with topics of a kind, what is queued first; code None:
        without a Close frame. They are no longer counted."""
        for client in list(self.clients):
            if about is None or any(map(about, client.topics)):
                client.close(code, reason)
                self.leave(client)

    def drained(self) -> None:
        """A queue has become shorter."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def room(self) -> None:
        """Wait until the client that takes the most has room for more: it sets the pace, and is
        slowed down by nobody who takes less."""
        await asyncio.sleep(0)
        while self.clients:
            quickest = max(self.clients, key=lambda client: (client.appetite, client.fill))
            if quickest.fill <= _ENOUGH:
                return
            await self._change()

    async def empty(self) -> None:
        """Wait until all that is queued was handed to the sockets."""
        while any(client.waiting for client in self.clients):
            await self._change()

    async def _change(self) -> None:
        """Until a queue becomes shorter, or a client goes."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _forget(self, client: Client, topics: list[str]) -> None:
        client.topics.difference_update(topics)
        self.wanted.subtract(topics)
        for topic in topics:
            if not self.wanted[topic]:
                del self.wanted[topic]
