"""The venue's market lists: at the start, and whether they have changed since."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from recorder.catalogue import Catalogue
from recorder.intake import Intake
from recorder.interval import Interval
from recorder.messages import Level, Message
from recorder.rest import Reply, Rest
from recorder.stamp import Stamp
from schemas.errors import VenueError
from schemas.frames import Frame, Kind
from schemas.numbers import pretty_price, pretty_qty
from schemas.requests import MARKETS_PATH
from schemas.rows import Market, Row

TRIES = 3
RETRY_S = 1.0
PREDICTION = "PREDICTION"  # market type, and ending of such symbols
PREDICTED = f"{MARKETS_PATH}?marketType={PREDICTION}"

Notice = Callable[[str], None]


class _Taken(NamedTuple):
    """Request and reply of a list, for the tape, which is not open yet."""

    path: str
    asked: Stamp
    got: Stamp


class MarketLists:
    """The list of each path in use. Prediction markets are left out of the first, and asked for
    only if somebody wants one (protocol section 6).

    What is said is taped, but for a body that is the one before: the tape has that. keys: whether
    there are any, for topics of an account.
    """

    def __init__(self, rest: Rest, intake: Intake, notice: Notice, keys: bool) -> None:
        self._rest = rest
        self._intake = intake
        self._notice = notice
        self._keys = keys
        self._bodies: dict[str, bytes] = {}  # the newest of each path that can be read
        self._taped: dict[str, bytes] = {}
        self._waiting: list[_Taken] = []
        self._is_open = False  # the tape
        self._troubled: set[str] = set()  # paths of which people were told that they fail
        self._sizes: dict[str, tuple[int | None, int | None]] = {}  # tick and step by market

    @property
    def catalogue(self) -> Catalogue:
        """All lists together; raises VenueError where they cannot be read, or name no market."""
        return self._read(self._bodies)

    def _read(self, bodies: Mapping[str, bytes]) -> Catalogue:
        return Catalogue.read(*bodies.values(), keys=self._keys)

    async def begin(self, texts: Iterable[str]) -> Catalogue:
        """Fetch what these topics need; raises VenueError when the venue will not say."""
        for path in [MARKETS_PATH] + [PREDICTED] * _predict(texts):
            await self._fetch(path)
        return self.catalogue

    def tape(self, late: bool = False) -> None:
        """The tape is open: what was fetched before. late: as of now, since it was long before."""
        self._is_open = True
        for path, asked, got in self._waiting:
            if path in self._bodies:
                stamps = (None, None) if late else (asked, got)
                self._take(path, self._bodies[path], stamps)
        self._waiting.clear()

    async def need(self, texts: Iterable[str]) -> bool:
        """Fetch the list of prediction markets too, if these want any; whether that was done.
        Raises VenueError when the venue will not say."""
        if PREDICTED in self._bodies or not _predict(texts):
            return False
        await self._fetch(PREDICTED)
        if self._is_open:
            self._waiting.clear()
            self._take(PREDICTED, self._bodies[PREDICTED])
        try:
            self._read(self._bodies)
        except VenueError:
            del self._bodies[PREDICTED]
            raise
        return True

    async def watch(
        self, interval: Interval, relist: Callable[[Catalogue], Awaitable[None]]
    ) -> None:
        """Until cancelled: look whether they have changed, whenever that is due."""
        while True:
            await interval.wait()
            changed = [path for path in list(self._bodies) if await self._look(path)]
            if changed:
                await relist(self.catalogue)

    async def _fetch(self, path: str) -> None:
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(RETRY_S)
            await self._rest.turn()
            asked = self._intake.clock()
            reply = await self._rest.get(path)
            if reply.failure is None:
                self._bodies[path] = reply.body
                self._waiting.append(_Taken(path, asked, self._intake.clock()))
                return
        raise VenueError(
            f"no market list from {self._rest.base_url}{path}: {_why(reply)};"
            " is the address right, and is there a network?"
        )

    async def _look(self, path: str) -> bool:
        """Whether a list is another than before, and can be read."""
        if self._intake.memory.shedding:  # it would not get onto the tape
            return False
        await self._rest.turn()
        reply = await self._rest.get(path)
        if reply.failure is not None:
            return self._failed(path, _why(reply))
        if reply.body != self._taped.get(path):
            self._take(path, reply.body)
        try:
            self._read(self._bodies | {path: reply.body})
        except VenueError as error:
            return self._failed(path, str(error))
        self._troubled.discard(path)
        changed = self._bodies[path] != reply.body
        self._bodies[path] = reply.body
        return changed

    def _failed(self, path: str, why: str) -> bool:
        if path not in self._troubled:
            self._troubled.add(path)
            text = f"no market list from {path} ({why}): the one before counts meanwhile"
            self._notice(Message(text, "no_market_list", Level.WARNING))
        return False

    def _take(
        self, path: str, body: bytes, stamps: tuple[Stamp | None, Stamp | None] = (None, None)
    ) -> None:
        self._intake.take(Kind.REQUEST, b"", topic=path, stamp=stamps[0])
        self._intake.listeners.append(self._hear)
        try:
            self._intake.take(Kind.REPLY, body, topic=path, stamp=stamps[1])
        finally:
            self._intake.listeners.remove(self._hear)
        if not self._intake.memory.shedding:
            self._taped[path] = body

    def _hear(self, frame: Frame, rows: list[Row]) -> None:
        """What the engine makes of a list: other ticks and steps are told."""
        del frame
        for row in rows:
            if isinstance(row, Market):
                sizes, before = (row.tick_size, row.step_size), self._sizes.get(row.market)
                if row.event == "changed" and before is not None and before != sizes:
                    self._notice(f"changed: {row.market}: {_sizes(*before)} -> {_sizes(*sizes)}")
                self._sizes[row.market] = sizes


def _predict(texts: Iterable[str]) -> bool:
    return any(PREDICTION in text for text in texts)


def _why(reply: Reply) -> str:
    failure = reply.failure
    if failure is None:
        return ""
    return f"HTTP {failure.status} {failure.error}" if failure.status else failure.error


def _sizes(tick: int | None, step: int | None) -> str:
    shown = "?" if tick is None else pretty_price(tick), "?" if step is None else pretty_qty(step)
    return f"tick {shown[0]}, step {shown[1]}"
