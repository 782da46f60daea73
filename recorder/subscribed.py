"""The topics to subscribe, on all connections alike; `recorder.subscriptions` does one of them."""

import asyncio
from collections.abc import Iterable, Sequence

from recorder.accounts import Accounts
from recorder.intake import Intake
from recorder.subscriptions import Subscriptions, Wish


class Subscribed:
    """Topics wanted, in order. They may change at any time; every connection hears of it."""

    def __init__(self, topics: Iterable[str], intake: Intake, accounts: Accounts) -> None:
        self._wish = Wish(topics)
        self._intake = intake
        self._accounts = accounts
        self._each: list[Subscriptions] = []

    @property
    def topics(self) -> tuple[str, ...]:
        """What is wanted now."""
        return tuple(self._wish.wanted)

    def join(self) -> Subscriptions:
        """For one more link."""
        one = Subscriptions(self._wish, self._intake, self._accounts.join())
        self._each.append(one)
        return one

    def leave(self, one: Subscriptions) -> None:
        """Its link is no more."""
        self._each.remove(one)
        self._accounts.leave(one.account)

    async def add(self, names: Iterable[str]) -> list[str]:
        """Want these too; returns those that were not wanted yet. Without a connection the next one
        gets them. Those of an account are asked for in the background."""
        wanted = self._wish.wanted
        new = [name for name in dict.fromkeys(names) if name not in wanted]
        wanted.update(dict.fromkeys(new))
        await self._update()
        return new

    async def remove(self, names: Iterable[str]) -> list[str]:
        """Want these no more; returns those that were wanted."""
        wanted = self._wish.wanted
        old = [name for name in dict.fromkeys(names) if name in wanted]
        for name in old:
            del wanted[name]
        await self._update()
        return old

    async def again(self, names: Sequence[str]) -> None:
        """Ask for these once more on every connection, as far as they are wanted and public."""
        wanted = [name for name in names if name in self._wish.wanted]
        await asyncio.gather(*(one.again(wanted) for one in self._each))

    async def _update(self) -> None:
        """On all connections at once, as none should wait for another that has stalled."""
        await asyncio.gather(*(one.update() for one in self._each))
