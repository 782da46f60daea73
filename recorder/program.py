"""What is recorded: the topics that names and patterns match by now, unless paused."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import groupby

from recorder.catalogue import Catalogue
from recorder.messages import Message
from recorder.subscribed import Subscribed
from recorder.wanted import Wanted
from schemas.topics import Topic

Notice = Callable[[str], None]


class Program:
    """Keeps what is subscribed at what is to be; each change is taped as it is sent.

    forget: called with markets of which no depth topic is subscribed any more.
    """

    def __init__(
        self, wanted: Wanted, catalogue: Catalogue, subscriptions: Subscribed, notice: Notice
    ) -> None:
        self.paused = False
        self.forget: Callable[[str], None] = lambda symbol: None
        self._wanted = wanted
        self._catalogue = catalogue
        self._subscriptions = subscriptions
        self._notice = notice
        self._turn = asyncio.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """What is to be recorded; while paused, what will be."""
        return self._wanted.names(self._catalogue)

    async def subscribe(self, texts: Iterable[str]) -> list[str]:
        """Record these too; the topics that are new by that. Raises TopicError for what cannot be,
        and then none is."""
        texts = list(texts)
        async with self._turn:
            self._catalogue.resolve(texts)
            before = set(self.names)
            self._wanted.add(texts)
            await self._carry_out()
            return [name for name in self.names if name not in before]

    async def unsubscribe(self, texts: Iterable[str]) -> list[str]:
        """Record these no more, nor, of a pattern, what is listed later; the topics that are gone
        by that. Raises TopicError for what cannot be, and then none is."""
        texts = list(texts)
        async with self._turn:
            before = self.names
            unknown = [t for t in texts if not self._wanted.has(t) and t not in before]
            if unknown or not texts:
                self._catalogue.resolve(unknown)
            self._wanted.drop(texts)
            await self._carry_out()
            after = set(self.names)
            return [name for name in before if name not in after]

    async def give(self, texts: Iterable[str]) -> tuple[list[str], list[str]]:
        """The options ask for these now: topics that are new by that, and those that are gone; all
        others go on. Raises TopicError for what cannot be, and then nothing has changed."""
        texts = list(texts)
        async with self._turn:
            if unknown := [text for text in texts if not self._wanted.has(text)]:
                self._catalogue.resolve(unknown)  # a market that was delisted may be listed again
            before = self.names
            self._wanted.give(texts)
            await self._carry_out()
            after = self.names
        new = [name for name in after if name not in set(before)]
        return new, [name for name in before if name not in set(after)]

    async def relist(self, catalogue: Catalogue) -> None:
        """The market list is another."""
        async with self._turn:
            before, known = self.names, self._catalogue
            self._catalogue = catalogue
            after = self.names
            await self._carry_out()
        done = "(paused)" if self.paused else ""
        for symbol, names in _by_market(after, before):
            why = "open again" if known.lists(symbol) else "listed"
            self._notice(f"{why}: {symbol}: {names} {done or 'subscribed'}")
        for symbol, names in _by_market(before, after):
            why = "closed" if catalogue.lists(symbol) else "delisted"
            self._notice(f"{why}: {symbol}: {names} {done or 'unsubscribed'}")

    async def pause(self) -> None:
        """Unsubscribe everything; the connection stays."""
        await self._set_paused(True)

    async def resume(self) -> None:
        """Subscribe again what is wanted by now."""
        await self._set_paused(False)

    async def _set_paused(self, paused: bool) -> None:
        async with self._turn:
            if paused is not self.paused:
                self.paused = paused
                await self._carry_out()
                text = "paused: nothing is subscribed" if paused else "resumed"
                self._notice(Message(text, "paused" if paused else "resumed"))

    async def _carry_out(self) -> None:
        target = dict.fromkeys(() if self.paused else self.names)
        before = self._subscriptions.topics
        gone = await self._subscriptions.remove(name for name in before if name not in target)
        await self._subscriptions.add(target)
        for symbol in _books(gone) - _books(target):
            self.forget(symbol)


def _books(names: Iterable[str]) -> set[str]:
    """Markets of depth topics."""
    topics = map(Topic.parse, names)
    return {topic.symbol for topic in topics if topic.channel == "depth"}


def _by_market(names: Iterable[str], others: Iterable[str]) -> list[tuple[str, str]]:
    """Markets, each with those of its topics that are not among others."""
    gone = set(others)
    new = sorted((name for name in names if name not in gone), key=_market)
    return [(symbol, ", ".join(group)) for symbol, group in groupby(new, key=_market)]


def _market(name: str) -> str:
    return Topic.parse(name).symbol
