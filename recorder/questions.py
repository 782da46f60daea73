"""Asks REST about silent topics, sparingly; each request and reply is taped."""

import asyncio
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from market.control import UNREADABLE
from recorder.cadences import Asks
from recorder.catalogue import Market
from recorder.intake import Intake
from recorder.judge import Word
from recorder.marks import Mark, reply_mark
from recorder.rest import Rest
from recorder.snapshots import Snapshots
from schemas.frames import Frame, Kind, RequestFailed
from schemas.requests import SnapshotRequest, depth_symbol
from schemas.rows import Row

# How the venue refuses a market (protocol section 6); a proxy in between would say it otherwise.
_REFUSALS = frozenset(
    ("INVALID_CLIENT_REQUEST", "INVALID_MARKET", "INVALID_SYMBOL", "RESOURCE_NOT_FOUND")
)
_STREAMING = frozenset(("Open", "PostOnly", None))  # of orderBookState; others say nothing
_REST = frozenset((Kind.REQUEST, Kind.REPLY, Kind.FAILED))


class Answer(NamedTuple):
    """What came of a request. asked, landed: by the monotonic clock, ns."""

    asked: int
    landed: int
    word: Word
    detail: str
    mark: Mark | None = None


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""


_failed = msgspec.json.Decoder(RequestFailed).decode
_error = msgspec.json.Decoder(_Error).decode
_market = msgspec.json.Decoder(Market).decode


class Questions:
    """Asks one thing after another, and keeps the newest answer of each path. Books are asked for
    by `Snapshots`, so that a reply serves joins, audits and us alike, whoever asked.

    touches: markets of whose books the best prices are wanted too.
    """

    def __init__(self, rest: Rest, intake: Intake, snapshots: Snapshots) -> None:
        self.touches: set[str] = set()
        self._rest = rest
        self._intake = intake
        self._snapshots = snapshots
        self._answers: dict[str, Answer] = {}
        self._flying: dict[str, int] = {}  # by path, when it was asked for
        self._waiting: dict[str, Asks] = {}
        self._ours: dict[str, Asks] = {}
        self._changed = asyncio.Event()

    def ask(self, asks: Asks, symbol: str) -> None:
        """Ask about a market as soon as there is time for it."""
        if asks is Asks.BOOK:
            self._snapshots.audit(symbol)
        else:
            self._waiting[path_of(asks, symbol)] = asks
            self._changed.set()

    def answer(self, path: str) -> Answer | None:
        """The newest answer."""
        return self._answers.get(path)

    async def run(self) -> None:
        """Work until cancelled: one request at a time."""
        while True:
            while not self._waiting:
                self._changed.clear()
                await self._changed.wait()
            await self._rest.turn()
            path = next(iter(self._waiting))
            asks = self._waiting.pop(path)
            if not self._intake.memory.shedding:
                self._ours[path] = asks
                await self._fetch(path)

    async def _fetch(self, path: str) -> None:
        self._intake.take(Kind.REQUEST, b"", topic=path)
        reply = await self._rest.get(path)
        self._intake.take(*reply.taped, topic=path)

    def hear(self, frame: Frame, rows: list[Row]) -> None:
        """Listens to the intake."""
        del rows
        if frame.kind not in _REST:
            return
        asks = self._ours.get(frame.topic)
        if asks is None and depth_symbol(frame.topic) is not None:
            asks = Asks.BOOK
        if asks is None:
            return
        if frame.kind is Kind.REQUEST:
            self._flying[frame.topic] = frame.ts_mono
        elif (asked := self._flying.pop(frame.topic, None)) is not None:
            self._answers[frame.topic] = self._read(frame, asks, asked)

    def _read(self, frame: Frame, asks: Asks, asked: int) -> Answer:
        try:
            if frame.kind is Kind.FAILED:
                return Answer(asked, frame.ts_mono, *_why(_failed(frame.payload)))
            if asks is Asks.MARKET:
                return Answer(asked, frame.ts_mono, *_state(frame.payload))
            touch = depth_symbol(frame.topic) in self.touches
            mark = reply_mark(asks, frame.payload, touch)
        except UNREADABLE as error:
            return Answer(asked, frame.ts_mono, Word.NO_ANSWER, f"a reply cannot be read: {error}")
        return Answer(asked, frame.ts_mono, Word.LISTED, f"REST is at id {mark.id}", mark)


def path_of(asks: Asks, symbol: str) -> str:
    """Path and query of a request; empty where there is nothing to ask."""
    name = quote(symbol, safe="")
    match asks:
        case Asks.BOOK:
            return SnapshotRequest(symbol, 0).path
        case Asks.TRADES:
            return f"/api/v1/trades?symbol={name}&limit=1"
        case Asks.MARKET:
            return f"/api/v1/market?symbol={name}"
    return ""


def _why(failure: RequestFailed) -> tuple[Word, str]:
    """A failure: the venue says that there is no such market, or it says nothing of it."""
    told = f"HTTP {failure.status} {failure.error}" if failure.status else failure.error
    if failure.status in (400, 404):
        try:
            error = _error(failure.body)
        except UNREADABLE:
            return Word.NO_ANSWER, f"REST: {told}"
        if error.code in _REFUSALS:
            return Word.NO_MARKET, f"REST: {failure.status} {error.message}"
    return Word.NO_ANSWER, f"REST: {told}"


def _state(body: bytes) -> tuple[Word, str]:
    state = _market(body).orderBookState
    word = Word.LISTED if state in _STREAMING else Word.NO_MARKET
    return word, f"its market is {state}"
