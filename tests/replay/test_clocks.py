"""Whatever the wall clock does: ``seq`` is the order, the pace is even, and lines lie in the
folders of their own time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import dropwhile, takewhile
from pathlib import Path
from shutil import rmtree

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay import Replay
from replay.certificate import Outcome
from replay.certify import certify
from replay.selection import Selection
from replay.strand import Span
from replay.weave import strands
from tape import recordings
from tape.layout import DAY_NS, HOUR_NS
from tape.prunings import pruned
from tape.reader import read_rows, segments
from tape.verify import verify
from tests.replay.clocks import FakeClock
from tests.tapes import START_NS, Recording, Setting

SECOND = 1_000_000_000
BOOT = 7
MIDNIGHT = START_NS // DAY_NS * DAY_NS + DAY_NS
recorded = settings(max_examples=15, deadline=None)
speeds = st.sampled_from([0.5, 1.0, 10.0, 1e6])


@dataclass(frozen=True)
class Beat:
    """A frame, then time passes, then the clock is set by ``step`` ns, then maybe a new segment."""

    passes: int
    step: int = 0
    roll: bool = False


# Little drifts, an administrator's corrections, days; nothing most of the time.
steps = st.one_of(
    st.just(0),
    st.just(0),
    st.integers(-SECOND, SECOND),
    st.integers(-2 * HOUR_NS, 2 * HOUR_NS),
    st.integers(-2 * DAY_NS, 2 * DAY_NS),
)
beats = st.lists(
    st.builds(Beat, st.integers(0, HOUR_NS // 3), steps, st.sampled_from([False] * 5 + [True])),
    min_size=1,
    max_size=8,
)
Record = Callable[..., Recording]


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Makes recordings of beats; the first one of a test takes the place of those before."""
    root = tmp_path_factory.mktemp("clocks") / "tape"

    def make(script: list[Beat], session: str | None = None, late: int = 0) -> Recording:
        if session is None:
            rmtree(root, ignore_errors=True)
        recording = Recording(root, Setting(session=session or "20260902T164310Z"))
        recording.wall = MIDNIGHT - HOUR_NS
        recording.pass_(late)
        recording.mono += BOOT * late  # of another computer
        recording.begin(["trade.X_USDC"])
        for number, beat in enumerate(script):
            recording.data(trade(number))
            recording.pass_(beat.passes)
            recording.wall += beat.step
            if beat.roll:
                recording.roll()
        recording.stop()
        return recording

    return make


