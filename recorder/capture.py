"""The tasks of a recording while it listens to the venue; they end together."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from recorder.audits import Audits
from recorder.clocks import Clocks
from recorder.folding import Folding
from recorder.intake import Intake
from recorder.interval import Interval
from recorder.link import ConnectionNumbers, LinkContext
from recorder.links import Links
from recorder.market_lists import MarketLists
from recorder.program import Program
from recorder.questions import Questions
from recorder.rest import Rest
from recorder.settings import OnSilence, Settings
from recorder.snapshots import Snapshots
from recorder.space import Space
from recorder.store import Store
from recorder.subscribed import Subscribed
from recorder.tally import Tally
from recorder.vigil import Remedies, Vigil
from schemas.errors import BackpackError

Notice = Callable[[str], None]


class Parts(NamedTuple):
    """Of a recorder, those that are there before it knows what to record."""

    settings: Settings
    intake: Intake
    notice: Notice
    store: Store
    space: Space | None
    tally: Tally


class Venue(NamedTuple):
    """Its REST, its markets, and what is recorded of it."""

    rest: Rest
    lists: MarketLists
    program: Program
    subscriptions: Subscribed


class Capture:
    """links: keep the connections up. snapshots: fetches them. lists, audits: how often the market
    lists are looked at, and each live book is compared with a fresh snapshot. folding, numbers: of
    what the connections bring, and their own. vigil: over topics that say nothing; None: nobody
    watches over them."""

    def __init__(self, parts: Parts, venue: Venue) -> None:
        self._parts = parts
        self._venue = venue
        self.audits = Interval(parts.settings.audit_every)
        self.lists = Interval(parts.settings.markets_every)
        self.snapshots = Snapshots(venue.rest, parts.intake)
        self.folding, self.numbers = Folding(parts.intake), ConnectionNumbers()
        context = LinkContext(parts.settings, self.folding, parts.notice, self.numbers)
        self.links = Links(venue.subscriptions, context)
        self._leaving: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        venue.program.forget = self.snapshots.forget
        self.vigil = self._watching() if parts.settings.silence is not OnSilence.OFF else None

    async def run(self) -> None:
        """Until cancelled; the first task to fail ends all."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.snapshots.run())
            tasks.create_task(self._left())
            self._keep(tasks)
            self._listen(tasks)
            self._follow(tasks)
            if self.vigil is not None:
                tasks.create_task(self.vigil.run())

    def _watching(self) -> Vigil:
        """Over topics that say nothing."""
        settings, intake = self._parts.settings, self._parts.intake
        questions = Questions(self._venue.rest, intake, self.snapshots)
        vigil = Vigil(intake, self._parts.tally.traffic, questions, settings.patience)
        vigil.notice = self._parts.notice
        if settings.silence is OnSilence.ACT:
            vigil.remedies = Remedies(
                self._venue.subscriptions.again, self.links.renew, self.links.hang_up
            )
        return vigil

    @property
    def intake(self) -> Intake:
        """Where all of it goes."""
        return self._parts.intake

    def leave(self, why: BackpackError) -> None:
        """End all of it."""
        if not self._leaving.done():
            self._leaving.set_exception(why)

    async def _left(self) -> None:
        await self._leaving

    def _keep(self, tasks: asyncio.TaskGroup) -> None:
        """Bring to the disk what there is."""
        store, space = self._parts.store, self._parts.space
        tasks.create_task(store.run())
        tasks.create_task(store.watch())
        tasks.create_task(self._parts.intake.backlog.watch())
        if space is not None:
            tasks.create_task(space.watch())

    def _listen(self, tasks: asyncio.TaskGroup) -> None:
        """To the venue; and compare what we have with what it says: the time, books."""
        settings, intake, notice, *_ = self._parts
        rest, patience = self._venue.rest, settings.patience.clock
        clocks = Clocks(intake, notice)
        tasks.create_task(clocks.watch())
        tasks.create_task(clocks.compare(rest, settings.clock_every, patience))
        tasks.create_task(self.links.run(partial(clocks.behind, rest, patience)))
        topics = self._venue.subscriptions
        audits = Audits(lambda: topics.topics, self.audits, notice)
        tasks.create_task(audits.run(intake, self.snapshots))

    def _follow(self, tasks: asyncio.TaskGroup) -> None:
        """The market list."""
        venue = self._venue
        tasks.create_task(venue.lists.watch(self.lists, venue.program.relist))
