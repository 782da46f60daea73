"""Several shards are served as one recording of all topics would be."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from replay import Replay
from replay.server.playback import State
from schemas.errors import UsageError
from schemas.frames import Kind
from tape.layout import Tape
from tape.reader import segments
from tests.replay.server.stage import Stage, run, serving
from tests.shards import record
from tests.simulate import Plan

SOAK = bool(os.environ.get("SOAK"))
DAY_NS = 86_400 * 10**9
FIRST = Plan(seconds=3)
SECOND = Plan(seed=2, seconds=2, start_ns=FIRST.start_ns + DAY_NS)
SOL, BTC = "depth.SOL_USDC", "depth.BTC_USDC_PERP"
MADE = "depth.600ms.BTC_USDC_PERP", "kline.1m.BTC_USDC_PERP"
PATHS = (
    *("/api/v1/depth?symbol=SOL_USDC", "/api/v1/depth?symbol=BTC_USDC_PERP"),
    *(
        "/api/v1/trades?symbol=BTC_USDC_PERP",
        "/api/v1/trades/history?symbol=BTC_USDC_PERP&offset=9",
    ),
    *("/api/v1/tickers", "/api/v1/markPrices", "/api/v1/markets", "/api/v1/nothing"),
    "/api/v1/klines?symbol=BTC_USDC_PERP&interval=1m&startTime=0",
)


@pytest.fixture(scope="module", params=[3, *[2] * SOAK])
def roots(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """What one has recorded, and what several have."""
    root = tmp_path_factory.mktemp("served")
    record(root / "one", FIRST, 1, rolls=1)
    record(root / "many", FIRST, request.param, rolls=1)
    return root / "one", root / "many"


async def answers(stage: Stage) -> dict[str, Any]:
    return {path: await stage.get(path) for path in PATHS}


async def heard(root: Path, *topics: str) -> dict[str, list[bytes]]:
    """All that a client of these topics, or of all, hears; by topic."""
    found: defaultdict[str, list[bytes]] = defaultdict(list)
    async with serving(root) as stage, stage.client(*(topics or stage.server.topics)) as client:
        await stage.server.ended()
        stage.server.audience.close(1001, "")
        await client.ended()
        for payload in client.payloads:
            found[json.loads(payload)["stream"]].append(payload)
    return found


def test_a_client_hears_the_same_of_each_topic(roots: tuple[Path, Path]) -> None:
    async def scene() -> None:
        one, many = [await heard(root) for root in roots]
        assert one == many
        assert {SOL, BTC, "trade.BTC_USDC_PERP", "markPrice.AAPL.US_USDC_PERP"} <= one.keys()
        async with serving(roots[1]) as stage, stage.client(*stage.server.topics) as client:
            await stage.server.ended()
            stage.server.audience.close(1001, "")
            await client.ended()
            played = [f.payload for f, _ in Replay(roots[1]).frames() if f.kind is Kind.DATA]
            assert client.payloads == played
        some = [await heard(root, SOL, *MADE) for root in roots]
        assert some[0] == some[1]
        assert some[0].keys() >= {SOL, MADE[0]}

    run(scene)


def test_rest_says_the_same_wherever_it_is(roots: tuple[Path, Path]) -> None:
    async def scene() -> None:
        found = []
        for root in roots:
            async with serving(root, start="16:43:10.5") as stage:
                await stage.command(command="pause")
                said = []
                for when in ("16:43:11", "16:43:12.7", "16:43:10.6"):
                    await stage.command(command="seek", to=when)
                    said.append(await answers(stage))
                await stage.command(command="resume")
                await stage.server.playback.until(State.ENDED)
                said.append(await answers(stage))
            found.append(said)
        assert found[0] == found[1]
        assert found[0][0][PATHS[0]] != found[0][1][PATHS[0]]

    run(scene)


def test_a_lost_connection_is_that_of_its_markets(tmp_path: Path) -> None:
    """Who is subscribed to others goes on, and hears all."""
    record(tmp_path, FIRST, 2, lost=2)  # which has SOL_USDC

    async def scene() -> None:
        async with (
            serving(tmp_path) as stage,
            stage.client(SOL) as client,
            stage.client(BTC, "depth.200ms.BTC_USDC_PERP") as other,
        ):
            await client.ended()
            assert client.closed == (1006, "")
            await stage.server.ended()
            stage.server.audience.close(1001, "")
            await other.ended()
            assert other.closed == (1001, "")
            expected = await heard(tmp_path, BTC)
            assert [p for p in other.payloads if b"200ms" not in p] == expected[BTC]
            assert len(client.payloads) > 10

    run(scene)


def test_markets_that_moved_go_on_in_another_recording(tmp_path: Path) -> None:
    """As there are more recorders on the next day: clients begin anew, as with one that stopped."""
    for plan, of in ((FIRST, 2), (SECOND, 3)):
        record(tmp_path / "one", plan, 1)
        record(tmp_path / "many", plan, of)

    async def scene() -> None:
        found = []
        for root in (tmp_path / "one", tmp_path / "many"):
            async with serving(root) as stage, stage.client(SOL) as client:
                await stage.server.ended()
                await client.ended()
                assert client.closed is not None
                heard_and_said = client.payloads, client.closed[0], await answers(stage)
            async with serving(root) as stage:
                await stage.command(command="pause")
                await stage.command(command="seek", to="2026-09-03T16:43:11")
                amid = await answers(stage)
                assert amid[PATHS[0]][0] == 200
                found.append((*heard_and_said, amid))
        assert found[0] == found[1]

    run(scene)


def test_positions_are_of_any_of_them(roots: tuple[Path, Path]) -> None:
    """A frame of a session, a loop, steps, breakpoints: all from there on."""
    _, many = roots
    root = max(many.iterdir())
    session = segments(Tape.open(root))[0].session

    async def scene() -> None:
        async with serving(many) as stage:
            await stage.command(command="pause")
            at = await stage.command(command="seek", to=f"{session}#40")
            assert (at["state"], at["seq"]) == ("paused", 39)
            at = await stage.command(command="step", frames=30)
            assert at["time"] > "2026-09-02T16:43:10"
            await stage.command(command="break", on="trade>0.0001", symbol="BTC_USDC_PERP")
            await stage.command(command="resume")
            at = await stage.command(command="wait")
            assert at["hit"]["symbol"] == "BTC_USDC_PERP"
            await stage.command(command="clear")
            await stage.command(command="loop", start="16:43:11", until="16:43:12")
            await stage.command(command="resume")
            await stage.server.playback.until(State.PLAYING)
            said = await stage.command(command="seek", to="20200101T000000Z#1")
            assert session in str(said["error"])

    run(scene)


def test_the_same_market_twice_at_a_time_is_refused(tmp_path: Path) -> None:
    record(tmp_path, FIRST, 1)
    record(tmp_path, FIRST, 2)

    async def scene() -> None:
        with pytest.raises(UsageError, match="bp-tape union"):
            async with serving(tmp_path):
                pass

    run(scene)
