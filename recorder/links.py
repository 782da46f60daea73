"""`Links`: the connections of a recording (``--connections``), kept up and replaced when dead."""

import asyncio
from contextlib import ExitStack, suppress

from websockets.exceptions import ConnectionClosed

from recorder.account import Behind
from recorder.link import Link, LinkContext
from recorder.messages import Message
from recorder.stalls import Stalls
from recorder.subscribed import Subscribed
from schemas.errors import VenueError


class Links:
    """Runs a `Link` for each connection asked for; `recorder.folding` makes one stream of them.

    each: the links, in order of their place.
    """

    def __init__(self, subscribed: Subscribed, context: LinkContext) -> None:
        self._subscribed = subscribed
        self._context = context
        self._tasks: dict[Link, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._turn = asyncio.Lock()
        self.each = [self._link(place) for place in range(1, context.settings.connections + 1)]

    @property
    def newest(self) -> int:
        """Number of the newest connection, 0 before the first."""
        return self._context.numbers.newest

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return any(link.is_open for link in self.each)

    @property
    def open(self) -> list[int]:
        """Numbers of the connections that are up."""
        links = dict.fromkeys((*self.each, *self._tasks))
        return sorted(link.conn for link in links if link.is_open)

    @property
    def trouble(self) -> VenueError | None:
        """Why there is no connection; None where there is one, or nobody knows why."""
        if self.is_open:
            return None
        return next((link.trouble for link in self.each if link.trouble is not None), None)

    async def run(self, behind: Behind) -> None:
        """Until cancelled; raises VenueError where the venue was never reached. They begin one
        after another, as what befalls one should not befall all. behind: see `Account.run`."""
        self._behind = behind
        with ExitStack() as stack:
            if len(self.each) > 1:
                stack.enter_context(self._context.folding.on())
            async with asyncio.TaskGroup() as self._group:
                self._group.create_task(self._watch())
                for link in self.each:
                    self._begin(link, (link.place - 1) * self._context.settings.patience.stagger)

    async def hang_up(self, why: str) -> None:
        """Close all connections and dial again: for when nothing comes anyway, so that nothing is
        lost by the pause."""
        for conn in self.open:
            text = f"connection {conn} is replaced: {why}"
            self._context.notice(Message(text, "replaced", conn=conn))
        await asyncio.gather(*(link.hang_up(why) for link in self.each))

    async def renew(self, why: str) -> None:
        """Replace all connections, one after another; those that cannot be replaced stay."""
        for link in list(self.each):
            await self._renew(link, why)

    async def _renew(self, link: Link, why: str) -> None:
        before = link.conn
        if await self.replace(link.place):
            text = f"connection {before} was replaced: {why}"
            self._context.notice(Message(text, "replaced", conn=before))

    async def _watch(self) -> None:
        """Replace a connection that brings nothing while the others do."""
        patience = self._context.settings.patience
        stalls, why = Stalls(patience.stalled), f"for {patience.stalled:g} s only others brought"
        while True:
            await asyncio.sleep(patience.look)
            links = {link.conn: link for link in self.each if link.is_open}
            brought = {conn: link.frames + link.copies for conn, link in links.items()}
            conn = stalls.find(brought, asyncio.get_running_loop().time())
            if conn is not None:
                await self._renew(links[conn], f"{why} anything")

    async def replace(self, place: int) -> bool:
        """Dial anew for this place, and hang up the old connection only when the new one has proved
        itself, so that nothing is missed; whether that was done. Where not, the old link stays."""
        group = self._group
        if group is None:
            return False
        async with self._turn:
            with self._context.folding.on():
                old, new = self.each[place - 1], self._link(place)
                self._begin(new, 0)
                ending = new
                try:
                    if await self._proves(new, old):
                        new.follow(old)
                        self.each[place - 1], ending = new, old
                finally:
                    await self._end(ending)
        return ending is old

    def _link(self, place: int) -> Link:
        return Link(place, self._subscribed.join(), self._context)

    def _begin(self, link: Link, delay: float) -> None:
        assert self._group is not None
        self._tasks[link] = self._group.create_task(self._run(link, delay))

    async def _run(self, link: Link, delay: float) -> None:
        await asyncio.sleep(delay)
        await link.run(self._behind)

    async def _end(self, link: Link) -> None:
        task = self._tasks.pop(link)
        task.cancel()
        try:
            await asyncio.wait([task])
        finally:
            self._subscribed.leave(link.subscriptions)

    async def _proves(self, new: Link, old: Link) -> bool:
        """Whether it is as good as the old one: up, with all that is wanted asked for, and heard of
        if anything is to be heard. Then both stay for a while, as servers of the venue are not
        equally fast."""
        patience = self._context.settings.patience
        await new.tried.wait()
        conn = new.conn
        if not new.is_open:
            return False
        with suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(patience.proof):
                await new.settled()
                await new.heard.wait()
        await asyncio.sleep(patience.overlap)
        refused = new.subscriptions.account.refused.keys()
        worse = refused - old.subscriptions.account.refused.keys()
        return new.is_open and new.conn == conn and not worse
