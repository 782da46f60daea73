"""How connections end, and what clients do to each other."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from replay.server.chaos import Chaos
from replay.server.playback import State
from schemas.frames import Kind
from tape.reader import Filed
from tests.recorder.commands import ENVIRONMENT, PATIENCE_S
from tests.replay.server.stage import SAMPLE, messages, recorded, run, serving
from tests.replay.server.test_fixpoint import BP_REPLAY, again, check_same, told
from tests.tapes import Recording

SOL = "depth.SOL_USDC"
TICKER = "ticker.SOL_USDC"


@pytest.mark.parametrize("speed", [None, 20.0])
def test_what_came_before_a_lost_connection_comes(
    eventful_recording: Recording, speed: float | None
) -> None:
    """All of it, at any speed, and then the connection is lost without a goodbye."""
    data = eventful_recording.tape.root
    lost = next(f.frame.seq for f in recorded(data) if f.frame.kind is Kind.CLOSE)

    async def scene() -> None:
        async with (
            serving(data, speed=speed) as stage,
            stage.client(*stage.server.topics) as client,
        ):
            await client.ended()
            assert client.closed == (1006, "")
            assert client.payloads == [
                text for text in messages(data, upto=lost) if b'"error"' not in text
            ]

    run(scene)


def test_fixpoint_of_a_lost_connection(tmp_path: Path) -> None:
    """The recorder of the server loses its own at the same place."""
    original = Recording(tmp_path / "original")
    frames = [f for f in recorded() if f.topic in (SOL, TICKER, "trade.SOL_USDC")][:600]
    replies = {f.frame.topic: f.frame.payload for f in recorded() if f.frame.kind is Kind.REPLY}
    original.begin(["depth.SOL_USDC", "ticker.SOL_USDC", "trade.SOL_USDC"])
    for path, body in replies.items():
        if "/markets" in path:
            original.take(Kind.REQUEST, b"", topic=path)
            original.take(Kind.REPLY, body, topic=path)
    original.connect()
    for number, filed in enumerate(frames):
        if number == 300:
            original.disconnect()
            original.pass_(50_000_000)
            original.connect()
        original.pass_(1_000_000)
        original.data(filed.frame.payload)
        if number in (5, 305):
            original.snapshot("SOL_USDC", _book(frames[: number + 1]))
    original.hang_up()
    original.stop()
    copy = again(original.tape.root, tmp_path / "copy")
    check_same(told(copy), told(original.tape.root), share=0.3)
    assert told(copy).rows["gap", None, None]


def _book(frames: list[Filed]) -> str:
    """A snapshot at the newest depth frame: one level a side is as good as any."""
    last = [filed for filed in frames if filed.topic == SOL][-1]
    data = json.loads(last.frame.payload)["data"]
    body = {"asks": [["120", "1"]], "bids": [["80", "1"]], "lastUpdateId": str(data["u"])}
    return json.dumps(body | {"timestamp": data["T"]})


def test_a_bad_day_is_the_same_for_all() -> None:
    """Where connections are lost does not depend on the speed, nor on who is there."""
    chaos = Chaos.parse("seed=5,disconnect=0.001")

    async def lost_at(speed: float | None, *topics: str) -> int:
        async with (
            serving(chaos=chaos, speed=speed) as stage,
            stage.client(*topics) as client,
        ):
            await client.ended()
            return len(client.heard)

    async def scene() -> None:
        topics = sorted({f.topic for f in recorded() if f.topic and f.frame.kind is Kind.DATA})
        first = await lost_at(None, *topics)
        assert await lost_at(60.0, *topics) == first
        upto = [f for f in recorded() if f.frame.kind is Kind.DATA][first - 1].frame.seq
        assert await lost_at(None, TICKER) == len(messages(SAMPLE, TICKER, upto=upto))

    run(scene)


@pytest.mark.parametrize("other", [(), (TICKER,)])
def test_a_client_that_wants_little_does_not_set_the_pace(other: tuple[str, ...]) -> None:
    """At max, the one that takes the most does: it is not cut off."""

    async def scene() -> None:
        async with serving(queue=100_000) as stage, stage.client(*other) as quiet:
            await quiet.until(lambda: len(stage.server.audience.clients) == 1)
            async with stage.client(*stage.server.topics) as busy:
                await busy.count(len(messages()))
                assert busy.payloads == messages()
            assert quiet.payloads == (messages(SAMPLE, *other) if other else [])

    run(scene)


def test_who_is_cut_off_while_it_comes_is_gone() -> None:
    """Clients that connect into a storm of lost connections are all closed sooner or later."""

    async def scene() -> None:
        chaos = Chaos.parse("seed=2,disconnect=0.02")
        async with serving(chaos=chaos, speed=30.0) as stage:

            async def come_and_go() -> None:
                while True:
                    async with connect(stage.server.ws_url) as ws:
                        request = {"method": "SUBSCRIBE", "params": [SOL]}
                        await ws.send(json.dumps(request))
                        async for _ in ws:
                            pass

            tasks = [asyncio.create_task(come_and_go()) for _ in range(6)]
            await stage.server.ended()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            while stage.server.audience.clients:
                await asyncio.sleep(0.01)
            assert not stage.server.audience.wanted

    run(scene)


def test_what_is_said_after_the_end_counts_for_nothing() -> None:
    """A SUBSCRIBE that crosses the Close does not start time again."""

    async def scene() -> None:
        async with serving() as stage, stage.client() as client:
            await client.until(lambda: bool(stage.server.audience.clients))
            here = stage.server.audience.clients[0]
            await stage.command(command="seek", to="#50")
            assert stage.server.audience.subscribe(here, [SOL]) == []
            assert not stage.server.audience.wanted
            await asyncio.sleep(0.3)
            assert stage.server.playback.state is State.WAITING

    run(scene)


def test_everybody_has_everything_before_it_leaves() -> None:
    """One that reads slowly too, and its Close frame."""
    command = [str(BP_REPLAY), str(SAMPLE), "--serve", "0", "--speed", "max"]
    command += ["--start", "on-subscribe", "--at-end", "exit"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as server:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())

        async def scene() -> None:
            async with connect(ready["ws"], max_queue=1, compression=None) as ws:
                await ws.send(json.dumps({"method": "SUBSCRIBE", "params": ready["topics"]}))
                heard = []
                async for message in ws:
                    heard.append(message)
                    if len(heard) % 1_000 == 0:
                        await asyncio.sleep(0.1)
                assert len(heard) == len(messages())
                assert ws.close_code == 1001

        run(scene)
        server.communicate(timeout=PATIENCE_S)
        assert server.returncode == 0


def test_a_pipe_that_nobody_reads_holds_up_nobody() -> None:
    """Nor does it keep the server from ending."""
    command = [str(BP_REPLAY), str(SAMPLE), "--serve", "0", "--start", "on-subscribe"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as server:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())

        async def scene() -> None:
            async with connect(ready["ws"]) as ws:
                for part in range(4):
                    names = [f"depth.NONE{part}{n}_USDC" for n in range(2_000)]
                    await ws.send(json.dumps({"method": "SUBSCRIBE", "params": names}))
                await asyncio.wait_for(await ws.ping(), 5)

        run(scene)
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE_S) == 0


def test_a_loop_that_is_given_up_goes_on_to_the_end() -> None:
    """From where it is."""

    async def scene() -> None:
        async with serving(speed=5.0) as stage:
            await stage.command(command="loop", start="#100", until="#900")
            await stage.command(command="resume")
            await stage.command(command="loop")
            await stage.command(command="speed", speed="max")
            assert (await stage.command(command="wait"))["seq"] == recorded()[-1].frame.seq

    run(scene)


def test_many_steps_leave_room_for_those_who_listen() -> None:
    """A client with a small queue gets all of them."""

    async def scene() -> None:
        async with serving(queue=100_000) as stage:
            await stage.command(command="pause")
            async with stage.client(*stage.server.topics) as client:
                await client.until(lambda: bool(stage.server.audience.wanted))
                said = await stage.command(command="step", frames=6_000)
                assert said["seq"] == 6_000
                expected = messages(SAMPLE, upto=6_000)
                await client.count(len(expected))
                assert client.payloads == expected

    run(scene)


def test_a_made_candle_does_not_keep_it_from_its_end() -> None:
    """Candles go on for ever; a recording does not."""

    async def scene() -> None:
        async with (
            serving(speed=60.0) as stage,
            stage.client("kline.1s.SOL_USDC") as client,
        ):
            await stage.server.ended()
            await client.until(lambda: len(client.heard) > 50)
            ends = [json.loads(text)["data"]["E"] for text in client.heard]
            assert max(ends) * 1_000 < recorded()[-1].frame.ts_recv + 2_000_000_000

    run(scene)
