"""Clients that mean no good, from sockets: a server outlives them, and others do not notice.

`tests.fuzz.sockets` looks for more of them.
"""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import socket
import struct
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zlib import Z_SYNC_FLUSH, compressobj

import pytest
from websockets.asyncio.client import connect

from replay.cli_serve import Log, address
from replay.server.client import Client
from replay.server.keyboard import Keyboard, keys
from replay.server.playback import State
from replay.server.requests import MOST_NAMES, answer
from schemas.errors import UsageError
from tests.fuzz.sockets import DEFLATE, HANDSHAKE, Trouble, masked, post, sockets
from tests.replay.server.stage import SAMPLE, Stage, run, serving

SOL = "depth.SOL_USDC"
PATIENCE_S = 30.0  # nothing here takes as long; it only ends what would hang
BYE = masked(0x88, b"\3\xe8")


def attack(scene: Callable[[Stage], Awaitable[None]], data: Path = SAMPLE, **options: Any) -> None:
    """Run a scene; afterwards the server plays, nothing of anybody is left, and it kept quiet."""

    async def whole() -> None:
        async with (
            asyncio.timeout(PATIENCE_S),
            Trouble().watched(),
            serving(data, **{"on_subscribe": False, "speed": 1.0, **options}) as stage,
        ):
            await scene(stage)
            audience = stage.server.audience
            while audience.clients or audience.wanted:
                await asyncio.sleep(0.005)
            assert not stage.server._playing.done()

    run(whole)


def subscribe(*topics: str, method: str = "SUBSCRIBE") -> bytes:
    """A frame of a client."""
    return masked(0x81, json.dumps({"method": method, "params": topics}).encode())


async def send(
    stage: Stage, data: bytes, wait: float = 1.0, until: bytes = b"\r\n\r\n", reset: bool = False
) -> bytes:
    """On a connection of its own; what came until then, the end, or that much later."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
    writer.write(data)
    found = b""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(wait):
            while until not in found and (more := await reader.read(1 << 16)):
                found += more
    if reset:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    await asyncio.sleep(0)
    return found


async def talk(stage: Stage, frames: bytes, wait: float = 0.1) -> bytes:
    """Frames on a websocket that is open; what came within a moment, or until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
    writer.write(HANDSHAKE + DEFLATE + b"\r\n")
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.01)
    writer.write(frames)
    said = b""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(wait):
            said = await reader.read(1 << 16)
    writer.transport.abort()
    await asyncio.sleep(0)
    return said


# HTTP

