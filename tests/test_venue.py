"""The venue over real sockets: what it says, what it keeps silent about, and that REST is true."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.simulate import Plan, simulate
from tests.venue import (
    Close,
    Cut,
    Do,
    Fault,
    Lose,
    Options,
    Ping,
    Send,
    Stall,
    Step,
    Venue,
    Wait,
    WaitRequest,
    WaitSubscribed,
    WaitUnsubscribed,
)
from tests.venue.client import get, run, silent, subscribe

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
SNAPSHOT = (
    '{"asks":[["100.7","1"],["101","2"]],"bids":[["100.5","3"],["100.6","4"]],'
    '"lastUpdateId":"10","timestamp":1700000000000000}'
)
SOL = "depth.SOL_USDC"


def depth(update_id: int, asks: list[list[str]], bids: list[list[str]]) -> str:
    data = {"E": 5, "T": 4 + update_id, "U": update_id, "a": asks, "b": bids, "e": "depth"}
    data |= {"s": "SOL_USDC", "u": update_id}
    return json.dumps({"data": data, "stream": SOL}, separators=(",", ":"))


def trade(trade_id: int) -> str:
    return f'{{"data":{{"e":"trade","s":"SOL_USDC","t":{trade_id}}},"stream":"trade.SOL_USDC"}}'


def sol_venue(*script: Step, **options: Any) -> Venue:
    return Venue(script, snapshots={"SOL_USDC": SNAPSHOT}, options=Options(**options))


def test_success_and_unknown_symbols_are_answered_by_silence() -> None:
    async def scene() -> None:
        markets = simulate(Plan(seconds=1)).markets
        topics = ["depth.SOL_USDC", "depth.NOPE_USDC", "depth.5.SOL_USDC", "depth.MOBILE_USDC"]
        async with Venue(markets=markets) as venue, connect(venue.ws_url) as ws:
            await subscribe(ws, *topics)
            await subscribe(ws, "trade.SOL_USDC", method="UNSUBSCRIBE")
            assert await silent(ws)
            assert venue.connections[0].topics == {"depth.SOL_USDC"}
            assert len(venue.received) == 2

    run(scene)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"method":"SUBSCRIBE","params":["nope.BTC_USDC_PERP"]}', 4006),
        ('{"method":"SUBSCRIBE","params":["depth.100ms.SOL_USDC"]}', 4008),
        ('{"method":"SUBSCRIBE","params":["account.orderUpdate"]}', 4003),
        ('{"method":"HELLO","params":[]}', 4002),
        ("not json", 4002),
    ],
)
def test_error_frames(text: str, code: int) -> None:
    async def scene() -> None:
        async with Venue() as venue, connect(venue.ws_url) as ws:
            await ws.send(text)
            reply = json.loads(await ws.recv())
            assert (reply["id"], reply["error"]["code"]) == (None, code)
            await subscribe(ws, SOL)
            assert await silent(ws)

    run(scene)


def test_only_subscribed_topics_arrive_byte_for_byte_once() -> None:
    frames = [depth(11, [["100.70", "0.00"]], []), depth(12, [], [])]
    script = [WaitSubscribed(SOL), Send(frames[0]), Send(trade(1)), Send(frames[1])]

    async def scene(deflate: bool) -> None:
        async with sol_venue(*script) as venue:
            async with connect(venue.ws_url, compression="deflate" if deflate else None) as ws:
                await subscribe(ws, SOL, SOL)
                assert [await ws.recv(), await ws.recv()] == frames
                assert await silent(ws)
            assert [sent.frame for sent in venue.sent] == frames
            assert venue.connections[0].deflates is deflate

    run(lambda: scene(True))
    run(lambda: scene(False))


def test_compression_can_be_refused() -> None:
    async def scene() -> None:
        async with Venue(options=Options(deflate=False)) as venue, connect(venue.ws_url):
            assert venue.connections[0].deflates is False

    run(scene)


def test_unsubscribe_stops_a_stream() -> None:
    script = [WaitSubscribed(SOL), WaitUnsubscribed(SOL), Send(depth(11, [], [])), Send(trade(7))]

    async def scene() -> None:
        async with sol_venue(*script) as venue, connect(venue.ws_url) as ws:
            await subscribe(ws, SOL, "trade.SOL_USDC")
            await subscribe(ws, SOL, method="UNSUBSCRIBE")
            assert await ws.recv() == trade(7)

    run(scene)


def test_rest_depth_is_true_as_of_what_was_sent() -> None:
    sent = [depth(11, [["100.70", "0.00"]], [["100.60", "5.50"]]), depth(12, [["100.90", "1"]], [])]
    script = [WaitSubscribed(), Send(sent[0]), Send(sent[1])]

    async def scene() -> None:
        async with sol_venue(*script) as venue, connect(venue.ws_url) as ws:
            target = "/api/v1/depth?symbol=SOL_USDC"
            assert await get(venue, target) == (200, SNAPSHOT, "")
            await subscribe(ws, SOL)
            await venue.finished()
            body = json.loads((await get(venue, target + "&limit=5"))[1])
            assert body["asks"] == [["100.9", "1"], ["101", "2"]]
            assert body["bids"] == [["100.5", "3"], ["100.6", "5.5"]]
            assert (body["lastUpdateId"], body["timestamp"]) == ("12", 16)

    run(scene)


def test_frames_older_than_the_snapshot_leave_it_alone() -> None:
    async def scene() -> None:
        script = [WaitSubscribed(), Send(depth(9, [["100.70", "0.00"]], []))]
        async with sol_venue(*script) as venue, connect(venue.ws_url) as ws:
            await subscribe(ws, SOL)
            await venue.finished()
            assert (await get(venue, "/api/v1/depth?symbol=SOL_USDC"))[1] == SNAPSHOT

    run(scene)


def test_rest_errors_and_small_endpoints() -> None:
    async def scene() -> None:
        async with Venue(markets=simulate(Plan(seconds=1)).markets) as venue:
            expected = {
                "/api/v1/depth?symbol=NOPE": (400, "INVALID_CLIENT_REQUEST"),
                "/api/v1/depth?symbol=MOBILE_USDC": (404, "RESOURCE_NOT_FOUND"),
                "/api/v1/depth?symbol=SOL_USDC&limit=30": (400, "failed to parse parameter"),
                "/api/v1/market?symbol=AAPL.US_USDC": (200, '"tickSize":"0.01"'),
                "/api/v1/markets?marketType=PERP": (200, "kBONK_USDC_PERP"),
                "/api/v1/status": (200, '{"message":null,"status":"Ok"}'),
                "/api/v1/ping": (200, "pong"),
                "/nowhere": (404, "not found"),
            }
            for target, (status, part) in expected.items():
                reply = await get(venue, target)
                assert reply[0] == status
                assert part in reply[1]
            assert (await get(venue, "/api/v1/time"))[1].isdigit()
            assert venue.requests[:-1] == list(expected)

    run(scene)


def test_rest_faults_are_used_up_in_order() -> None:
    target = "/api/v1/depth?symbol=SOL_USDC"

    async def scene() -> None:
        script = [WaitSubscribed(), Send(depth(11, [], [])), Send(depth(12, [], []))]
        async with sol_venue(*script) as venue, connect(venue.ws_url) as ws:
            await subscribe(ws, SOL)
            await venue.finished()
            venue.faults.add(
                "/api/v1/depth", Fault(status=429, body="slow", headers={"Retry-After": "2"})
            )
            venue.faults.add("/api/v1/depth", Fault(stale=1, delay=0.01))
            assert await get(venue, target) == (429, "slow", "2")
            assert json.loads((await get(venue, target))[1])["lastUpdateId"] == "11"
            venue.faults.add("/api/v1/depth", Fault(drop=True), times=2)  # aiohttp tries twice
            with pytest.raises(aiohttp.ClientError):
                await get(venue, target)
            assert json.loads((await get(venue, target))[1])["lastUpdateId"] == "12"

    run(scene)


def test_cut_then_gap_then_close() -> None:
    script = [
        WaitSubscribed(SOL),
        Send(depth(11, [], [])),
        Cut(),
        Lose(depth(12, [["100.70", "0.00"]], [])),
        WaitSubscribed(SOL),
        Send(depth(13, [], [])),
        WaitRequest("/api/v1/depth"),
        Close(1001, "maintenance"),
    ]

    async def scene() -> None:
        async with sol_venue(*script) as venue:
            async with connect(venue.ws_url) as ws:
                await subscribe(ws, SOL)
                await ws.recv()
                with pytest.raises(ConnectionClosed) as cut:
                    await ws.recv()
                assert cut.value.rcvd is None
            async with connect(venue.ws_url) as ws:
                await subscribe(ws, SOL)
                assert json.loads(await ws.recv())["data"]["U"] == 13
                body = json.loads((await get(venue, "/api/v1/depth?symbol=SOL_USDC"))[1])
                assert body["asks"] == [["101", "2"]]
                with pytest.raises(ConnectionClosed) as closed:
                    await ws.recv()
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "maintenance")
            await venue.finished()
            assert [sent.connection for sent in venue.sent] == [1, 2]

    run(scene)


def test_forced_frames_and_pings_reach_everybody() -> None:
    script = [WaitSubscribed(), Ping(), Send("garbage", force=True), Send(b"\x00", force=True)]

    async def scene() -> None:
        async with (
            sol_venue(*script) as venue,
            connect(venue.ws_url) as idle,
            connect(venue.ws_url) as ws,
        ):
            await subscribe(ws, SOL)
            for client in (idle, ws):
                assert [await client.recv(), await client.recv()] == ["garbage", b"\x00"]

    run(scene)


@pytest.mark.parametrize("deaf", [False, True])
def test_stalled_connection_stays_open(deaf: bool) -> None:
    script = [WaitSubscribed(), Stall(deaf=deaf), Wait(0.01), Send(depth(11, [], []))]

    async def scene() -> None:
        async with sol_venue(*script) as venue, connect(venue.ws_url, close_timeout=0.1) as ws:
            await subscribe(ws, SOL)
            await venue.finished()
            assert await silent(ws)
            pong = await ws.ping()
            done, _ = await asyncio.wait([asyncio.ensure_future(pong)], timeout=0.1)
            assert bool(done) is not deaf
            assert venue.sent == []

    run(scene)


def test_steps_for_each_connection() -> None:
    async def scene() -> None:
        greeting = [WaitSubscribed(SOL), Send(depth(11, [], [])), Cut()]
        async with sol_venue(on_connect=greeting) as venue:
            for _ in range(2):
                async with connect(venue.ws_url) as ws:
                    await subscribe(ws, SOL)
                    await ws.recv()
                    with pytest.raises(ConnectionClosed):
                        await ws.recv()
            assert [sent.connection for sent in venue.sent] == [1, 2]

    run(scene)


def test_an_error_in_the_script_is_raised() -> None:
    def fail(_: Venue) -> None:
        raise ValueError("wrong script")

    async def scene() -> None:
        async with Venue([Do(fail)]) as venue:
            await venue.finished()

    with pytest.raises(ValueError, match="wrong script"):
        run(scene)
