"""The taking side of a hand-over (``--take-over``): continues the session of a running recorder.

What our own connections bring is held until the other process has given its session away; then
whatever it has not recorded itself is recorded here. `recorder.handover` is the other side.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from typing import Any, NamedTuple, TypeVar

import msgspec
from websockets.exceptions import ConnectionClosed

from recorder.capture import Capture
from recorder.control_client import ask
from recorder.control_socket import Request
from recorder.failure import failure_of
from recorder.handing import COMMAND, VERSION, Given, Welcome
from recorder.handover_store import HandoverStore
from recorder.inherited import Inherited, Watchers
from recorder.intake import Intake
from recorder.link import Link
from recorder.messages import Level, Message
from recorder.settings import Settings
from recorder.stamp import Stamp
from recorder.store import Store
from recorder.wanted import Wanted
from recorder.worker import Worker
from schemas.digest import MEMORY
from schemas.errors import BackpackError, UsageError
from schemas.frames import ConnectionClosed as Closed
from schemas.frames import Frame, Kind, to_json
from schemas.requests import Request as RestRequest
from tape.journal_reader import read_journal
from tape.layout import SegmentName, Tape
from tape.lock import is_locked

TAKEN_OVER = to_json(Closed(1000, "taken over", stopped=True))

Last = SegmentName | None
Notice = Callable[[str], None]
Step = TypeVar("Step", Welcome, Given, None)


class Place(NamedTuple):
    """Of a recording: where it is, and who may touch the disk for it."""

    tape: Tape
    worker: Worker
    notice: Notice


class TakeOver:
    """welcome: what the other recorder said at first."""

    def __init__(self, place: Place, welcome: Welcome) -> None:
        self._place = place
        self.welcome = welcome
        self._given: Given | None = None
        self._inherited: Inherited | None = None

    def agree(self, wanted: Wanted, settings: Settings) -> None:
        """Want what was asked for by hand there too; raises UsageError where the two of us would
        record different things."""
        wanted.say(self.welcome.said)
        mine, theirs = set(wanted.texts), set(self.welcome.texts)
        if mine != theirs:
            raise UsageError(
                f"the recorder of process {self.welcome.pid} records other topics"
                f" ({_difference(mine, theirs)}): change them by SIGHUP or bp-record ctl"
                " before or after, not with --take-over"
            )
        urls = (settings.ws_url, settings.rest_url)
        if urls != (self.welcome.ws_url, self.welcome.rest_url):
            raise UsageError("the recorder that is at work records another venue: stop it first")

    async def run(self, capture: Capture) -> SegmentName | None:
        """Until the recording is ours, with the intake on hold and the capture at work: the last
        segment of the session that goes on, None where one of our own has to begin. Raises
        BackpackError where the other recorder goes on."""
        capture.numbers.newest = self.welcome.newest
        with capture.folding.on():
            for link in capture.links.each:
                await self._overlap(link)
            return await self._take(capture)

    def close(self, capture: Capture) -> None:
        """The session has gone on: the connections of the other recorder end with it, and what it
        has asked for is asked for by us, and what was silent is watched over by us."""
        if self._given is not None and self._inherited is not None:
            self._inherited.tell()
            capture.numbers.newest = max(capture.numbers.newest, self._given.newest)
            for conn in self._given.open:
                capture.intake.take(Kind.CLOSE, TAKEN_OVER, conn=conn)
            asked: list[RestRequest] = [*self._given.snapshots, *self._given.trades]
            for request in asked:
                capture.snapshots.ask(request)

    async def _overlap(self, link: Link) -> None:
        """Wait until it has what the other one has: subscribed, heard of if anything is to be
        heard, and that for a while, as servers of the venue are not equally fast."""
        patience = link.patience
        try:
            async with asyncio.timeout(patience.opening + patience.proof):
                await link.settled()
        except (TimeoutError, ConnectionClosed):
            raise BackpackError(
                f"no connection of our own ({link.trouble or 'it was lost'}): process"
                f" {self.welcome.pid} goes on recording"
            ) from None
        with suppress(TimeoutError):
            async with asyncio.timeout(patience.proof):
                await link.heard.wait()
        await asyncio.sleep(patience.overlap)

    async def _take(self, capture: Capture) -> SegmentName | None:
        last: SegmentName | None = None
        taped: list[Frame] = []
        try:
            given = await step(self._place, "give", Given)
            last = SegmentName(self.welcome.session, given.segment)
            taped = await self._place.worker.do(self._taped)
            await step(self._place, "done", type(None))
        except BackpackError as error:
            if await self._is_alive():
                raise
            text = f"process {self.welcome.pid} has died meanwhile: {error}"
            self._place.notice(Message(text, "handover", Level.WARNING))
            taped = await self._place.worker.do(self._taped)
        if last is None or self.welcome.memory != MEMORY or self._has_gone_on(last):
            _begin_anew(capture.intake, taped)
            return None
        capture.folding.remember(taped)
        capture.intake.follow(given.seq, given.keyframes)
        self._given = given
        self._inherited = Inherited(given.silences, Watchers(capture.intake, capture.vigil))
        return last

    def _taped(self) -> list[Frame]:
        """In a thread: what the other one has taken while we were connected."""
        journals = (self._place.tape.journal(name) for name in self._names())
        return [frame for path in journals if path.exists() for frame in read_journal(path)]

    def _names(self) -> Iterator[SegmentName]:
        """Of its segments since it knows of us, until none was recorded."""
        for number in count(self.welcome.segment):
            name = SegmentName(self.welcome.session, number)
            if not self._is_there(name):
                return
            yield name

    async def _is_alive(self) -> bool:
        return await self._place.worker.do(partial(is_locked, self._place.tape.root))

    def _has_gone_on(self, last: SegmentName) -> bool:
        """As it was not told in time that we have it, and has died since."""
        return self._is_there(last._replace(number=last.number + 1))

    def _is_there(self, name: SegmentName) -> bool:
        tape = self._place.tape
        return tape.journal(name).exists() or tape.manifest(name).exists()


def _difference(mine: set[str], theirs: set[str]) -> str:
    """Topics that only one of two recorders asks for."""
    sides = (("only there", theirs - mine), ("only here", mine - theirs))
    return "; ".join(f"{side}: {', '.join(sorted(names))}" for side, names in sides if names)


def _begin_anew(intake: Intake, taped: Sequence[Frame]) -> None:
    """With what came after the end of the other session."""
    if intake.held is not None:
        recv = max((frame.ts_recv for frame in taped), default=None)
        mono = max((frame.ts_mono for frame in taped), default=0)
        intake.held.since = intake.clock() if recv is None else Stamp(recv + 1, mono + 1)


class Running(NamedTuple):
    """A capture that works already, with its intake on hold; nothing where nothing was taken over.

    last: segment of the session that goes on; None where a session of our own begins.
    """

    over: TakeOver | None = None
    capture: Capture | None = None
    task: asyncio.Task[None] | None = None
    last: SegmentName | None = None

    async def begin(self, store: Store, topics: Callable[[], tuple[str, ...]]) -> None:
        """The first segment of ours; raises TapeError."""
        if self.last is None or not isinstance(store, HandoverStore):
            await store.begin(topics)
        else:
            await store.follow(topics, self.last)
        if self.over is not None and self.capture is not None:
            self.over.close(self.capture)


@asynccontextmanager
async def taken(
    over: TakeOver | None, capture: Capture, own: Callable[[], None]
) -> AsyncIterator[Running]:
    """Capture into memory until the recording is ours, and on until the block ends. own: locks the
    folder. Raises as `TakeOver.run` does, and what the capture fails with."""
    if over is None:
        yield Running()
        return
    capture.intake.hold()
    task = asyncio.create_task(capture.run())
    try:
        last = await _before(task, over.run(capture))
        own()
        yield Running(over, capture, task, last)
    finally:
        task.cancel()
        await failure_of(task)


async def _before(capture: asyncio.Task[None], work: Coroutine[Any, Any, Last]) -> Last:
    """What comes of a work, unless the capture fails before."""
    working = asyncio.create_task(work)
    try:
        await asyncio.wait([capture, working], return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and (failure := await failure_of(capture)) is not None:
            raise failure
        return await working
    finally:
        working.cancel()


async def taking(place: Place, settings: Settings, wanted: Wanted) -> TakeOver | None:
    """Tell the recorder at work that it will be taken over; None where there is none. Raises
    BackpackError where it will not have that, or we cannot go on with what it records."""
    if not await place.worker.do(partial(is_locked, place.tape.root)):
        return None
    try:
        welcome = await step(place, "begin", Welcome)
    except UsageError as error:  # one of a version that knows nothing of this, or a ring
        text = f"the recorder at work cannot be taken over ({error}), and goes on"
        raise UsageError(text) from None
    if welcome.version != VERSION:
        raise UsageError(
            f"process {welcome.pid} speaks another version of the hand-over: stop it first"
        )
    if welcome.memory != MEMORY:
        text = (
            f"process {welcome.pid} remembers other things than this version (memory"
            f" {welcome.memory}, here {MEMORY}): a session of its own begins, with fresh books"
        )
        place.notice(Message(text, "handover", Level.WARNING))
    over = TakeOver(place, welcome)
    over.agree(wanted, settings)
    return over


async def step(place: Place, name: str, answer: type[Step]) -> Step:
    """One of the three; raises BackpackError."""
    request = Request(COMMAND, arguments={"step": name, "pid": os.getpid()})
    said: Any = await place.worker.do(partial(ask, place.tape.root, request))
    try:
        return msgspec.convert(said, answer)
    except msgspec.ValidationError as error:
        raise BackpackError(f"the running recorder sent an invalid answer: {error}") from None
