"""Carries out requests for snapshots: each symbol once, when due, in turn."""

import asyncio
from contextlib import suppress

from recorder.intake import Intake
from recorder.rest import Rest
from schemas.frames import Kind, to_json
from schemas.requests import SnapshotRequest

AT_ONCE = 5  # requests on their way; the venue takes up to 0.55 s for a deep book
DEAF_S = 0.25  # how soon to look again whether replies can be taken


class Snapshots:
    """Requests waiting by symbol; the earlier due time of two for one symbol counts. Audits come
    when nothing else is due. While frames of books are shed nothing is asked for.

    No symbol has two requests on their way: a reply says nothing of when it was asked for, and one
    asked for before a reconnect must not be taken for a newer one.
    """

    def __init__(self, rest: Rest, intake: Intake) -> None:
        self._rest = rest
        self._intake = intake
        self._due: dict[str, float] = {}
        self._audits: dict[str, None] = {}  # in order of asking
        self._flying: set[str] = set()
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Symbols whose snapshot was asked for, or is to be, and has not come."""
        return len(self._flying.union(self._due, self._audits))

    def ask(self, request: SnapshotRequest) -> None:
        """Take a request of the engine."""
        due = asyncio.get_running_loop().time() + request.delay_ns / 1e9
        self._due[request.symbol] = min(due, self._due.get(request.symbol, due))
        self._changed.set()

    def audit(self, symbol: str) -> None:
        """Fetch the book of a symbol when there is time for it."""
        self._audits[symbol] = None
        self._changed.set()

    def forget(self, symbol: str) -> None:
        """Nobody needs the book of a symbol any more; what is on its way is taped all the same."""
        self._due.pop(symbol, None)
        self._audits.pop(symbol, None)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as fetches:
            while True:
                await self._wait_until_due()
                await self._rest.turn()
                if (symbol := self._next()) is not None:
                    self._due.pop(symbol, None)
                    self._audits.pop(symbol, None)  # one reply serves both
                    self._flying.add(symbol)
                    fetches.create_task(self._fetch(symbol))

    def _next(self) -> str | None:
        """The symbol due first, of those that may be asked for now; else the next audit."""
        if len(self._flying) >= AT_ONCE or self._intake.is_deaf:
            return None
        symbol = self._first()
        if symbol is not None and self._due[symbol] <= asyncio.get_running_loop().time():
            return symbol
        return next((symbol for symbol in self._audits if symbol not in self._flying), None)

    def _first(self) -> str | None:
        """The symbol due first that has no request on its way."""
        waiting = (symbol for symbol in self._due if symbol not in self._flying)
        return min(waiting, key=lambda symbol: self._due[symbol], default=None)

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
        symbol = self._first()
        if symbol is None or len(self._flying) >= AT_ONCE:
            return None
        return max(self._due[symbol] - asyncio.get_running_loop().time(), 0.0)

    async def _fetch(self, symbol: str) -> None:
        path = SnapshotRequest(symbol, 0).path
        self._intake.take(Kind.REQUEST, b"", topic=path)
        try:
            reply = await self._rest.get(path)
        finally:
            self._flying.discard(symbol)
            self._changed.set()
        if reply.failure is None:
            self._intake.take(Kind.REPLY, reply.body, topic=path)
        else:
            self._intake.take(Kind.FAILED, to_json(reply.failure), topic=path)
