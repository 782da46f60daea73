"""The control endpoint: pause, step, speed, seek, loop, breakpoints."""

import asyncio
from typing import Any

import aiohttp
import pytest

from replay.server.playback import State
from schemas.frames import Kind
from tape.moment import stamp
from tests.replay.server.stage import SAMPLE, Stage, messages, recorded, run, serving
from tests.tapes import Recording

SOL = "depth.SOL_USDC"


def test_status_says_where_it_is() -> None:
    """GET tells; it changes nothing."""

    async def scene() -> None:
        async with serving() as stage, stage.client(SOL) as client:
            await client.until(lambda: bool(stage.server.audience.wanted))
            status, said = await stage.get("/control")
            assert status == 200
            assert said["state"] in ("waiting", "playing")
            assert said["session"] == "20260902T164310Z-0007"
            assert said["speed"] == "max"
            assert said["clients"][0]["topics"] == 1
            assert set(said) == {
                *("state", "time", "session", "seq", "speed", "hit", "breakpoints", "loop"),
                *("faults", "clients"),
            }

    run(scene)


def test_steps_pass_so_many_frames() -> None:
    """And no more; the answer comes when they have passed."""

    async def scene() -> None:
        async with serving(speed=1.0) as stage:
            await stage.command(command="pause")
            at = (await stage.command(command="seek", to="#100"))["seq"]
            assert at == 99
            async with stage.client(*stage.server.topics) as client:
                await client.until(lambda: bool(stage.server.audience.wanted))
                for count in (1, 1, 5):
                    said = await stage.command(command="step", frames=count)
                    at += count
                    assert said["seq"] == at
                    assert said["state"] == "paused"
                sent = [f.frame.payload for f in recorded() if 100 <= f.frame.seq <= at]
                await client.count(len(sent))
                assert client.payloads == sent

    run(scene)


def test_pause_stops_time_and_resume_goes_on() -> None:
    """REST is asked what time it is."""

    async def scene() -> None:
        async with serving(speed=5.0) as stage:
            await stage.command(command="pause")
            before = (await stage.get("/api/v1/time"))[1]
            await asyncio.sleep(0.05)
            assert (await stage.get("/api/v1/time"))[1] == before
            await stage.command(command="resume")
            await asyncio.sleep(0.1)
            assert int((await stage.get("/api/v1/time"))[1]) >= int(before) + 400
            assert (await stage.command(command="speed", speed="max"))["speed"] == "max"
            assert (await stage.command(command="wait"))["state"] == "ended"

    run(scene)


@pytest.mark.parametrize("seq", [1, 2_345, 6_906])
def test_seeking_goes_both_ways(seq: int) -> None:
    """To a number or a time; connections are closed, and what follows is what follows there."""

    async def scene() -> None:
        there = next(f.frame for f in recorded() if f.frame.seq == seq)
        async with serving() as stage:
            await stage.command(command="pause")
            async with stage.client(SOL) as client:
                for to in (f"#{seq}", f"20260902T164310Z-0007#{seq}", stamp(there.ts_recv)):
                    await stage.command(command="seek", to="#4000")
                    said = await stage.command(command="seek", to=to)
                    assert said["seq"] == seq - 1
                await client.ended()
                assert client.closed == (1012, "the replay was moved")
            async with stage.client(SOL) as client:
                await client.until(lambda: bool(stage.server.audience.wanted))
                await stage.command(command="resume")
                assert (await stage.command(command="wait"))["state"] == "ended"
                expected = messages(SAMPLE, SOL)[len(messages(SAMPLE, SOL, upto=seq - 1)) :]
                await client.count(len(expected))
                assert client.payloads == expected

    run(scene)


