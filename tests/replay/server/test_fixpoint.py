"""Recording a server gives the tape that it serves: record(serve(tape)) is tape."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import msgspec
import pytest

from market.control import is_stop
from replay import Replay
from schemas.check_rows import Audit, Clock
from schemas.frames import Frame, Kind
from schemas.requests import MARKETS_PATH
from schemas.rows import Depth as DepthRow
from schemas.rows import Gap, Row, Session
from tests.recorder.commands import ENVIRONMENT, at_work
from tests.replay.server.stage import SAMPLE
from tests.shared import CAPTURES, Arrival, Shot, capture_frames, capture_shots, needs_shared
from tests.tapes import Recording
from tests.venue.catalogue import listing_of_body, markets_body

SOAK = "SOAK" in os.environ
BP_REPLAY = Path(sys.executable).parent / "bp-replay"
EACH = 32  # ids from one book that is looked at to the next

Part = tuple[str, str | None, str | None]


class Told(NamedTuple):
    """What a tape says, receive times and numbers aside.

    books: digest of the book of each market at each update id that it was seen at. Those are all
        but the ones that had waited for a snapshot, which pass at once when it comes.
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
            if not _is_own(frame, row):
                # Streams of one market that a snapshot joins at once do so in no certain order.
                part = (row.TABLE, row.symbol, getattr(row, "window", None))
                rows[part].append(_content(row))
        for symbol in {row.symbol for row in made if isinstance(row, DepthRow)}:
            book = replay.book(symbol or "")
            if book is not None and book.last_update_id % EACH == 0:
                levels = (tuple(book.bids.top()), tuple(book.asks.top()))
                books[symbol or "", book.last_update_id] = hash(levels)
    return Told(messages, dict(rows), books)


def _is_own(frame: Frame, row: Row) -> bool:
    """Whether a row says what the recorder did, and not what the venue did: its sessions and
    clocks, snapshots that it asked for to find that all is well, that it was told to stop."""
    if isinstance(row, Session | Clock) or (isinstance(row, Audit) and row.levels == 0):
        return True
    return frame.kind is Kind.CLOSE and is_stop(frame.payload)


def _content(row: Row) -> tuple[Any, ...]:
    """A row without when it was received and as what number."""
    told = dict(zip(row.__struct_fields__, msgspec.structs.astuple(row), strict=True))
    aside = {"seq", "ts_recv"}
    if isinstance(row, Gap):
        aside |= {"since_seq", "ts_since", "ts_until", "lasted_ns"}
    return tuple(value for name, value in told.items() if name not in aside)


class Served:
    """``bp-replay --serve`` as a process of its own, in lockstep. ready: what it said then."""

    def __init__(self, data: Path) -> None:
        command = [str(BP_REPLAY), str(data), "--serve", "0", "--speed", "max", "--lockstep"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        self._said: list[dict[str, Any]] = []
        self.ready = self._line()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def has_said(self, event: str) -> bool:
        """Whether something has happened."""
        return any(line["event"] == event for line in self._said)

    def end(self) -> None:
        """Stop it, and read what it still says."""
        self._process.terminate()
        self._reader.join()
        assert self._process.wait(30) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line: dict[str, Any] = json.loads(self._process.stdout.readline())
        return line

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(json.loads(line))


@contextmanager
def ending(server: Served) -> Iterator[None]:
    """Ends it, whatever happens."""
    try:
        yield
    finally:
        server.end()


def again(data: Path, into: Path) -> Path:
    """Record a server of a tape."""
    server = Served(data)
    urls = ["--ws-url", server.ready["ws"], "--rest-url", server.ready["rest"]]
    topics = ",".join(server.ready["topics"])
    with ending(server), at_work("-t", topics, "--data", str(into), *urls) as recorder:
        recorder.until(lambda: server.has_said("ended"))
        recorder.interrupt()
        ended = recorder.end()
        assert ended.code in (0, 3), ended.err  # 3: audits found what they found before
    assert not server.has_said("lockstep")
    return into


def check_same(copy: Told, original: Told, share: float = 0.9) -> None:
    """Equal messages, equal rows, equal books wherever both show them, which is at so many of the
    places where the original does: when a snapshot comes is up to the machine."""
    assert copy.messages == original.messages
    assert copy.rows == original.rows
    both = copy.books.keys() & original.books.keys()
    assert len(both) > share * len(original.books)
    assert {at: copy.books[at] for at in both} == {at: original.books[at] for at in both}


def test_the_sample_twice(tmp_path: Path) -> None:
    """A recording of a server, and a recording of a server of that recording."""
    first = again(SAMPLE, tmp_path / "first")
    second = again(first, tmp_path / "second")
    check_same(told(first), told(SAMPLE))
    check_same(told(second), told(SAMPLE))


@needs_shared
@pytest.mark.parametrize("capture", CAPTURES)
def test_real_captures(tmp_path: Path, capture: str) -> None:
    """Real order books, as a recorder would have taped them."""
    original = _taped(capture, tmp_path / "original")
    copy = again(original, tmp_path / "copy")
    check_same(told(copy), told(original))


def _taped(capture: str, into: Path) -> Path:
    """The beginning of a capture (`make soak-faults`: all); snapshots where their replies came."""
    shots = {shot.recv_ns: shot for shot in capture_shots(capture)}
    frames = capture_frames(capture)[: None if SOAK else 6_000]
    events: list[Arrival | Shot] = sorted([*frames, *shots.values()], key=attrgetter("recv_ns"))
    recording = Recording(into)
    recording.wall = events[0].recv_ns
    recording.begin(sorted({json.loads(frame.text)["stream"] for frame in frames}))
    recording.connect()
    recording.take(Kind.REQUEST, b"", topic=MARKETS_PATH)
    listings = [listing_of_body(shot.symbol, shot.body) for shot in shots.values()]
    recording.take(Kind.REPLY, markets_body(listings).encode(), topic=MARKETS_PATH)
    for event in events:
        recording.pass_(event.recv_ns - recording.wall)
        if isinstance(event, Shot):
            recording.snapshot(event.symbol, event.body)
        else:
            recording.data(event.text)
    recording.hang_up()
    recording.stop()
    return into
