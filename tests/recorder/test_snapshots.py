"""In which order REST is asked for what the engine wants."""

from __future__ import annotations

import asyncio

from recorder.intake import Intake
from recorder.rest import Reply
from recorder.snapshots import Snapshots
from schemas.frames import Frame, Kind, RequestFailed
from schemas.requests import SnapshotRequest, TradesRequest, depth_symbol, rest_symbol
from schemas.rows import Row


class _Far:
    """A venue that refuses at once, and is never in a hurry."""

    async def turn(self) -> None:
        await asyncio.sleep(0)

    async def get(self, path: str) -> Reply:
        await asyncio.sleep(0)
        return Reply(b"", RequestFailed(404, path, ""))


def test_trades_have_their_turn_while_books_wait() -> None:
    """Every fifth, in the order in which they were due; books and trades of the rest after that."""
    asked: list[str] = []
    done = asyncio.Event()
    books, trades = [f"B{at}_USDC" for at in range(20)], [f"T{at}_USDC" for at in range(6)]

    def hear(frame: Frame, rows: list[Row]) -> None:
        del rows
        if frame.kind is Kind.REQUEST:
            asked.append(frame.topic)
        if len(asked) == len(books) + len(trades):
            done.set()

    async def scene() -> None:
        intake = Intake(lambda request: None)
        intake.listeners.append(hear)
        snapshots = Snapshots(_Far(), intake)  # type: ignore[arg-type]
        for symbol in trades:
            snapshots.ask(TradesRequest(symbol, 1, 2, 0))
        for symbol in books:
            snapshots.ask(SnapshotRequest(symbol, 0))
        working = asyncio.create_task(snapshots.run())
        async with asyncio.timeout(10):
            await done.wait()
        working.cancel()

    asyncio.run(scene())
    assert [at for at, path in enumerate(asked) if depth_symbol(path) is None] == [
        4, 9, 14, 19, 24, 25,
    ]  # fmt: skip
    assert sorted(str(rest_symbol(path)) for path in asked) == sorted(books + trades)
