"""A recording from start to end: lock, seal what a crash left, capture, stop in order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress

from recorder.accounts import Accounts
from recorder.capture import Capture, Parts, Venue
from recorder.control_socket import Carry, controlled
from recorder.dumps import Dump
from recorder.failure import failure_of
from recorder.handing import HandedOver
from recorder.handover_store import HandoverStore
from recorder.intake import Intake
from recorder.links import Links
from recorder.load_alarm import LoadAlarm
from recorder.market_lists import MarketLists
from recorder.memory import Memory
from recorder.messages import Level, Message
from recorder.program import Program
from recorder.rest import Rest
from recorder.retention import Outlook, retaining
from recorder.ring_store import RingStore
from recorder.sealer import Sealer
from recorder.sealing import sealing
from recorder.settings import Settings
from recorder.snapshots import Snapshots
from recorder.space import DiskLow, Space
from recorder.stamp import Clock, now
from recorder.subscribed import Subscribed
from recorder.take_over import Place, TakeOver, taken, taking
from recorder.tally import Tally
from recorder.wanted import Wanted
from schemas.errors import BackpackError, UsageError
from schemas.requests import Request
from tape.layout import Tape
from tape.lock import lock

NO_RING = "there is no ring to dump: everything is written (bp-record --ring)"
NOT_OURS = "none of the topics is of this shard: nothing is recorded until one is listed"
PAUSED = "PAUSED: nothing is subscribed; bp-record ctl resume goes on"

Notice = Callable[[str], None]
Reload = Callable[[], Awaitable[str]]


class Recorder:
    """Captures until told to stop. ``notice`` is called with a line for people now and then.

    stopped: why it stopped early and in order; empty if it did not. handed_over: to whom, if so.
    carry: carries out what comes in by the control socket; None: there is none.
    reload: reads the options again; None: they are in no file.
    program: what is recorded, once something is. wanted: names and patterns, in the words of those
        who ask.
    """

    def __init__(
        self, settings: Settings, notice: Notice = lambda text: None, clock: Clock = now
    ) -> None:
        self.settings = settings
        self.wanted = Wanted(settings.topics, settings.shard)
        self.carry: Carry | None = None
        self.reload: Reload | None = None
        self.program: Program | None = None
        self.stopped = self.handed_over = ""
        self.intake = Intake(self._ask, Memory(settings.memory), clock)
        self.tally = Tally(self.intake.engine, notice)
        self.intake.listeners.append(self.tally)
        self.load_alarm = LoadAlarm(self.intake, notice)
        self.intake.listeners.append(self.load_alarm)
        self.account = Accounts(settings, self.intake, notice)
        self.tape = Tape(settings.data) if settings.data else None
        self.space = Space(settings.data, settings.min_free) if settings.data else None
        self.sealer = (
            Sealer(self.tape, self.space, notice, settings.patience.sealing)
            if self.tape and self.space
            else None
        )
        if self.sealer is not None:
            self.sealer.is_busy = lambda: self.load_alarm.is_busy
        self.retention = retaining(self.tape, self.sealer, settings.keep, notice)
        parts = (self.intake, self.sealer, settings, notice)
        self.ring = RingStore(*parts) if settings.ring and settings.data else None
        self.store = self.ring or HandoverStore(*parts)
        self._notice = notice
        self.capture: Capture | None = None
        self._lists: MarketLists | None = None
        self._subscriptions = self._subscribed(())
        self._over = False
        self._lease = ExitStack()  # the folder is ours

    @property
    def topics(self) -> tuple[str, ...]:
        """What is subscribed, or will be as soon as there is a connection."""
        return self._subscriptions.topics

    @property
    def links(self) -> Links | None:
        """What keeps the connections up; None before there is anything to connect for."""
        return None if self.capture is None else self.capture.links

    @property
    def snapshots(self) -> Snapshots | None:
        """What fetches snapshots; None as above."""
        return None if self.capture is None else self.capture.snapshots

    def alarm(self) -> str:
        """What people have to know right now; empty if there is nothing."""
        paused = PAUSED if self.program is not None and self.program.paused else ""
        alarms = (self.store.disk.alarm, self.load_alarm.alarm, paused)
        return "; ".join(text for text in alarms if text)

    async def subscribe(self, texts: Iterable[str]) -> list[str]:
        """Record these topics too, names or patterns; those that are new by that. Before the
        recording begins nobody can say which they are. Raises TopicError for what cannot be,
        VenueError where that cannot be told, and then nothing has changed."""
        texts = list(texts)
        self._refuse_ended()
        if self.program is None or self._lists is None:
            self.wanted.add(texts)
            return []
        if await self._lists.need(texts):
            await self.program.relist(self._lists.catalogue)
        return await self.program.subscribe(texts)

    async def unsubscribe(self, texts: Iterable[str]) -> list[str]:
        """Record these no more, nor what a pattern matches later; as `subscribe`."""
        texts = list(texts)
        self._refuse_ended()
        if self.program is None:
            self.wanted.drop(texts)
            return []
        return await self.program.unsubscribe(texts)

    async def give(self, texts: Iterable[str]) -> tuple[list[str], list[str]]:
        """The options ask for these now, and what was said by hand stays said: topics that are new
        by that, and those that are gone. As `subscribe`."""
        texts = list(texts)
        self._refuse_ended()
        if self.program is None or self._lists is None:
            self.wanted.give(texts)
            return [], []
        if await self._lists.need(texts):
            await self.program.relist(self._lists.catalogue)
        return await self.program.give(texts)

    async def pause(self) -> None:
        """Unsubscribe everything, but stay connected. What changes meanwhile is what will be
        subscribed."""
        self._refuse_ended()
        if self.program is not None:
            await self.program.pause()

    async def resume(self) -> None:
        """Subscribe again what is wanted by now."""
        self._refuse_ended()
        if self.program is not None:
            await self.program.resume()

    def _subscribed(self, names: Iterable[str]) -> Subscribed:
        return Subscribed(names, self.intake, self.account)

    def _refuse_ended(self) -> None:
        if self._over:
            raise UsageError("the recording has ended: what is subscribed cannot change any more")

    async def dump(self, reason: str) -> Dump:
        """Write what the ring holds, and what comes within `Settings.ring_after`; what was written.

        Raises UsageError without a ring, BackpackError where the recording ends without it.
        """
        if self.ring is None:
            raise UsageError(NO_RING)
        return await self.ring.dump(reason)

    @property
    def outlook(self) -> Outlook:
        """How fast the recording grows."""
        sealed = self.sealer.sealed.newest if self.sealer is not None else ()
        return Outlook(sealed, self.retention, self.settings.keep)

    async def run(self, stop: asyncio.Event) -> None:
        """Record until ``stop``, or for the duration asked; raises BackpackError."""
        stopping = asyncio.create_task(stop.wait())
        recording = asyncio.create_task(self._record(stopping))
        await asyncio.wait([stopping, recording], return_when=asyncio.FIRST_COMPLETED)
        is_held = self.settings.take_over and not self.store.session
        if self.program is None or is_held:  # nothing has begun that would have to end in order
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
        self.account.check()
        with self._lease, self._threads():
            over = None
            if self.tape is not None and self.space is not None and self.settings.take_over:
                place = Place(self.tape, self.space.worker, self._notice)
                over = await taking(place, self.settings, self.wanted)
            if over is None:
                self._own()
            if self.space is not None:
                await self.space.check_at_start()
            async with Rest(self.settings.rest_url, self.settings.patience.reply) as rest:
                lists, self.program = await self._program(rest, over)
                venue = Venue(rest, lists, self.program, self._subscriptions)
                self.capture = Capture(self._parts(), venue)
                async with (
                    taken(over, self.capture, self._own) as running,
                    sealing(self.tape, self.sealer, self._notice),
                ):
                    await running.begin(self.store, lambda: self.topics)
                    lists.tape(late=over is not None)
                    capture = running.task or asyncio.create_task(self.capture.run())
                    error: Exception | None = None
                    try:
                        async with controlled(self.space, self.carry, self._notice):
                            yield capture
                    except Exception as raised:
                        error = raised
                        raise
                    finally:
                        self._over = True
                        await self._stop(capture, error)

    async def _program(self, rest: Rest, over: TakeOver | None) -> tuple[MarketLists, Program]:
        """What is to be recorded, by the market list."""
        has_keys = self.settings.keys is not None
        lists = self._lists = MarketLists(rest, self.intake, self._notice, has_keys)
        catalogue = await lists.begin(self.wanted.texts)
        catalogue.resolve(self.wanted.texts)
        paused = over is not None and over.welcome.paused
        self._subscriptions = self._subscribed(() if paused else self.wanted.names(catalogue))
        if not (self.topics or paused):
            self._notice(Message(NOT_OURS, "no_topics", Level.WARNING))
        program = Program(self.wanted, catalogue, self._subscriptions, self._notice)
        program.paused = paused
        return lists, program

    def _own(self) -> None:
        """The folder is ours; raises TapeLocked."""
        if self.tape is not None:
            self._lease.enter_context(lock(self.tape.root))

    def let_go(self) -> None:
        """The folder is another's to write."""
        self._lease.close()

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """Those for the disk; one that hangs in a call ends with the process."""
        try:
            yield
        finally:
            self.store.close()
            if self.space is not None:
                self.space.close()

    def _parts(self) -> Parts:
        doors = (self.store, self.space, self.tally)
        return Parts(self.settings, self.intake, self._notice, *doors)

    async def _stop(self, capture: asyncio.Task[None], error: Exception | None) -> None:
        """``error``: of who runs it."""
        capture.cancel()
        failure = await failure_of(capture)
        crash = failure or error
        links = self.links
        if failure is None and links is not None and not links.newest:
            failure = links.trouble  # stopped before the venue was ever reached
        if isinstance(failure, DiskLow):
            self.stopped, failure = f"stopped early: {failure}", None
            self._notice(Message(self.stopped, "stopped_early", Level.WARNING))
        if isinstance(failure, HandedOver):
            self.handed_over, failure = str(failure), None
            self._notice(Message(self.handed_over, "handover"))
        try:
            await self.store.finish(crash)
        except BackpackError as error:
            if failure is None:
                raise
            self._notice(Message(str(error), "disk_trouble", Level.ERROR))
        if failure is not None:
            raise failure

    def _ask(self, request: Request) -> None:
        if self.snapshots is not None:
            self.snapshots.ask(request)
