"""All parts together over real sockets: REST, made streams, faults on purpose, today's time."""

import asyncio
import json
import re
import time
from typing import Any

import aiohttp
import pytest

from replay.server.chaos import Chaos
from replay.server.playback import State
from tests.replay.server.stage import SAMPLE, Stage, messages, recorded, run, serving
from tests.tapes import Recording

SOL = "depth.SOL_USDC"


async def _body(stage: Stage, path: str, method: str = "GET") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, stage.server.rest_url + path) as reply,
    ):
        return reply.status, await reply.text()


def test_rest_is_as_of_now() -> None:
    """The book that REST gives joins the stream, wherever that is."""

    async def scene() -> None:
        async with serving() as stage:
            await stage.command(command="pause")
            seen = []
            for seq in (1, 900, 3_000, 6_000):
                await stage.command(command="seek", to=f"#{seq}")
                status, book = await stage.get("/api/v1/depth?symbol=SOL_USDC&limit=5")
                assert status == 200
                assert len(book["bids"]) <= 5
                seen.append(int(book["lastUpdateId"]))
            assert seen == sorted(seen)
            assert seen[-1] > seen[0]
            depth = messages(SAMPLE, SOL, upto=5_999)
            assert seen[-1] == json.loads(depth[-1])["data"]["u"]

    run(scene)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/api/v1/depth?symbol=NO_SUCH", 400, "Invalid market symbol"),
        ("GET", "/api/v1/nothing", 404, "not found"),
        ("GET", "/", 404, "not found"),
        ("GET", "/%00/../etc/passwd", 404, "not found"),
        ("POST", "/api/v1/order", 404, "not found"),
        ("POST", "/api/v1/depth", 405, "method not allowed"),
        ("DELETE", "/api/v1/orders", 404, "not found"),
        ("GET", "/api/v1/ping", 200, "pong"),
    ],
)
def test_what_is_not_there_is_refused(method: str, path: str, status: int, text: str) -> None:
    """Paths and methods; in the venue's words where it has some."""

    async def scene() -> None:
        async with serving() as stage:
            found = await _body(stage, path, method)
            assert found[0] == status
            assert text in found[1]

    run(scene)


def test_streams_that_were_not_recorded_are_made() -> None:
    """Throttled depth chains like the venue's, and the log says that it was made."""

    async def scene() -> None:
        topics = "depth.1000ms.BTC_USDC_PERP", "kline.3m.BTC_USDC_PERP"
        async with serving() as stage, stage.client(*topics) as client:
            await stage.server.ended()
            await client.until(lambda: len(client.heard) > 55)
            assert {str(facts["topic"]) for facts in stage.said("derived")} == {*topics}
            events = [json.loads(text) for text in client.heard]
            depth = [e["data"] for e in events if e["stream"] == topics[0]]
            candles = [e["data"] for e in events if e["stream"] == topics[1]]
            last: int | None = None
            for frame in depth:
                assert last is None or frame["U"] == last + 1
                last = frame["u"]
            trades = [json.loads(text)["data"] for text in messages(SAMPLE, "trade.BTC_USDC_PERP")]
            passed = [trade for trade in trades if trade["E"] < candles[-1]["E"] - 100_000]
            near = [trade for trade in trades[len(passed) - 1 :] if trade["E"] < candles[-1]["E"]]
            assert candles[-1]["c"] in {trade["p"].rstrip("0").rstrip(".") for trade in near}

    run(scene)


async def _bad_day(chaos: str, speed: float | None) -> tuple[list[bytes], dict[str, int]]:
    async with (
        serving(chaos=Chaos.parse(chaos), speed=speed) as stage,
        stage.client(*stage.server.topics) as client,
    ):
        await stage.server.ended()
        await client.until(lambda: all(not c.waiting for c in stage.server.audience.clients))
        await asyncio.sleep(0.1)
        return client.payloads, stage.server.faults


def test_a_bad_day_is_the_same_each_time() -> None:
    """Dropped, repeated and late frames, whatever the speed."""

    async def scene() -> None:
        chaos = "seed=7,drop=0.01,dup=0.02,delay=0.01:250ms"
        heard, faults = await _bad_day(chaos, None)
        again, same = await _bad_day(chaos, 40.0)
        other, _ = await _bad_day(chaos.replace("7", "8"), None)
        assert heard == again != other
        assert faults == same
        assert all(faults[kind] > 20 for kind in ("drop", "dup", "delay"))
        all_of_them = messages()
        assert len(heard) == len(all_of_them) - faults["drop"] + faults["dup"]
        assert set(heard) <= set(all_of_them)
        assert heard != all_of_them

    run(scene)


