"""What waits for something, or for so long at most, ends when it is told to."""

import asyncio

import pytest

from recorder.snapshots import Snapshots
from schemas.requests import SnapshotRequest
from tests.test_house import everything


class _Nothing:
    """A recorder's rest and intake as far as a wait needs them."""

    is_deaf = False


@pytest.mark.parametrize("ticks", range(6))
def test_a_wait_that_is_over_does_not_swallow_the_end(ticks: int) -> None:
    """Told so in the turn in which what it waited for has come, or soon after."""

    async def scene() -> None:
        nothing = _Nothing()
        snapshots = Snapshots(nothing, nothing)  # type: ignore[arg-type]
        waiting = asyncio.create_task(snapshots.run())
        await asyncio.sleep(0.01)
        snapshots.ask(SnapshotRequest("SOL_USDC", 60_000_000_000))
        await asyncio.sleep(0.01)
        snapshots.ask(SnapshotRequest("BTC_USDC", 60_000_000_000))
        for _ in range(ticks):
            await asyncio.sleep(0)
        waiting.cancel()
        done, _ = await asyncio.wait([waiting], timeout=1.0)
        waiting.cancel()
        assert done
        assert waiting.cancelled()

    asyncio.run(scene())


def test_nobody_waits_in_a_way_that_swallows_it() -> None:
    """``asyncio.wait_for`` does, up to Python 3.11, where what it waits for comes in that turn."""
    users = {s.name for s in everything() if "asyncio.wait_for(" in s.path.read_text("utf-8")}
    assert not users
