"""Carries out the engine's requests for snapshots: each symbol once, when due, in turn."""

import asyncio

from recorder.intake import Intake
from recorder.rest import Rest
from schemas.frames import Kind, to_json
from schemas.requests import SnapshotRequest

AT_ONCE = 5  # requests on their way; the venue takes up to 0.55 s for a deep book


class Snapshots:
    """Requests waiting by symbol; the earlier due time of two for one symbol counts."""

    def __init__(self, rest: Rest, intake: Intake) -> None:
        self._rest = rest
        self._intake = intake
        self._due: dict[str, float] = {}
        self._flying: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    def ask(self, request: SnapshotRequest) -> None:
        """Take a request of the engine."""
        due = asyncio.get_running_loop().time() + request.delay_ns / 1e9
        self._due[request.symbol] = min(due, self._due.get(request.symbol, due))
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                await self._wait_until_due()
                await self._rest.turn()
                symbol = min(self._due, key=lambda name: self._due[name])
                del self._due[symbol]
                task = asyncio.create_task(self._fetch(symbol))
                self._flying.add(task)
                task.add_done_callback(self._landed)
        finally:
            for task in self._flying:
                task.cancel()

    async def _wait_until_due(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            wait = None
            if self._due and len(self._flying) < AT_ONCE:
                wait = min(self._due.values()) - loop.time()
                if wait <= 0:
                    return
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                continue

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._changed.set()

    async def _fetch(self, symbol: str) -> None:
        path = SnapshotRequest(symbol, 0).path
        self._intake.take(Kind.REQUEST, b"", topic=path)
        reply = await self._rest.get(path)
        if reply.failure is None:
            self._intake.take(Kind.REPLY, reply.body, topic=path)
        else:
            self._intake.take(Kind.FAILED, to_json(reply.failure), topic=path)
