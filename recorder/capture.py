"""What works while a recording is made: all its tasks, which end together."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from recorder.account import Account
from recorder.audits import Audits
from recorder.clocks import Clocks
from recorder.intake import Intake
from recorder.link import Link
from recorder.market_lists import MarketLists
from recorder.program import Program
from recorder.rest import Rest
from recorder.settings import Settings
from recorder.snapshots import Snapshots
from recorder.space import Space
from recorder.store import Store
from recorder.subscriptions import Subscriptions

Notice = Callable[[str], None]


class Parts(NamedTuple):
    """Of a recorder, those that are there before it knows what to record."""

    settings: Settings
    intake: Intake
    notice: Notice
    account: Account
    store: Store
    space: Space | None


class Venue(NamedTuple):
    """Its REST, its markets, and what is recorded of it."""

    rest: Rest
    lists: MarketLists
    program: Program
    subscriptions: Subscriptions


class Capture:
    """link: keeps the connection up. snapshots: fetches them."""

    def __init__(self, parts: Parts, venue: Venue) -> None:
        self._parts = parts
        self._venue = venue
        self.snapshots = Snapshots(venue.rest, parts.intake)
        self.link = Link(parts.settings, venue.subscriptions, parts.intake, parts.notice)
        venue.program.forget = self.snapshots.forget

    async def run(self) -> None:
        """Until cancelled; the first task to fail ends all."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.snapshots.run())
            tasks.create_task(self.link.run())
            self._keep(tasks)
            self._compare(tasks)
            self._follow(tasks)

    def _keep(self, tasks: asyncio.TaskGroup) -> None:
        """Bring to the disk what there is."""
        store, space = self._parts.store, self._parts.space
        tasks.create_task(store.run())
        tasks.create_task(store.watch())
        tasks.create_task(self._parts.intake.backlog.watch())
        if space is not None:
            tasks.create_task(space.watch())

    def _compare(self, tasks: asyncio.TaskGroup) -> None:
        """What we have with what the venue says: the time, books."""
        settings, intake, notice, account, _, _ = self._parts
        rest, patience = self._venue.rest, settings.patience.clock
        clocks = Clocks(intake, notice)
        tasks.create_task(clocks.watch())
        tasks.create_task(clocks.compare(rest, settings.clock_every, patience))
        tasks.create_task(account.run(partial(clocks.behind, rest, patience)))
        if settings.audit_every is not None:
            topics = self._venue.subscriptions
            audits = Audits(lambda: topics.topics, settings.audit_every, notice)
            tasks.create_task(audits.run(intake, self.snapshots))

    def _follow(self, tasks: asyncio.TaskGroup) -> None:
        """The market list."""
        every, venue = self._parts.settings.markets_every, self._venue
        if every is not None:
            tasks.create_task(venue.lists.watch(every, venue.program.relist))
