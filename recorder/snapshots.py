"""Carries out the engine's requests for snapshots: each symbol once, when due, in turn."""

import asyncio

from recorder.intake import Intake
from recorder.rest import Rest
from schemas.frames import Kind, to_json
from schemas.requests import SnapshotRequest

AT_ONCE = 5  # requests on their way; the venue takes up to 0.55 s for a deep book


class Snapshots:
    """Requests waiting by symbol; the earlier due time of two for one symbol counts.

    No symbol has two requests on their way: a reply says nothing of when it was asked for, and one
    asked for before a reconnect must not be taken for a newer one.
    """

    def __init__(self, rest: Rest, intake: Intake) -> None:
        self._rest = rest
        self._intake = intake
        self._due: dict[str, float] = {}
        self._flying: set[str] = set()
        self._changed = asyncio.Event()

    def ask(self, request: SnapshotRequest) -> None:
        """Take a request of the engine."""
        due = asyncio.get_running_loop().time() + request.delay_ns / 1e9
        self._due[request.symbol] = min(due, self._due.get(request.symbol, due))
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as fetches:
            while True:
                await self._wait_until_due()
                await self._rest.turn()
                if (symbol := self._next()) is not None:  # it was due before the turn came
                    del self._due[symbol]
                    self._flying.add(symbol)
                    fetches.create_task(self._fetch(symbol))

    def _next(self) -> str | None:
        """The symbol due first, of those that may be asked for now."""
        if len(self._flying) >= AT_ONCE:
            return None
        waiting = (symbol for symbol in self._due if symbol not in self._flying)
        return min(waiting, key=lambda symbol: self._due[symbol], default=None)

    async def _wait_until_due(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            symbol = self._next()
            wait = None if symbol is None else self._due[symbol] - loop.time()
            if wait is not None and wait <= 0:
                return
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                continue

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
