"""The real recorder in this process, against whatever plays the venue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from market.book import Book, BookSide
from market.engine import Engine
from market.sync_states import State
from recorder.child import CarryOut, Ended
from recorder.recorder import Recorder
from recorder.settings import Settings
from recorder.stamp import Clock, now
from schemas.frames import Frame, Kind
from schemas.rows import Row
from tape.layout import Tape
from tape.seal import seal_alone
from tests.recorder.market import Sides
from tests.venue import ShadowBook

Outcome = TypeVar("Outcome")

PATIENCE_S = 60.0  # nothing here takes as long; it only ends what would hang


class Address(Protocol):
    """Where the venue is."""

    @property
    def ws_url(self) -> str: ...
    @property
    def rest_url(self) -> str: ...


class Where(NamedTuple):
    """Where a venue was, is or will be."""

    ws_url: str
    rest_url: str


async def seal_here(name: str, *arguments: str) -> Ended:
    """As `run_child`, without a process of its own, which takes longer than what most tests are
    about. Those of trouble with the disk or with the process have one; so have those that hold the
    lock of a journal, or nothing in here would go on."""
    assert name == "seal"
    data, journal = map(Path, arguments)
    seal_alone(journal, Tape(data), Engine())
    return Ended(0, b"", "")


class Run:
    """One run of the recorder: all frames it took, the rows it made, what it said to people.

    payloads: what came over the websocket so far, in order.
    """

    def __init__(
        self, settings: Settings, clock: Clock = now, sealing: CarryOut = seal_here
    ) -> None:
        self.notices: list[str] = []
        self.frames: list[Frame] = []
        self.rows: list[Row] = []
        self.payloads: list[bytes] = []
        self.stop = asyncio.Event()
        self.recorder = Recorder(settings, self.notices.append, clock)
        self.recorder.intake.listeners.append(self._hear)
        if self.recorder.sealer is not None:
            self.recorder.sealer.carry_out = sealing
        self._task = asyncio.create_task(self.recorder.run(self.stop))

    def kinds(self, *kinds: Kind) -> list[Frame]:
        """The frames of some kinds."""
        return [frame for frame in self.frames if frame.kind in kinds]

    def table(self, name: str) -> list[Row]:
        """The rows of one table."""
        return [row for row in self.rows if name == row.TABLE]

    def sides(self, symbol: str) -> Sides | None:
        """The live book in decimals; None while there is none."""
        book = self.recorder.intake.engine.book(symbol)
        return None if book is None else sides_of(book)

    def last_id(self, symbol: str) -> int | None:
        """Newest update id of the live book."""
        book = self.recorder.intake.engine.book(symbol)
        return None if book is None else book.last_update_id

    def is_live(self, *topics: str) -> bool:
        """Whether all these books are live."""
        state = self.recorder.intake.engine.book_state
        return all(state(topic) is State.LIVE for topic in topics)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that must come true; raises what ended the recorder, if that came
        first, and TimeoutError after a minute."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                if self._task.done():
                    self._task.result()
                    raise AssertionError("the recorder ended before its time")
                await asyncio.sleep(0.005)

    async def heard(self, count: int) -> None:
        """Wait for so many websocket messages."""
        await self.until(lambda: len(self.payloads) >= count)

    def said(self, text: str) -> bool:
        """Whether people were told this."""
        return any(text in notice for notice in self.notices)

    async def ended(self) -> None:
        """Wait until it ends by itself; raises what it raises."""
        async with asyncio.timeout(PATIENCE_S):
            await self._task

    async def finish(self) -> None:
        """Stop in order; raises what the recorder raises."""
        self.stop.set()
        await self._task

    def _hear(self, frame: Frame, rows: list[Row]) -> None:
        self.frames.append(frame)
        self.rows.extend(rows)
        if frame.kind in (Kind.DATA, Kind.BINARY):
            self.payloads.append(frame.payload)


@asynccontextmanager
async def running(
    far_end: Address,
    folder: Path | None,
    *topics: str,
    clock: Clock = now,
    sealing: CarryOut = seal_here,
    **settings: Any,
) -> AsyncIterator[Run]:
    """Record these topics until the block ends, which stops and seals."""
    urls = far_end.ws_url, far_end.rest_url
    run = Run(Settings(topics, folder, *urls, **settings), clock, sealing)
    try:
        yield run
    finally:
        await run.finish()


def sides_of(book: Book) -> Sides:
    """A book of the engine in decimals."""
    return _side(book.bids), _side(book.asks)


def truth(book: ShadowBook) -> Sides:
    """The venue's own book as it is now."""
    now = book.catch_up()
    return dict(now.bids), dict(now.asks)


Scene = Callable[[Path], Awaitable[Outcome]]


class Played(Generic[Outcome]):
    """Scenes that were played side by side, since most of them wait: each in a folder of its own.
    A scene that failed fails only the test that asks for it."""

    def __init__(self, root: Path, outcomes: dict[str, Outcome | BaseException]) -> None:
        self._root = root
        self._outcomes = outcomes

    def folder(self, name: str) -> Path:
        """What the scene has recorded."""
        self.outcome(name)
        return self._root / name

    def outcome(self, name: str) -> Outcome:
        """What it returned; raises what it raised."""
        outcome = self._outcomes[name]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def play(root: Path, scenes: Mapping[str, Scene[Outcome]]) -> Played[Outcome]:
    """Play all of them to their ends."""

    async def all_of_them() -> list[Outcome | BaseException]:
        played = (scene(root / name) for name, scene in scenes.items())
        return await asyncio.gather(*played, return_exceptions=True)

    return Played(root, dict(zip(scenes, asyncio.run(all_of_them()), strict=True)))


def _side(side: BookSide) -> dict[Decimal, Decimal]:
    return {Decimal(level.price).scaleb(-9): Decimal(level.qty).scaleb(-6) for level in side.top()}
