"""A recording from start to end: lock, seal what a crash left, capture, stop in order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import NamedTuple

from recorder.catalogue import Catalogue
from recorder.intake import Intake
from recorder.link import Link
from recorder.rest import Rest
from recorder.sealer import Sealer
from recorder.settings import Settings
from recorder.snapshots import Snapshots
from recorder.stamp import Stamp, now
from recorder.store import Store
from recorder.tally import Tally
from schemas.errors import VenueError
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
    """Captures until told to stop. ``notice`` is called with a line for people now and then."""

    def __init__(self, settings: Settings, notice: Notice = lambda text: None) -> None:
        self.settings = settings
        self.topics: tuple[str, ...] = ()
        self.intake = Intake(self._ask)
        self.tally = Tally(self.intake.engine, notice)
        self.intake.listeners.append(self.tally)
        self.tape = Tape(settings.data) if settings.data else None
        self.sealer = Sealer(self.tape, notice) if self.tape else None
        self.store = Store(self.intake, self.tape, self.sealer, settings)
        self._notice = notice
        self._snapshots: Snapshots | None = None
        self._link: Link | None = None

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
        with lock(self.tape.root) if self.tape else nullcontext():
            async with Rest(self.settings.rest_url, self.settings.patience.reply) as rest:
                markets = [await _market_list(rest, path) for path in self._market_paths()]
                catalogue = Catalogue.read(*(listed.body for listed in markets))
                self.topics = catalogue.resolve(self.settings.topics)
                async with self._sealing():
                    self.store.begin(self.topics)
                    for listed in markets:
                        self._tape_markets(listed)
                    capture = asyncio.create_task(self._capture(rest))
                    try:
                        yield capture
                    finally:
                        await self._stop(capture)

    @asynccontextmanager
    async def _sealing(self) -> AsyncIterator[None]:
        """Seals in the background, first what an earlier run left; waits for the last."""
        if self.sealer is None or self.tape is None:
            yield
            return
        for journal in self.tape.journals():
            self._notice(f"sealing {journal.name}, left by an earlier run")
            self.sealer.add(journal)
        worker = asyncio.create_task(self.sealer.run())
        try:
            yield
        finally:
            if self.sealer.waiting:
                self._notice(f"sealing: {self.sealer.waiting} to go")
            await self.sealer.finish(worker)
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker

    async def _capture(self, rest: Rest) -> None:
        """The tasks that work until stopped; the first to fail ends all."""
        self._snapshots = Snapshots(rest, self.intake)
        self._link = Link(self.settings, self.topics, self.intake, self._notice)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._snapshots.run())
            tasks.create_task(self._link.run())
            tasks.create_task(self.store.run())

    async def _stop(self, capture: asyncio.Task[None]) -> None:
        capture.cancel()
        failure: BaseException | None = None
        try:
            await capture
        except asyncio.CancelledError:
            pass
        except BaseExceptionGroup as group:
            failure = group
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        if failure is None and self._link is not None and not self._link.conn:
            failure = self._link.trouble  # stopped before the venue was ever reached
        await self.store.finish()
        if failure is not None:
            raise failure

    def _market_paths(self) -> list[str]:
        """The list leaves out prediction markets unless they are asked for (section 6)."""
        predicted = any(PREDICTION in topic for topic in self.settings.topics)
        return [MARKETS_PATH] + [f"{MARKETS_PATH}?marketType={PREDICTION}"] * predicted

    def _tape_markets(self, markets: MarketList) -> None:
        self.intake.take(Kind.REQUEST, b"", topic=markets.path, stamp=markets.asked)
        self.intake.take(Kind.REPLY, markets.body, topic=markets.path, stamp=markets.got)

    def _ask(self, request: SnapshotRequest) -> None:
        if self._snapshots is not None:
            self._snapshots.ask(request)


async def _market_list(rest: Rest, path: str) -> MarketList:
    """The markets there are; raises VenueError when the venue will not say."""
    for attempt in range(MARKET_TRIES):
        if attempt:
            await asyncio.sleep(MARKET_RETRY_S)
        await rest.turn()
        asked = now()
        reply = await rest.get(path)
        if reply.failure is None:
            return MarketList(path, asked, now(), reply.body)
    assert reply.failure is not None
    status = f"HTTP {reply.failure.status} " if reply.failure.status else ""
    raise VenueError(
        f"no market list from {rest.base_url}{path}: {status}{reply.failure.error};"
        " is the address right, and is there a network?"
    )