def test_a_loop_is_played_over_and_over() -> None:
    """Each round on new connections."""

    async def scene() -> None:
        async with serving() as stage:
            await stage.command(command="loop", start="#500", until="#900")
            between = [
                f.frame.payload
                for f in recorded()
                if 500 <= f.frame.seq < 900 and f.topic == SOL and f.frame.kind is Kind.DATA
            ]
            for _ in range(3):
                async with stage.client(SOL) as client:
                    await client.ended()
                    assert client.payloads == between
            assert (await stage.command(command="loop"))["loop"] is None

    run(scene)


async def stops(stage: Stage, **condition: object) -> list[dict[str, Any]]:
    """Everything that a breakpoint stops at."""
    await stage.command(command="pause")
    await stage.command(command="seek", to="#1")
    await stage.command(command="break", **condition)
    found: list[dict[str, Any]] = []
    while True:
        await stage.command(command="resume")
        said = await stage.command(command="wait")
        if said["state"] == "ended":
            return found
        found.append(said["hit"] | {"seq": said["seq"]})


def test_a_breakpoint_stops_at_each_large_trade() -> None:
    """Right behind its frame."""

    async def scene() -> None:
        async with serving() as stage:
            hits = await stops(stage, on="trade>50", symbol="SOL_USDC")
            trades = [f for f in recorded() if f.topic == "trade.SOL_USDC"]
            large = [f for f in trades if _quantity(f.frame.payload) > 50]
            assert large
            assert [hit["seq"] for hit in hits] == [f.frame.seq for f in large]

    run(scene)


def _quantity(payload: bytes) -> float:
    return float(payload.partition(b'"q":"')[2].partition(b'"')[0])


def test_a_breakpoint_stops_at_gaps(eventful_recording: Recording) -> None:
    """Each frame that shows one, or ends one."""

    async def scene() -> None:
        data = eventful_recording.tape.root
        async with serving(data) as stage:
            hits = await stops(stage, on="gap")
            course = stage.server.playback.course
            rows = [course.gaps(part) for part in range(len(course.segments))]
            assert [hit["seq"] for hit in hits] == sorted(seq for part in rows for seq in part)
            assert len(hits) > 10

    run(scene)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ({"command": "fly"}, "there are status, pause"),
        ({"command": "seek"}, 'needs "to"'),
        ({"command": "seek", "to": "#99999"}, "no frame 99999"),
        ({"command": "seek", "to": "yesterday"}, "is not a time"),
        ({"command": "seek", "to": "2031-01-01"}, "nothing was recorded"),
        ({"command": "speed", "speed": "-1x"}, "is not a speed"),
        ({"command": "speed"}, 'needs "speed"'),
        ({"command": "step", "frames": 0}, "cannot be stepped"),
        ({"command": "break", "on": "rain"}, "gap, crossed, spread>"),
        ({"command": "break", "on": "trade>1e5"}, "no condition"),
        ({"command": "break"}, 'needs "on"'),
        ({"command": "loop", "start": "#900", "until": "#500"}, "a loop ends after"),
        ({"command": "wait", "timeout": -1}, "timeout is in seconds"),
        ({"command": "pause", "hard": True}, "not a command"),
        ({"speed": "1x"}, "not a command"),
    ],
)
def test_what_cannot_be_is_refused(command: dict[str, object], says: str) -> None:
    """With what to do instead; nothing changes."""

    async def scene() -> None:
        async with serving() as stage:
            said = await stage.command(**command)
            assert says in said["error"]
            assert stage.server.playback.state is State.WAITING

    run(scene)


def test_a_page_of_a_browser_may_not_steer() -> None:
    """A request that comes from one says so; other methods and bodies are refused too."""

    async def scene() -> None:
        async with serving() as stage, aiohttp.ClientSession() as http:
            url = f"{stage.server.rest_url}/control"
            origin = {"Origin": "https://example.com"}
            for method, status, headers in (
                ("POST", 403, origin),
                ("GET", 403, origin),
                ("DELETE", 405, {}),
            ):
                async with http.request(method, url, headers=headers, data=b"{}") as reply:
                    assert reply.status == status
            async with http.post(url, data=b"x" * 100_000) as reply:
                assert reply.status == 413

    run(scene)
