"""Nothing of an account is served, be it readable or not, and all else is to the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.market.texts import WELL_FORMED
from tests.replay.mixed import MARK, OF_ACCOUNT, PUBLIC, play
from tests.replay.server.stage import run, serving

MOVES = ("trade", "order", "unread", "binary", "trade", "roll", "order", "unread", "trade", "order")


@pytest.mark.parametrize("crash", [True, False])
def test_only_what_is_public_goes_out(tmp_path: Path, crash: bool) -> None:
    """Also where the last frame of all is of the account."""
    recording = play(tmp_path / "tape", MOVES, (*PUBLIC, *OF_ACCOUNT))
    tape = recording.crash() if crash else recording.stop()

    async def scene() -> None:
        async with serving(tape.root) as stage, stage.client("trade.SOL_USDC") as client:
            await stage.server.ended()
            await client.count(3)
            assert client.payloads == [WELL_FORMED["trade"].encode()] * 3
            assert not any(MARK.encode() in payload for payload in client.payloads)
            said = await stage.command(command="seek", to=f"#{recording.frames[-1].seq}")
            assert "error" not in said, said

    run(scene)
