"""The websocket of a replay that is served: what the venue would say, byte for byte."""

import asyncio
import json
import socket

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from replay.server.playback import State
from tests.replay.server.stage import SAMPLE, Stage, messages, run, serving

SOL = "depth.SOL_USDC"
TRADES = "trade.BTC_USDC_PERP"


async def _subscribed(stage: Stage, *counts: int) -> None:
    """Wait until the clients, in order of their coming, have so many topics."""
    audience = stage.server.audience
    while tuple(len(client.topics) for client in audience.clients) != counts:
        await asyncio.sleep(0.002)


@pytest.mark.parametrize("deflate", [False, True])
def test_frames_are_those_of_the_tape(deflate: bool) -> None:
    """All of them, byte for byte, in order of arrival."""

    async def scene() -> None:
        async with (
            serving() as stage,
            stage.client(*stage.server.topics, deflate=deflate) as client,
        ):
            expected = messages()
            await client.count(len(expected))
            await stage.server.ended()
            assert client.payloads == expected
            assert bool(client.socket.protocol.extensions) is deflate

    run(scene)


def test_subscriptions_of_several_clients() -> None:
    """Each has its own, from the frame on at which it came."""

    async def scene() -> None:
        async with serving(on_subscribe=False) as stage:
            playback = stage.server.playback
            playback.pause()
            async with (
                stage.client(SOL) as one,
                stage.client(TRADES) as two,
                stage.client() as three,
            ):
                await _subscribed(stage, 1, 1, 0)
                playback.step(3_000)
                await playback.until(State.PAUSED)
                await one.subscribe(SOL, method="UNSUBSCRIBE")
                await _subscribed(stage, 0, 1, 0)
                await two.subscribe(SOL, TRADES, "depth.NONE_USDC")
                await _subscribed(stage, 0, 3, 0)
                first = _passed(stage)
                playback.resume()
                await stage.server.ended()
                depth, trades = messages(SAMPLE, SOL), messages(SAMPLE, TRADES)
                before = [payload for payload in depth if payload in first]
                await two.count(len(depth) - len(before) + len(trades))
                assert one.payloads == before
                assert two.payloads[-1] in (depth[-1], trades[-1])
                assert [p for p in two.payloads if b"trade" in p] == trades
                assert [p for p in two.payloads if b"depth" in p] == depth[len(before) :]
                assert three.heard == []
                assert stage.said("not_recorded")[0]["topic"] == "depth.NONE_USDC"

    run(scene)


def _passed(stage: Stage) -> set[bytes]:
    """Messages up to where the replay is."""
    seq = stage.server.playback.mark.seq
    return set(messages(SAMPLE, upto=seq))


def test_success_is_silent_and_errors_are_the_venues() -> None:
    """Protocol section 1, Replies."""

    async def scene() -> None:
        async with serving() as stage, stage.client() as client:
            for text in (
                json.dumps({"method": "SUBSCRIBE", "params": ["nope.SOL_USDC"]}),
                json.dumps({"method": "SUBSCRIBE", "params": ["depth.100ms.SOL_USDC"]}),
                json.dumps({"method": "PING", "params": []}),
                "no JSON",
                b"\xff\x00",
                json.dumps({"method": "SUBSCRIBE", "params": ["account.orderUpdate"]}),
                json.dumps({"method": "UNSUBSCRIBE", "params": ["depth.SOL_USDC"], "id": 3}),
                json.dumps({"method": "SUBSCRIBE", "params": ["depth.NOPE_USDC"]}),
            ):
                await client.socket.send(text)
            await client.count(6)
            await (await client.socket.ping())
            codes = [json.loads(text)["error"]["code"] for text in client.heard]
            assert codes == [4006, 4008, 4002, 4002, 4002, 4003]
            assert all(json.loads(text)["id"] is None for text in client.heard)

    run(scene)


def test_pings_come_and_are_answered() -> None:
    """Protocol Pings, first one soon after the open; a client's own get a Pong."""

    async def scene() -> None:
        async with serving(ping_s=0.2) as stage, connect(stage.server.ws_url) as ws:
            await (await ws.ping(b"mine"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 1.0)  # it answers Pings meanwhile
            assert ws.close_code is None

    run(scene)


def test_a_client_that_answers_no_ping_is_closed() -> None:
    """After twice the time between two of them."""

    async def scene() -> None:
        async with serving(ping_s=0.1) as stage:
            reader, writer = await _handshake(stage.server.port)
            received = b""
            while data := await reader.read(4_096):
                received += data
            assert b"no Pong" in received
            writer.close()

    run(scene)


async def _handshake(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A websocket by hand, which does nothing by itself and has hardly any room."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def test_a_stuck_client_is_cut_and_slows_nobody() -> None:
    """It is told why, if it ever listens; memory is bounded by its queue."""

    async def scene() -> None:
        async with serving(queue=200_000) as stage:
            _, writer = await _handshake(stage.server.port)
            topics = stage.server.topics
            writer.write(_masked(json.dumps({"method": "SUBSCRIBE", "params": topics}).encode()))
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            async with stage.client(*topics) as client:
                expected = messages()
                await client.count(len(expected))
                assert client.payloads == expected
            await client.until(lambda: any("why" in facts for facts in stage.said("disconnected")))
            (why,) = [facts["why"] for facts in stage.said("disconnected") if "why" in facts]
            assert "too slow" in str(why)
            writer.transport.abort()

    run(scene)


def _masked(payload: bytes) -> bytes:
    """A text frame as clients send them, with a mask of zeros."""
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload


def test_too_much_is_refused() -> None:
    """Messages without end, topics without number, other paths."""

    async def scene() -> None:
        async with serving() as stage:
            async with connect(stage.server.ws_url) as ws:
                await ws.send("x" * (2 << 20))
                with pytest.raises(ConnectionClosed):
                    await ws.recv()
                assert ws.close_code == 1009
            async with connect(stage.server.ws_url) as ws:
                names = [f"depth.A{n}" for n in range(10_001)]
                for part in (names[:5_000], names[:5_000], names[5_000:]):
                    await ws.send(json.dumps({"method": "SUBSCRIBE", "params": part}))
                with pytest.raises(ConnectionClosed):
                    await ws.recv()
                assert ws.close_code == 1008
            with pytest.raises(InvalidStatus):
                await connect(stage.server.ws_url + "/elsewhere").__aenter__()

    run(scene)