def utc(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // SECOND, UTC)


def trade(number: int) -> str:
    return (
        f'{{"stream":"trade.X_USDC","data":{{"e":"trade","s":"X_USDC","E":1788367390000000,'
        f'"T":1788367390000000,"t":{number + 1},"p":"1.5","q":"2","m":true,"a":"1","b":"2"}}}}'
    )


@recorded
@given(script=beats, speed=speeds)
def test_the_pace_is_that_of_the_monotonic_clock(
    record: Record, script: list[Beat], speed: float
) -> None:
    recording, clock = record(script), FakeClock()
    began, first = clock.time, recording.frames[0].ts_mono
    out = []
    for frame, _ in Replay(recording.tape.root, speed=speed, clock=clock).frames():
        out.append(frame)
        assert abs(clock.time - began - (frame.ts_mono - first) / speed) <= 1_000 * len(out)
    assert out == recording.frames
    total = recording.frames[-1].ts_mono - first
    assert abs(sum(clock.slept) - total / speed) <= 1_000 * len(out)


@recorded
@given(script=beats, places=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_part_begins_with_the_first_frame_at_or_after_its_start(
    record: Record, script: list[Beat], places: tuple[float, float]
) -> None:
    recording = record(script)
    times = [frame.ts_recv for frame in recording.frames]
    low, high = min(times), max(times)
    start, until = sorted(low + int(place * (high - low)) for place in places)
    until += 1
    rest = dropwhile(lambda frame: frame.ts_recv < start, recording.frames)
    expected = list(takewhile(lambda frame: frame.ts_recv < until, rest))
    part = Replay(recording.tape.root, start=start, until=until)
    assert (part.first_ts, part.last_ts) == (low, high)
    assert [frame for frame, _ in part.frames()] == expected
    whole = {row.seq: row for row in Replay(recording.tape.root)}
    assert all(whole[row.seq] == row for row in part)


@recorded
@given(script=beats)
def test_lines_lie_in_the_folders_of_their_own_time(record: Record, script: list[Beat]) -> None:
    recording = record(script)
    tape = recording.tape
    for manifest in segments(tape):
        for entry in manifest.files_of("frames"):
            table = pq.ParquetFile(tape.root / entry.path).read(columns=["seq", "ts_recv"])
            seqs = table.column("seq").to_pylist()
            assert seqs == sorted(seqs)
            for ns in table.column("ts_recv").cast("int64").to_pylist():
                assert f"{utc(ns):/date=%F/hour=%H/}" in entry.path
        for entry in manifest.files:
            if entry.table != "frames":
                rows = [row for batch in read_rows(tape, entry) for row in batch]
                assert [row.seq for row in rows] == sorted(row.seq for row in rows)
                for row in rows:
                    assert f"{utc(row.ts_recv):/date=%F/}" in entry.path
    assert [row.seq for row in Replay(tape.root, topics=["trade.*"]) if row.TABLE == "trade"] == [
        frame.seq for frame in recording.frames if frame.kind == "data"
    ]
    assert verify(tape) == []
    assert certify(tape).outcome is Outcome.CERTIFIED


@recorded
@given(one=beats, other=beats, late=st.integers(0, 3 * HOUR_NS), speed=speeds)
def test_sessions_are_merged_by_the_time_that_really_passed(
    record: Record, one: list[Beat], other: list[Beat], late: int, speed: float
) -> None:
    sessions = [record(one), record(other, "20260902T170000Z", late)]
    clock = FakeClock()
    replay = Replay(sessions[0].tape.root, speed=speed, merge=True, clock=clock)
    began = clock.time
    played = [(frame, clock.time - began) for frame, _ in replay.frames()]
    if not overlapping(sessions):
        return
    boots = [0, BOOT * late]
    frames = [
        (frame.ts_mono - boots[number], number, frame)
        for number, session in enumerate(sessions)
        for frame in session.frames
    ]
    expected = sorted(frames, key=lambda found: found[:2])
    assert [frame for frame, _ in played] == [frame for _, _, frame in expected]
    for (_, at), (mono, _, _) in zip(played, expected, strict=True):
        assert abs(at - (mono - expected[0][0]) / speed) <= 1_000 * len(played)


def overlapping(sessions: list[Recording]) -> bool:
    spans = [[frame.ts_recv for frame in session.frames] for session in sessions]
    return max(map(min, spans)) <= min(map(max, spans))


def test_an_older_manifest_has_the_time_of_the_last_frame(tmp_path: Path) -> None:
    """Format 1: the segment is looked into all the same if its files reach far enough."""
    recording = Recording(tmp_path / "tape")
    recording.wall = MIDNIGHT - HOUR_NS
    recording.begin()
    for step in (3 * HOUR_NS, -3 * HOUR_NS, 0):
        recording.data(trade(1))
        recording.wall += step
    recording.roll()
    recording.stop()
    first, second = segments(recording.tape)
    old = msgspec.structs.replace(first, format=1, last_ts=first.first_ts)
    start = MIDNIGHT + HOUR_NS
    rest = list(dropwhile(lambda frame: frame.ts_recv < start, recording.frames))
    part = recordings.Recording(recording.tape, [old, second], pruned(recording.tape))
    [strand] = strands([part], Selection(None))
    assert list(strand.frames(Span(start, 2**63 - 1))) == rest
    assert rest