REQUESTS = {
    "no http": b"\0\xff\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + bytes(90),
    "a long line": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 30_000 + b"\r\n",
    "no chunk": b"POST /control HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "no length": b"POST /control HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    "no address": b"GET http://[/api/v1/time HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a zero": b"GET /api/v1/\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "not gzip": b"POST /control HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
    b"Content-Length: 3\r\n\r\nabc",
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_no_request_is_told_so_quietly(name: str) -> None:
    """400, and no traceback for the owner of the server."""

    async def scene(stage: Stage) -> None:
        assert b" 400 " in (await send(stage, REQUESTS[name])).partition(b"\r\n")[0]

    attack(scene)


def test_a_body_that_ends_early() -> None:
    """The client is gone before it said all."""

    async def scene(stage: Stage) -> None:
        await send(stage, post(b"{}" * 40)[:-9], 0.01, reset=True)
        await asyncio.sleep(0.05)

    attack(scene)


def test_rare_methods_and_targets() -> None:
    """Each has an answer; targets lead nowhere but to what is served."""
    asked = {
        b"HEAD /api/v1/time": b"405",
        b"TRACE /": b"404",
        b"CONNECT a:1": b"404",
        b"OPTIONS *": b"404",
        b"GET //x/control": b"404",
        b"GET /api/v1/%ff%00%zz": b"404",
        b"GET /api/v1/../../etc/passwd": b"404",
        b"GET /api/v1/depth?symbol=SOL_USDC%2F..%2F": b"400",
        b"GET /api/v1/depth?symbol=[": b"400",
        b"GET /api/v1/trades?symbol=SOL_USDC&limit=-1&limit=5": b"400",
        b"GET /api/v1/trades/history?symbol=SOL_USDC&offset=18446744073709551615": b"400",
        b"GET /api/v1/klines?symbol=SOL_USDC&interval=1s&startTime=-9223372036854775808"
        b"&endTime=9223372036854775807": b"200",
        b"GET /api/v1/klines?symbol=SOL_USDC&interval=1month&startTime=" + b"9" * 5_000: b"400",
        b"GET /api/v1/fundingRates?symbol=BTC_USDC_PERP&offset=18446744073709551615": b"200",
    }

    async def scene(stage: Stage) -> None:
        for request, status in asked.items():
            reply = await send(
                stage, request + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            assert reply.split()[1] == status, (request, reply)

    attack(scene)


# Websocket


@pytest.mark.parametrize(
    "frame",
    [
        masked(0xA1, b"x"),  # a reserved bit
        masked(0x83, b"x"),  # an opcode that does not exist
        masked(0x09, b"x"),  # a Ping in fragments
        masked(0x80, b"x"),  # a continuation of nothing
        masked(0x81, b"\xff\xfe"),  # no UTF-8
        masked(0x88, b"\3"),  # half a code
        masked(0x88, b"\3\xed"),  # 1005, which is never sent
        b"\x81\xff" + b"\x7f" * 8 + bytes(4),  # without end
    ],
    ids=lambda frame: frame[:4].hex(),
)
def test_what_is_no_frame_ends_the_connection(frame: bytes) -> None:
    """With a Close frame; its subscription goes with it."""

    async def scene(stage: Stage) -> None:
        said = await talk(stage, subscribe("depth.NOPE") + frame)
        assert said[:1] == b"\x88"

    attack(scene)


def test_what_becomes_large_when_inflated_is_refused() -> None:
    """Before it is: 64 MB in 64 KB."""
    compressor = compressobj(9, wbits=-15)
    bomb = (compressor.compress(bytes(1 << 26)) + compressor.flush(Z_SYNC_FLUSH))[:-4]

    async def scene(stage: Stage) -> None:
        said = await talk(stage, masked(0xC1, bomb), wait=0.5)
        assert struct.unpack_from("!H", said, 2) == (1009,)

    attack(scene)


@pytest.mark.parametrize(
    "said", [BYE, subscribe(SOL) + BYE, b"\xff" * 9], ids=["bye", "sub", "bad"]
)
def test_who_leaves_with_the_handshake_is_gone(said: bytes) -> None:
    """All of it in one packet: it leaves before it was served."""

    async def scene(stage: Stage) -> None:
        before = len(asyncio.all_tasks())
        await send(stage, HANDSHAKE + b"\r\n" + said)
        async with asyncio.timeout(1):
            while len(asyncio.all_tasks()) > before:
                await asyncio.sleep(0.005)

    attack(scene)


def test_who_is_gone_before_it_is_served_is_not_served() -> None:
    """It may go, or be cut off, between the two."""

    async def scene() -> None:
        request = SimpleNamespace(remote="", transport=None)
        client = Client(1, cast(Any, request), cast(Any, SimpleNamespace(closed=False)))
        client.end()
        async with asyncio.timeout(0.5):
            await client.serve(lambda: None)

    asyncio.run(scene())


def test_who_pings_and_is_gone_is_nothing_to_tell() -> None:
    """A Pong cannot be sent any more, which no traceback has to say."""

    async def scene(stage: Stage) -> None:
        for _ in range(5):
            said = HANDSHAKE + b"\r\n" + masked(0x89, b"hi") * 50
            await send(stage, said, reset=True)
        await asyncio.sleep(0.05)

    attack(scene)


def test_who_subscribes_while_it_is_sent_away_wants_nothing() -> None:
    """It takes its time to read what it still gets; nobody is there for whom to play."""

    async def scene(stage: Stage) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port, limit=1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        writer.write(HANDSHAKE + b"\r\n" + subscribe(*stage.server.topics))
        while not stage.server.audience.wanted:
            await asyncio.sleep(0.005)
        await stage.command(command="speed", speed="max")
        await stage.command(command="wait")
        assert stage.server.audience.clients[0].waiting
        await stage.command(command="seek", to="#10")
        writer.write(subscribe("depth.NOPE"))
        await asyncio.sleep(0.05)
        assert not stage.server.audience.wanted
        writer.transport.abort()
        del reader

    attack(scene)


def test_who_listens_to_nothing_hurries_nobody() -> None:
    """At max the replay is as fast as the quickest client that takes anything."""

    async def scene(stage: Stage) -> None:
        async with (
            stage.client(),
            connect(stage.server.ws_url, compression=None, max_size=None, max_queue=4) as slow,
        ):
            await slow.send(json.dumps({"method": "SUBSCRIBE", "params": stage.server.topics}))
            for number in range(3_000):
                await slow.recv()
                if number % 100 == 0:
                    await asyncio.sleep(0.01)
            slow.transport.abort()
            assert not [facts for facts in stage.said("disconnected") if "why" in facts]

    attack(scene, on_subscribe=True, speed=None, queue=100_000)


def test_names_have_an_end() -> None:
    """What a client made up is not kept for ever, nor does judging it hold up the others."""
    many = json.dumps({"method": "SUBSCRIBE", "params": [""] * 200_000}).encode()
    assert len(answer(many).errors) <= MOST_NAMES + 1
    long = json.dumps({"method": "SUBSCRIBE", "params": ["depth." + "A" * 100_000]}).encode()
    assert not answer(long).add

    async def scene(stage: Stage) -> None:
        names = [f"depth.{number}" for number in range(9_000)]
        for batch in (names, [f"{name}A" for name in names]):
            both = subscribe(*batch) + subscribe(*batch, method="UNSUBSCRIBE")
            await send(stage, HANDSHAKE + b"\r\n" + both, 0.3, b"never")
        assert len(stage.server._relay._told) <= MOST_NAMES

    attack(scene)


def test_candles_do_not_keep_a_replay_from_its_end() -> None:
    """There is always one that will close."""

    async def scene(stage: Stage) -> None:
        async with stage.client("kline.1m.SOL_USDC", "kline.5m.SOL_USDC"):
            assert (await stage.command(command="wait", timeout=1.5)).get("state") == "ended"

    attack(scene, speed=1_000.0)


# Steering


@pytest.mark.parametrize("speed", ["1e308", "1e15x", "1e-308", "5e-324x"])
def test_speeds_have_bounds(speed: str) -> None:
    """Time that runs out of the calendar ends no replay."""

    async def scene(stage: Stage) -> None:
        said = await stage.command(command="speed", speed=speed)
        assert "is not a speed" in said["error"]

    attack(scene)


@pytest.mark.parametrize("key", "+-")
def test_a_key_that_is_held_down(key: str) -> None:
    """Twice as fast, a thousand times over."""

    async def scene(stage: Stage) -> None:
        server = stage.server
        keyboard = Keyboard(server.playback, server.control, lambda: None, lambda text: None)
        for _ in range(1_200):
            keyboard.press(key)
        await asyncio.sleep(0.05)
        server.control.status()

    attack(scene)


def test_steps_beyond_the_end_are_answered() -> None:
    """When there is nothing left to pass, or somebody says so."""

    async def scene(stage: Stage) -> None:
        await stage.command(command="pause")
        await stage.command(command="seek", to="#6800")
        async with asyncio.timeout(2):
            assert (await stage.command(command="step", frames=10**18))["state"] == "ended"
            await stage.command(command="pause")
            await stage.command(command="wait")

    attack(scene)


def test_steps_let_others_have_their_turn() -> None:
    """However many there are."""

    async def scene(stage: Stage) -> None:
        playback = stage.server.playback
        await stage.command(command="pause")
        await stage.command(command="seek", to="#1")
        playback.step(5_000)
        for _ in range(20):
            await asyncio.sleep(0)
        assert playback.steps
        playback.pause()
        await stage.command(command="wait")
        assert playback.mark.seq < 5_000

    attack(scene)


def test_steps_that_a_seek_ends_are_answered() -> None:
    """Nothing is left of them that anybody could wait for."""

    async def scene(stage: Stage) -> None:
        playback = stage.server.playback
        await stage.command(command="pause")
        playback.step(5_000)
        waiting = asyncio.ensure_future(playback.until(State.PAUSED))
        await asyncio.sleep(0)
        playback.seek(stage.server.control.mark("#50", "to"))
        async with asyncio.timeout(0.5):
            await waiting

    attack(scene)


def test_without_a_loop_it_plays_on() -> None:
    """From where it is, to the end of what is served."""

    async def scene(stage: Stage) -> None:
        await stage.command(command="loop", start="#500", until="#900")
        await asyncio.sleep(0.05)
        await stage.command(command="loop")
        await stage.command(command="speed", speed="max")
        said = await stage.command(command="wait")
        assert (said["state"], said["seq"]) == ("ended", 6_907)

    attack(scene, speed=20.0)


def test_a_loop_of_one_frame_does_not_spin() -> None:
    """Nor fill the log."""

    async def scene(stage: Stage) -> None:
        await stage.command(command="loop", start="#500", until="#501")
        await asyncio.sleep(0.2)
        assert len(stage.said("playing")) < 40

    attack(scene)


def test_breakpoints_have_an_end() -> None:
    """One that is there already is not added again."""

    async def scene(stage: Stage) -> None:
        for number in range(1_000):
            body = b'{"command":"break","on":"spread>%d"}' % (10**6 + number % 500)
            with suppress(UsageError):
                await stage.server.control.carry_out(body)
        assert len(stage.server.control.status()["breakpoints"]) < 500  # type: ignore[arg-type]

    attack(scene)


def test_waiting_leaves_nothing_behind() -> None:
    """Whether it was too long, or who waited has gone."""

    async def scene(stage: Stage) -> None:
        before = len(asyncio.all_tasks())
        for _ in range(20):
            await stage.command(command="wait", timeout=0.0001)
            await send(stage, post(b'{"command":"wait","timeout":3600}'), 0.002, reset=True)
        await asyncio.sleep(0.1)
        assert len(stage.server.playback._watchers) < 2
        assert len(asyncio.all_tasks()) <= before + 2

    attack(scene)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b"\xff\xfe",
        b'{"command":null}',
        b'{"command":"step","frames":1e999}',
        b'{"command":"wait","timeout":NaN}',
        b'{"command":"wait","timeout":1e308}',
        b'{"command":"seek","to":"\\ud800"}',
        b'{"command":"seek","to":' + b"9" * 5_000 + b"}",
        b'{"command":"seek","to":"#' + b"9" * 5_000 + b'"}',
        b'{"command":"seek","to":"9999-12-31T23:59:59-23:59"}',
        b'{"command":"break","on":"trade>' + b"9" * 5_000 + b'"}',
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
def test_strange_commands_are_refused(body: bytes) -> None:
    """With 400."""

    async def scene(stage: Stage) -> None:
        assert b" 400 " in (await send(stage, post(body)))[:20]

    attack(scene)


def test_a_name_that_leads_here_is_no_address() -> None:
    """A page whose name was made to lead here (DNS rebinding) names itself as the host."""

    async def scene(stage: Stage) -> None:
        said = await send(stage, b"GET /control HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert b" 403 " in said[:20]

    attack(scene)


def test_a_recording_that_is_gone(tmp_path: Path) -> None:
    """A command says so; a subscription that needs it leaves its connection whole."""
    data = tmp_path / "tape"
    shutil.copytree(SAMPLE, data)

    async def scene(stage: Stage) -> None:
        while not stage.server.playback.mark.seq:
            await asyncio.sleep(0.005)
        shutil.rmtree(data)
        said = await send(stage, post(b'{"command":"seek","to":"#3000"}'))
        assert b" 500 " in said[:20]
        assert b"cannot be read" in said
        said = await send(stage, HANDSHAKE + b"\r\n" + subscribe("kline.5m.SOL_USDC"))
        assert b" 101 " in said[:20]

    attack(scene, data, speed=0.001)


# The command


@pytest.mark.parametrize("text", ["9" * 5_000, "a..b:9000", "x" * 70 + ":9000", "\udcff:9000"])
def test_what_is_no_address_is_told_so(text: str) -> None:
    """As a mistake of who wrote it."""
    with pytest.raises(UsageError):
        address(text)


def test_without_stdin_and_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    """As started with ``<&- >&-``."""
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stdout", None)

    async def scene() -> None:
        with keys(lambda text: None), Log() as log:
            log.say("ready", {})

    asyncio.run(scene())


class Full(io.StringIO):
    """A pipe that takes no more until it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_on = threading.Event()

    def write(self, text: str) -> int:
        self.read_on.wait(5)
        return len(text)


def test_who_does_not_read_the_log_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that is full takes no more."""
    pipe = Full()
    monkeypatch.setattr(sys, "stdout", pipe)
    log = Log()

    def talk() -> None:
        for _ in range(100):
            log.say("connected", {"client": 1})

    with log:
        talking = threading.Thread(target=talk)
        talking.start()
        talking.join(0.3)
        stuck = talking.is_alive()
        pipe.read_on.set()
        talking.join()
    assert not stuck


def test_all_at_once() -> None:
    """Of the fuzzer's inputs, one with everything in it."""
    sockets(
        b'wa\x81{"method":"SUBSCRIBE","params":["depth.SOL_USDC","kline.1s.SOL_USDC"]}\n\x89\n=\n'
        b'cc{"command":"loop","start":"#100","until":"#101"}\n{"command":"step","frames":3}\n'
        b'{"command":"resume"}\n{"command":"seek","to":"#6900"}\n{"command":"speed","speed":"max"}'
        b"\n=\ngs/api/v1/klines?symbol=SOL_USDC&interval=1s&startTime=0\n/api/v1/depth?symbol=x\n=\n"
        b'ws\x81{"method":"SUBSCRIBE","params":["trade.SOL_USDC"]}\n=\n'
        b'ca{"command":"wait","timeout":3600}\n=\nzh\xc1[[[[\n\x88\x03\xe8'
    )
