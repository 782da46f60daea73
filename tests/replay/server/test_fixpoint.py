"""Recording a server gives the tape that it serves: record(serve(tape)) is tape."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from market.control import is_stop
from replay import Replay
from schemas.frames import Frame, Kind
from schemas.rows import Clock, Gap, Row, Session
from schemas.rows import Depth as DepthRow
from tape.layout import Tape
from tests.recorder.commands import ENVIRONMENT, at_work, venue
from tests.replay.server.stage import SAMPLE
from tests.shared import CAPTURES, needs_shared

SOAK = "SOAK" in os.environ
BP_REPLAY = Path(sys.executable).parent / "bp-replay"
# All of a capture takes a quarter of a minute.
PLAYED = ("--speed", "max", "--expect", "all", *(() if SOAK else ("--frames", "15000")))
_OWN = (Session, Clock)  # what the recorder says of itself

Part = tuple[str, str | None, str | None]


class Told(NamedTuple):
    """What a tape says, receive times and numbers aside.

    books: digest of the book of each market at each update id.
    """

    messages: list[bytes]
    rows: dict[Part, list[tuple[Any, ...]]]
    books: dict[tuple[str, int], int]


def told(data: Path) -> Told:
    """What a tape says."""
    replay = Replay(data)
    messages: list[bytes] = []
    rows: dict[Part, list[tuple[Any, ...]]] = defaultdict(list)
    books: dict[tuple[str, int], int] = {}
    for frame, made in replay.frames():
        if frame.kind is Kind.DATA:
            messages.append(frame.payload)
        for row in made:
            if not isinstance(row, _OWN) and not _hung_up(frame):
                # Streams of one market that a snapshot joins at once do so in no certain order.
                part = (row.TABLE, row.symbol, getattr(row, "window", None))
                rows[part].append(_content(row))
        for symbol in {row.symbol for row in made if isinstance(row, DepthRow)}:
            book = replay.book(symbol or "")
            if book is not None:
                levels = (tuple(book.bids.top()), tuple(book.asks.top()))
                books[symbol or "", book.last_update_id] = hash(levels)
    return Told(messages, dict(rows), books)


def _hung_up(frame: Frame) -> bool:
    """Whether it says that the recorder was told to stop, which ends its books."""
    return frame.kind is Kind.CLOSE and is_stop(frame.payload)


def _content(row: Row) -> tuple[Any, ...]:
    """A row without when it was received and as what number."""
    told = dict(zip(row.__struct_fields__, msgspec.structs.astuple(row), strict=True))
    aside = {"seq", "ts_recv"}
    if isinstance(row, Gap):
        aside |= {"since_seq", "ts_since", "ts_until", "lasted_ns"}
    return tuple(value for name, value in told.items() if name not in aside)


@contextmanager
def served(data: Path) -> Iterator[dict[str, Any]]:
    """``bp-replay --serve`` as a process of its own, in lockstep; what it said when ready, and
    ``ended``, which waits for the end of the recording."""
    command = [str(BP_REPLAY), str(data), "--serve", "0", "--speed", "max", "--lockstep"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as server:
        assert server.stdout is not None
        lines = map(json.loads, server.stdout)
        ready = next(line for line in lines if line["event"] == "ready")
        try:
            yield {**ready, "ended": lambda: next(x for x in lines if x["event"] == "ended")}
        finally:
            server.terminate()


def again(data: Path, into: Path) -> Path:
    """Record a server of a tape."""
    with served(data) as server:
        urls = ["--ws-url", server["ws"], "--rest-url", server["rest"]]
        topics = ",".join(server["topics"])
        with at_work("-t", topics, "--data", str(into), *urls) as recorder:
            server["ended"]()
            recorder.interrupt()
            ended = recorder.end()
            assert ended.code in (0, 3), ended.err  # 3: audits found what they found before
    return into


def test_the_sample_twice(tmp_path: Path) -> None:
    """A recording of a server, and a recording of a server of that recording."""
    first = again(SAMPLE, tmp_path / "first")
    second = again(first, tmp_path / "second")
    assert told(first) == told(SAMPLE)
    assert told(second) == told(SAMPLE)


@needs_shared
@pytest.mark.parametrize("capture", CAPTURES)
def test_real_captures(tmp_path: Path, capture: str) -> None:
    """Real order books; recorded from the venue of the tests first."""
    original = tmp_path / "original"
    with (
        venue("--feed", f"real:{capture}", *PLAYED) as far_end,
        at_work(
            *("-t", ",".join(far_end.topics), "--data", str(original)),
            *("--ws-url", far_end.ws_url, "--rest-url", far_end.rest_url),
        ) as recorder,
    ):
        report = far_end.played()
        assert report["complete"]
        recorder.interrupt()
        assert recorder.end().code in (0, 3)
    copy = again(original, tmp_path / "copy")
    assert told(copy) == told(original)
    assert Tape.open(copy).manifests()
