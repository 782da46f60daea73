"""A recording from start to end: lock, seal what a crash left, capture, stop in order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import NamedTuple

from recorder.audits import Audits
from recorder.catalogue import Catalogue
from recorder.clocks import Clocks
from recorder.intake import Intake
from recorder.link import Link
from recorder.memory import Memory
from recorder.messages import Level, Message
from recorder.rest import Rest
from recorder.sealer import Sealer
from recorder.settings import Settings
from recorder.snapshots import Snapshots
from recorder.space import DiskLow, Space
from recorder.stamp import Clock, Stamp, now
from recorder.store import Store
from recorder.subscriptions import Subscriptions
from recorder.tally import Tally
from schemas.errors import BackpackError, VenueError
from schemas.frames import Kind
from schemas.requests import MARKETS_PATH, SnapshotRequest
from tape.layout import Tape
from tape.lock import lock

MARKET_TRIES = 3
MARKET_RETRY_S = 1.0
PREDICTION = "PREDICTION"  # market type, and ending of such symbols

Notice = Callable[[str], None]


class MarketList(NamedTuple):
    """Request and reply of the market list, for the tape, which is not open yet."""

    path: str
    asked: Stamp
    got: Stamp
    body: bytes


class Recorder:
    """Captures until told to stop. ``notice`` is called with a line for people now and then.

    stopped: why it stopped early and in order; empty if it did not.
    """

    def __init__(
        self, settings: Settings, notice: Notice = lambda text: None, clock: Clock = now
    ) -> None:
        self.settings = settings
        self.topics: tuple[str, ...] = ()
        self.stopped = ""
        self.intake = Intake(self._ask, Memory(settings.memory), clock)
        self.tally = Tally(self.intake.engine, notice)
        self.intake.listeners.append(self.tally)
        self.tape = Tape(settings.data) if settings.data else None
        self.space = Space(settings.data, settings.min_free) if settings.data else None
        self.sealer = (
            Sealer(self.tape, self.space, notice, settings.patience.sealing)
            if self.tape and self.space
            else None
        )
        self.store = Store(self.intake, self.sealer, settings, notice)
        self._notice = notice
        self.snapshots: Snapshots | None = None
        self.link: Link | None = None

    def alarm(self) -> str:
        """What people have to know right now; empty if there is nothing."""
        return self.store.disk.alarm

    async def run(self, stop: asyncio.Event) -> None:
        """Record until ``stop``, or for the duration asked; raises BackpackError."""
        stopping = asyncio.create_task(stop.wait())
        recording = asyncio.create_task(self._record(stopping))
        await asyncio.wait([stopping, recording], return_when=asyncio.FIRST_COMPLETED)
        if not self.topics:  # nothing has begun yet that would have to end in order
            recording.cancel()
        try:
            with suppress(asyncio.CancelledError):
                await recording
        finally:
            stopping.cancel()

    async def _record(self, stopping: asyncio.Task[bool]) -> None:
        async with self.capturing() as capture:
            await asyncio.wait(
                [stopping, capture],
                timeout=self.settings.duration,
                return_when=asyncio.FIRST_COMPLETED,
            )

    @asynccontextmanager
    async def capturing(self) -> AsyncIterator[asyncio.Task[None]]:
        """Capture in the background; the task ends only if it fails. Leaving stops in order."""
        with lock(self.tape.root) if self.tape else nullcontext(), self._threads():
            await self._check_space()
            async with Rest(self.settings.rest_url, self.settings.patience.reply) as rest:
                markets = [await self._market_list(rest, path) for path in self._market_paths()]
                catalogue = Catalogue.read(*(listed.body for listed in markets))
                self.topics = catalogue.resolve(self.settings.topics)
                async with self._sealing():
                    await self.store.begin(self.topics)
                    for listed in markets:
                        self._tape_markets(listed)
                    capture = asyncio.create_task(self._capture(rest))
                    try:
                        yield capture
                    finally:
                        await self._stop(capture)

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """Those for the disk; one that hangs in a call ends with the process."""
        try:
            yield
        finally:
            self.store.close()
            if self.space is not None:
                self.space.close()

    @asynccontextmanager
    async def _sealing(self) -> AsyncIterator[None]:
        """Seals in the background, first what an earlier run left; waits for the last."""
        if self.sealer is None or self.tape is None or self.space is None:
            yield
            return
        for journal in self.tape.journals():
            self._notice(Message(f"sealing {journal.name}, left by an earlier run", "sealing"))
            self.sealer.add(journal)
        worker = asyncio.create_task(self.sealer.run())
        try:
            yield
        finally:
            if self.sealer.waiting:
                self._notice(Message(f"sealing: {self.sealer.waiting} to go", "sealing"))
            await self.sealer.finish(worker)
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker

    async def _capture(self, rest: Rest) -> None:
        """The tasks that work until stopped; the first to fail ends all."""
        settings, patience = self.settings, self.settings.patience.clock
        self.snapshots = Snapshots(rest, self.intake)
        subscriptions = Subscriptions(self.topics, self.intake)
        self.link = Link(settings, subscriptions, self.intake, self._notice)
        clocks = Clocks(self.intake, self._notice)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.snapshots.run())
            tasks.create_task(self.link.run())
            tasks.create_task(self.store.run())
            tasks.create_task(self.store.watch())
            tasks.create_task(clocks.watch())
            tasks.create_task(clocks.compare(rest, settings.clock_every, patience))
            if settings.audit_every is not None:
                audits = Audits(self.topics, settings.audit_every, self._notice)
                tasks.create_task(audits.run(self.intake, self.snapshots))
            if self.space is not None:
                tasks.create_task(self.space.watch())

    async def _stop(self, capture: asyncio.Task[None]) -> None:
        capture.cancel()
        failure = await _failure(capture)
        if failure is None and self.link is not None and not self.link.conn:
            failure = self.link.trouble  # stopped before the venue was ever reached
        if isinstance(failure, DiskLow):
            self.stopped, failure = f"stopped early: {failure}", None
            self._notice(Message(self.stopped, "stopped_early", Level.WARNING))
        try:
            await self.store.finish()
        except BackpackError as error:
            if failure is None:
                raise
            self._notice(str(error))
        if failure is not None:
            raise failure

    async def _check_space(self) -> None:
        """Raises DiskLow where recording had to stop as soon as it has begun."""
        if self.space is None:
            return
        try:
            await self.space.check()
        except DiskLow as error:
            raise DiskLow(f"{error}: free some, or record into another folder") from None

    def _market_paths(self) -> list[str]:
        """The list leaves out prediction markets unless they are asked for (section 6)."""
        predicted = any(PREDICTION in topic for topic in self.settings.topics)
        return [MARKETS_PATH] + [f"{MARKETS_PATH}?marketType={PREDICTION}"] * predicted

    async def _market_list(self, rest: Rest, path: str) -> MarketList:
        """The markets there are; raises VenueError when the venue will not say."""
        for attempt in range(MARKET_TRIES):
            if attempt:
                await asyncio.sleep(MARKET_RETRY_S)
            await rest.turn()
            asked = self.intake.clock()
            reply = await rest.get(path)
            if reply.failure is None:
                return MarketList(path, asked, self.intake.clock(), reply.body)
        assert reply.failure is not None
        status = f"HTTP {reply.failure.status} " if reply.failure.status else ""
        raise VenueError(
            f"no market list from {rest.base_url}{path}: {status}{reply.failure.error};"
            " is the address right, and is there a network?"
        )

    def _tape_markets(self, markets: MarketList) -> None:
        self.intake.take(Kind.REQUEST, b"", topic=markets.path, stamp=markets.asked)
        self.intake.take(Kind.REPLY, markets.body, topic=markets.path, stamp=markets.got)

    def _ask(self, request: SnapshotRequest) -> None:
        if self.snapshots is not None:
            self.snapshots.ask(request)


async def _failure(capture: asyncio.Task[None]) -> BaseException | None:
    """What a cancelled task had failed with before; of several failures the first."""
    try:
        await capture
    except asyncio.CancelledError:
        return None
    except BaseExceptionGroup as group:
        failure: BaseException = group
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        return failure
    return None
