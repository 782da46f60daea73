"""The door of /metrics and /healthz, and what is behind it, by itself."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.streams import STREAMS
from recorder.histogram import Histogram
from recorder.metric import Reading, expose, gauge
from recorder.recorder import Recorder
from recorder.settings import Listen, Settings
from recorder.status_server import watched
from recorder.traffic import Traffic
from schemas.errors import ConfigError
from schemas.frames import Frame, Kind
from tests.recorder.commands import bp_record, options
from tests.recorder.market import SOL
from tests.recorder.runs import Where
from tests.recorder.scrape import get, parse, reasons, scrape

HERE = Listen("127.0.0.1", 0)
NAMES = st.none() | st.text(max_size=20) | st.sampled_from(["depth.X", "trade.Y"])
NOWHERE = Where("ws://127.0.0.1:9", "http://127.0.0.1:9")


def idle(metrics: Listen = HERE) -> Recorder:
    """A recorder that has not begun."""
    return Recorder(Settings((SOL,), None, metrics=metrics))


def say(port: int, request: bytes) -> bytes:
    """The first line of the answer to any bytes; empty if there is none."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(request)
        reply = b""
        while b"\r\n" not in reply and (part := connection.recv(65_536)):
            reply += part
    return reply.partition(b"\r\n")[0]


REFUSED = {
    b"GET / HTTP/1.0\r\n\r\n": 404,
    b"GET /metrics/x HTTP/1.0\r\n\r\n": 404,
    b"GET /../metrics HTTP/1.0\r\n\r\n": 404,
    b"POST /metrics HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}": 405,
    b"DELETE /healthz HTTP/1.0\r\n\r\n": 405,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": 400,
    b"GET /metrics HTTP/1.0\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\n": 400,
    b"GET /metrics HTTP/9.9.9\r\n\r\n": 400,
}


def test_what_is_no_question_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Quietly, and the next one is answered. Whoever leaves in the middle costs nothing."""

    async def scene() -> dict[bytes, bytes]:
        async with watched(idle()) as port:
            assert port is not None
            said = {r: await asyncio.to_thread(say, port, r) for r in REFUSED}
            with socket.create_connection(("127.0.0.1", port), 60) as leaver:
                leaver.sendall(b"GET /metr")
            head = await asyncio.to_thread(say, port, b"HEAD /metrics HTTP/1.0\r\n\r\n")
            assert head == b"HTTP/1.0 200 OK"
            page = await asyncio.to_thread(get, port, "/metrics")
            assert page.status == 200
            return said

    said = asyncio.run(scene())
    assert {request: int(line.split()[1]) for request, line in said.items()} == REFUSED
    assert caplog.records == []


def test_a_recorder_that_has_not_begun() -> None:
    """Is not well, and its metrics are there."""

    async def scene() -> None:
        async with watched(idle()) as port:
            assert port is not None
            wrong = await asyncio.to_thread(reasons, port)
            assert set(wrong) == {"starting", "no_connection"}
            said = await asyncio.to_thread(scrape, port)
            assert (said.value("connected"), said.value("topics")) == (0, 0)
            assert said.by("gaps_total", "topic") == {}
            assert said.value("gaps_total", topic="all streams") == 0

    asyncio.run(scene())


def test_a_port_that_is_taken() -> None:
    """Is named, and so is one on an address that is not ours."""

    async def scene() -> None:
        async with watched(idle()) as port:
            assert port is not None
            with pytest.raises(ConfigError, match=f"--metrics-port {port} on 127.0.0.1"):
                async with watched(idle(Listen("127.0.0.1", port))):
                    pass
        with pytest.raises(ConfigError, match="on no such host"):
            async with watched(idle(Listen("no such host", 0))):
                pass

    asyncio.run(scene())


def test_a_port_that_is_taken_ends_the_command(tmp_path: Path) -> None:
    """Before anything is recorded; as a line of JSON where that is asked for."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        more = ("--metrics-port", port, "--log-format", "json")
        ended = bp_record(*options(NOWHERE, tmp_path / "never", SOL), *more)
    assert (ended.code, ended.out) == (2, "")
    line = json.loads(ended.err)
    assert (line["level"], line["event"]) == ("error", "failed")
    assert f"--metrics-port {port} on 127.0.0.1" in line["message"]
    assert not (tmp_path / "never").exists()


def test_nobody_listens_unless_asked() -> None:
    async def scene() -> None:
        async with watched(Recorder(Settings((SOL,), None))) as port:
            assert port is None

    asyncio.run(scene())


@given(
    bounds=st.lists(st.integers(1, 1_000), unique=True).map(sorted),
    spans=st.lists(st.integers(-10, 1_100)),
)
def test_a_histogram_counts_up_to_each_bound(bounds: list[int], spans: list[int]) -> None:
    histogram = Histogram(bounds)
    for span in spans:
        histogram.see(span)
    buckets = histogram.buckets
    counts = [sum(span <= bound for span in spans) for bound in bounds]
    assert buckets == (tuple(bounds), (*counts, len(spans)), sum(s for s in spans if s > 0))


@given(st.text())
def test_any_text_may_be_a_label(label: str) -> None:
    """Quotes, backslashes and line ends of a venue's names."""
    metric = gauge("x", "One\nline \\ of help.", lambda _: (), "name")
    said = parse(expose([Reading(metric, [((label,), 1.5)])]))
    assert said.by("x", "name") == {label: 1.5}
    assert said.helps == {"backpack_recorder_x": r"One\nline \\ of help."}


@settings(max_examples=50)
@given(st.lists(NAMES, max_size=20))
def test_a_venue_cannot_make_up_channels(names: list[str | None]) -> None:
    """What it calls its streams, there is a bounded number of series."""
    traffic = Traffic()
    for number, name in enumerate(names):
        traffic.see(name, Frame(number, 0, 0, 1, Kind.DATA, "", b"12"), [])
    counted = traffic.channels()
    assert set(counted) <= {*STREAMS, "other"}
    assert sum(channel.frames for channel in counted.values()) == len(names)
    assert sum(channel.bytes for channel in counted.values()) == 2 * len(names)
    assert names.count("depth.X") <= (counted["depth"].frames if "depth" in counted else 0)
