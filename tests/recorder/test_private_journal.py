"""The journals of a session that may hear of an account are for their owner."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from recorder.intake import Intake
from recorder.memory import Memory
from recorder.settings import Settings
from recorder.store import Store


async def begun(data: Path, topics: tuple[str, ...]) -> Sequence[Path]:
    """The journals of a session that has begun and rolled once."""
    intake = Intake(lambda request: None, Memory(1 << 20))
    settings = Settings(topics, data, roll=0.01)
    store = Store(intake, None, settings, lambda text: None)
    await store.begin(topics)
    running = asyncio.create_task(store.run())
    while len(found := sorted((data / "journal").iterdir())) < 2:
        await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.wait([running])
    await store.finish()
    store.close()
    return found


@pytest.mark.parametrize("private", [True, False])
def test_its_journals_are_for_its_owner(tmp_path: Path, private: bool) -> None:
    topics = ("trade.X", "account.orderUpdate") if private else ("trade.X",)
    before = os.umask(0o002)
    try:
        journals = asyncio.run(begun(tmp_path / "data", topics))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in journals} == {0o600 if private else 0o664}
