"""All clients together: who wants what, and giving it to them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from replay.server.client import BINARY, TEXT, Client

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
        self._drained: asyncio.Future[None] | None = None

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
        """Those topics that the client did not have."""
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

    def close(self, code: int, reason: str) -> None:
        """Close all connections in order, what is queued first; they are no longer counted."""
        for client in list(self.clients):
            client.close(code, reason)
            self.leave(client)

    def cut(self, why: str) -> None:
        """Cut all connections without a Close frame."""
        for client in list(self.clients):
            client.cut(why)
            self.leave(client)

    def drained(self) -> None:
        """A queue has become shorter."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def room(self) -> None:
        """Wait until the client that is furthest ahead has room for more: nobody is slowed down
        by another who is slower."""
        await asyncio.sleep(0)
        while self.clients and min(client.fill for client in self.clients) > 0.5:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    async def empty(self) -> None:
        """Wait until all that is queued was handed to the sockets."""
        while any(client.waiting for client in self.clients):
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def _forget(self, client: Client, topics: list[str]) -> None:
        client.topics.difference_update(topics)
        self.wanted.subtract(topics)
        for topic in topics:
            if not self.wanted[topic]:
                del self.wanted[topic]
