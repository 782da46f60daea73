"""The journals of a session that may hear of an account are for their owner."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from recorder.intake import Intake
from recorder.memory import Memory
from recorder.settings import Settings
from recorder.store import Store


async def modes(data: Path, topics: tuple[str, ...]) -> set[int]:
    """Of the journals of a session that has begun and rolled once."""
    intake = Intake(lambda request: None, Memory(1 << 20))
    settings = Settings(topics, data, roll=0.01)
    store = Store(intake, None, settings, lambda text: None)
    await store.begin(lambda: topics)
    running = asyncio.create_task(store.run())
    while len(found := sorted((data / "journal").iterdir())) < 2:
        await asyncio.sleep(0.005)
    modes = {path.stat().st_mode & 0o777 for path in found}
    running.cancel()
    await asyncio.wait([running])
    await store.finish()
    store.close()
    return modes


@pytest.mark.parametrize("private", [True, False])
def test_its_journals_are_for_its_owner(tmp_path: Path, private: bool) -> None:
    topics = ("trade.X", "account.orderUpdate") if private else ("trade.X",)
    before = os.umask(0o002)
    try:
        assert asyncio.run(modes(tmp_path / "data", topics)) == {0o600 if private else 0o664}
    finally:
        os.umask(before)
