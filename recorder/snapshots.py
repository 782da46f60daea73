"""Fetches by REST what the engine asks for: order book snapshots and missing trades, one
request per symbol and kind at a time."""

import asyncio
from contextlib import suppress
from typing import NamedTuple

from recorder.intake import Intake
from recorder.rest import Rest
from schemas.frames import Kind
from schemas.requests import Request, SnapshotRequest, TradesRequest

BOOKS_IN_A_ROW = 4  # while trades wait
AT_ONCE = 5  # requests on their way; the venue takes up to 0.55 s for a deep book
DEAF_S = 0.25  # how soon to look again whether replies can be taken


class Errand(NamedTuple):
    """What is fetched: the trades of a market that are missing, or its book."""

    trades: bool
    symbol: str


class Snapshots:
    """Requests waiting by symbol; the earlier due time of two for one book counts, and the later
    request of two for trades. Books come first, but every so often trades that wait, as those of
    all markets take most of a minute; audits when nothing else is due. While frames are shed
    nothing is asked for.

    No symbol has two requests of a kind on their way: a reply says nothing of when it was asked
    for, and one asked for before a reconnect must not be taken for a newer one.
    """

    def __init__(self, rest: Rest, intake: Intake) -> None:
        self._rest = rest
        self._intake = intake
        self._due: dict[Errand, float] = {}
        self._audits: dict[Errand, None] = {}  # in order of asking
        self._flying: set[Errand] = set()
        self._in_a_row = 0  # books, since trades were asked for
        self._missing: dict[str, TradesRequest] = {}  # that have not come, the newest by symbol
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Symbols whose snapshot was asked for, or is to be, and has not come."""
        every = self._flying.union(self._due, self._audits)
        return sum(not errand.trades for errand in every)

    @property
    def asked(self) -> list[Request]:
        """What the engine has asked for and has not come."""
        books = {errand.symbol for errand in self._flying.union(self._due) if not errand.trades}
        snapshots = [SnapshotRequest(symbol, 0) for symbol in sorted(books)]
        trades = [request._replace(delay_ns=0) for request in self._missing.values()]
        return [*snapshots, *trades]

    def ask(self, request: Request) -> None:
        """Take a request of the engine."""
        due = asyncio.get_running_loop().time() + request.delay_ns / 1e9
        errand = Errand(isinstance(request, TradesRequest), request.symbol)
        if isinstance(request, TradesRequest):
            self._missing[request.symbol] = request
        else:
            due = min(due, self._due.get(errand, due))
        self._due[errand] = due
        self._changed.set()

    def audit(self, symbol: str) -> None:
        """Fetch the book of a symbol when there is time for it."""
        self._audits[Errand(False, symbol)] = None
        self._changed.set()

    def forget(self, symbol: str) -> None:
        """Nobody needs the book of a symbol any more; what is on its way is taped all the same."""
        self._due.pop(Errand(False, symbol), None)
        self._audits.pop(Errand(False, symbol), None)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as fetches:
            while True:
                await self._wait_until_due()
                await self._rest.turn()
                if (errand := self._next()) is not None:
                    self._due.pop(errand, None)
                    self._audits.pop(errand, None)  # one reply serves both
                    self._flying.add(errand)
                    self._in_a_row = 0 if errand.trades else self._in_a_row + 1
                    fetches.create_task(self._fetch(errand))

    def _next(self) -> Errand | None:
        """Of those that may be asked for now, the book due first, or else the trades (the other way
        round where it is their turn); else the next audit."""
        if len(self._flying) >= AT_ONCE or self._intake.is_deaf:
            return None
        now = asyncio.get_running_loop().time()
        due = (errand for errand in self._waiting() if self._due[errand] <= now)
        turn = self._in_a_row >= BOOKS_IN_A_ROW
        first = min(due, key=lambda one: (one.trades is not turn, self._due[one]), default=None)
        if first is not None:
            return first
        return next((errand for errand in self._audits if errand not in self._flying), None)

    def _waiting(self) -> list[Errand]:
        """Those that are or will be due, and have no request of their kind on its way."""
        return [errand for errand in self._due if errand not in self._flying]

    async def _wait_until_due(self) -> None:
        while True:
            self._changed.clear()
            if self._next() is not None:
                return
            # Not wait_for: up to Python 3.11 it may swallow that we are cancelled (gh-86296).
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._changed.wait()

    def _pause(self) -> float | None:
        """How long nothing can come due unless something changes."""
        if self._intake.is_deaf:
            return DEAF_S
        due = min((self._due[errand] for errand in self._waiting()), default=None)
        if due is None or len(self._flying) >= AT_ONCE:
            return None
        return max(due - asyncio.get_running_loop().time(), 0.0)

    def _path(self, errand: Errand) -> str:
        if not errand.trades:
            return SnapshotRequest(errand.symbol, 0).path
        request = self._missing[errand.symbol]
        newest = self._intake.engine.state.trades(errand.symbol, limit=1)
        return request.path(newest[-1].trade_id if newest else request.last_id)

    def _landed(self, errand: Errand) -> None:
        """What was on its way has come, or will not."""
        self._flying.discard(errand)
        if errand.trades and errand not in self._due:  # nor was it asked for again meanwhile
            del self._missing[errand.symbol]
        self._changed.set()

    async def _fetch(self, errand: Errand) -> None:
        path = self._path(errand)
        self._intake.take(Kind.REQUEST, b"", topic=path)
        try:
            reply = await self._rest.get(path)
        finally:
            self._landed(errand)
        self._intake.take(*reply.taped, topic=path)
