"""Feeds through the venue: whole, in order, without holes over rounds, and REST true at the end."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from decimal import Decimal

from websockets.asyncio.client import connect

from tests.shared import ROOT, SPLIT, needs_shared
from tests.simulate import Plan, simulate
from tests.venue import (
    Feed,
    Play,
    TimedFrame,
    Venue,
    WaitSubscribed,
    load_real,
    of_session,
)
from tests.venue.client import get, run, subscribe


def plain_book(body: str, frames: list[str]) -> tuple[dict[Decimal, Decimal], ...]:
    """Asks and bids after some frames, in the dumbest way."""
    snapshot = json.loads(body)
    sides = tuple({Decimal(p): Decimal(q) for p, q in snapshot[name]} for name in ("asks", "bids"))
    for text in frames:
        data = json.loads(text)["data"]
        if data["u"] > int(snapshot["lastUpdateId"]):
            for side, key in zip(sides, "ab", strict=True):
                side.update({Decimal(p): Decimal(q) for p, q in data[key]})
    return tuple({p: q for p, q in side.items() if q} for side in sides)


async def collect(feed: Feed, count: int, stop: int | None, topics: set[str]) -> list[str]:
    """Play a feed to one client at full speed; check REST against what it got; return that."""
    async with Venue.of_feed(feed, [WaitSubscribed(), Play(feed, None, 0, stop)]) as venue:
        async with connect(venue.ws_url, compression=None) as ws:
            await subscribe(ws, *topics)
            got = [str(await ws.recv()) for _ in range(count)]
        await venue.finished()
        for symbol, start in feed.snapshots.items():
            body = (await get(venue, f"/api/v1/depth?symbol={symbol}"))[1]
            mine = [text for text in got if text.endswith(f'"stream":"depth.{symbol}"}}')]
            assert json.loads(body)["lastUpdateId"] == str(json.loads(mine[-1])["data"]["u"])
            assert plain_book(body, []) == plain_book(start, mine)
        assert sum(venue.counts.values()) == count
        return got


def test_simulated_feed_arrives_whole_and_rest_is_true() -> None:
    session = simulate(Plan(seed=3, seconds=20))

    async def scene() -> None:
        feed = of_session(session)
        got = await collect(feed, len(session.frames), None, set(session.topics))
        assert got == [frame.text for frame in session.frames]

    run(scene)


def test_rounds_of_a_feed_have_no_holes() -> None:
    session = simulate(Plan(seed=3, seconds=3))
    total = 3 * len(session.frames)

    async def scene() -> None:
        feed = of_session(session)
        got = await collect(feed, total, total, set(session.topics))
        last: dict[str, int] = {}
        for text in got:
            envelope = json.loads(text)
            data, topic = envelope["data"], envelope["stream"]
            first = data.get("U") if topic.startswith("depth.") else data.get("t")
            if isinstance(first, int):
                assert first == last.get(topic, first - 1) + 1
                last[topic] = data["u"] if topic.startswith("depth.") else first

    run(scene)


@needs_shared
def test_real_capture_plays() -> None:
    async def scene() -> None:
        whole = load_real(SPLIT)
        feed = Feed(whole.frames[:3000], whole.snapshots, whole.markets)
        got = await collect(feed, 3000, None, set(feed.topics))
        assert got == [frame.text for frame in feed.frames]

    run(scene)


def test_paced_feed_takes_its_time() -> None:
    session = simulate(Plan(seconds=1))
    texts = [frame.text for frame in session.frames if '"depth.SOL_USDC"' in frame.text][:5]
    feed = Feed([TimedFrame(i * 100_000_000, text) for i, text in enumerate(texts)])

    async def scene() -> None:
        script = [WaitSubscribed(), Play(feed, speed=4.0)]
        async with Venue.of_feed(feed, script) as venue, connect(venue.ws_url) as ws:
            await subscribe(ws, "depth.SOL_USDC")
            loop = asyncio.get_running_loop()
            await ws.recv()
            begun = loop.time()
            assert [await ws.recv() for _ in range(4)] == texts[1:]
            assert 0.08 < loop.time() - begun < 0.5

    run(scene)


def test_venue_as_a_process() -> None:
    async def scene() -> None:
        options = ["--feed", "sim", "--seconds", "2", "--speed", "max", "--frames", "2000"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.venue", *options, "--expect", "all"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        ready = json.loads(await process.stdout.readline())
        async with connect(ready["ws"]) as ws:
            await subscribe(ws, *ready["topics"])
            got = [json.loads(await ws.recv())["stream"] for _ in range(2000)]
            played = json.loads(await process.stdout.readline())
        assert played["topics"] == Counter(got)
        process.terminate()
        assert await process.wait() == 0

    run(scene)
