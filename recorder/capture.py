"""What works while a recording is made: all its tasks, which end together."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from recorder.audits import Audits
from recorder.clocks import Clocks
from recorder.folding import Folding
from recorder.intake import Intake
from recorder.link import Line, Numbers
from recorder.links import Links
from recorder.market_lists import MarketLists
from recorder.program import Program
from recorder.rest import Rest
from recorder.settings import Settings
from recorder.snapshots import Snapshots
from recorder.space import Space
from recorder.store import Store
from recorder.subscribed import Subscribed

Notice = Callable[[str], None]


class Parts(NamedTuple):
    """Of a recorder, those that are there before it knows what to record."""

    settings: Settings
    intake: Intake
    notice: Notice
    store: Store
    space: Space | None


class Venue(NamedTuple):
    """Its REST, its markets, and what is recorded of it."""

    rest: Rest
    lists: MarketLists
    program: Program
    subscriptions: Subscribed


class Capture:
    """links: keep the connections up. snapshots: fetches them."""

    def __init__(self, parts: Parts, venue: Venue) -> None:
        self._parts = parts
        self._venue = venue
        self.snapshots = Snapshots(venue.rest, parts.intake)
        line = Line(parts.settings, Folding(parts.intake), parts.notice, Numbers())
        self.links = Links(venue.subscriptions, line)
        venue.program.forget = self.snapshots.forget

    async def run(self) -> None:
        """Until cancelled; the first task to fail ends all."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.snapshots.run())
            self._keep(tasks)
            self._listen(tasks)
            self._follow(tasks)

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
        settings, intake, notice, _, _ = self._parts
        rest, patience = self._venue.rest, settings.patience.clock
        clocks = Clocks(intake, notice)
        tasks.create_task(clocks.watch())
        tasks.create_task(clocks.compare(rest, settings.clock_every, patience))
        tasks.create_task(self.links.run(partial(clocks.behind, rest, patience)))
        if settings.audit_every is not None:
            topics = self._venue.subscriptions
            audits = Audits(lambda: topics.topics, settings.audit_every, notice)
            tasks.create_task(audits.run(intake, self.snapshots))

    def _follow(self, tasks: asyncio.TaskGroup) -> None:
        """The market list."""
        every, venue = self._parts.settings.markets_every, self._venue
        if every is not None:
            tasks.create_task(venue.lists.watch(every, venue.program.relist))