def test_connections_are_cut_on_purpose() -> None:
    """And REST fails now and then."""

    async def scene() -> None:
        chaos = Chaos.parse("seed=1,disconnect=0.01,rest=0.5")
        async with serving(chaos=chaos) as stage:
            async with stage.client(SOL) as client:
                await client.ended()
                assert client.closed == (1006, "")
            statuses = {(await _body(stage, "/api/v1/ping"))[0] for _ in range(40)}
            assert statuses <= {200, 429, 500, 503}
            assert len(statuses) > 2

    run(scene)


def test_timestamps_of_today() -> None:
    """In frames and replies; the rest is as it was."""

    async def scene() -> None:
        now = time.time_ns()
        async with (
            serving(session_now=True) as stage,
            stage.client(*stage.server.topics) as client,
        ):
            await stage.server.ended()
            expected = messages()
            await client.count(len(expected))
            emitted = [_emitted(text) for text in client.payloads]
            shifts = {
                a - b
                for a, b in zip(emitted, map(_emitted, expected), strict=True)
                if a is not None and b is not None
            }
            assert len(shifts) == 1
            assert abs(min(e for e in emitted if e) * 1_000 - now) < 5_000_000_000
            for ours, theirs in zip(client.payloads, expected, strict=True):
                assert _without_times(ours) == _without_times(theirs)
            said = int((await _body(stage, "/api/v1/time"))[1])
            assert abs(said * 1_000_000 - now - 60_000_000_000) < 5_000_000_000

    run(scene)


def _emitted(payload: bytes) -> int | None:
    found: int | None = json.loads(payload)["data"].get("E")
    return found


def _without_times(payload: bytes) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(payload)
    data = event["data"]
    for name in ("E", "T", "timestamp"):
        data.pop(name, None)
    if data.get("e") == "kline":
        data.pop("t")
    if data.get("e") == "markPrice":
        data.pop("n", None)
    return event


def test_a_made_day_is_paced(recording: Recording) -> None:
    """At ten times the pace it takes a tenth of the time, and is never early."""

    async def scene() -> None:
        data = recording.tape.root
        filed = recorded(data)
        first, last = filed[0].frame, filed[-1].frame
        async with (
            serving(data, speed=10.0) as stage,
            stage.client(*stage.server.topics) as client,
        ):
            await client.until(lambda: stage.server.playback.state is State.PLAYING)
            began = time.monotonic()
            await stage.server.ended()
            took = time.monotonic() - began
            length = (last.ts_mono - first.ts_mono) / 1e9 / 10
            assert took >= length - 0.05
            assert client.payloads == messages(data)[: len(client.heard)]

    run(scene)


def test_only_what_is_asked_for_is_served() -> None:
    """--topics, --from, --until."""

    async def scene() -> None:
        topics = ("*.SOL_USDC",)
        async with serving(topics=topics, start="16:43:20", until="16:43:40") as stage:
            assert all(re.search("SOL_USDC$", topic) for topic in stage.server.topics)
            async with stage.client(SOL, "depth.BTC_USDC_PERP") as client:
                await stage.server.ended()
                course = stage.server.playback.course
                expected = messages(SAMPLE, SOL, upto=course.end.seq)
                skipped = len(messages(SAMPLE, SOL, upto=course.start.seq))
                await client.count(len(expected) - skipped)
                assert client.payloads == expected[skipped:]

    run(scene)


def test_what_is_not_served_is_not_put_off_either(eventful_recording: Recording) -> None:
    """On a bad day too: neither streams that were left out, nor answers to the recorder."""

    async def scene() -> None:
        chaos = Chaos.parse("seed=1,delay=1:10ms")
        data = eventful_recording.tape.root
        async with (
            serving(data, chaos=chaos, topics=(SOL,)) as stage,
            stage.client(SOL, "depth.BTC_USDC_PERP") as client,
        ):
            await client.ended()
            assert client.heard
            assert not [text for text in client.payloads if b'"error"' in text or b"BTC" in text]

    run(scene)
