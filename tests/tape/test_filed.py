"""Frames with the streams they are filed under, in lists; and where to begin at a time."""

from itertools import chain
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import TapeError
from tape.layout import Tape
from tape.reader import read_filed, segments, seq_at
from tests.effort import examples
from tests.replay.eventful import eventful
from tests.shared import ROOT
from tests.tape.dumb import HOUR, SECOND, DumbRecorder, sealed
from tests.tape.moments import Moments

looking = settings(
    max_examples=examples(13),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def restless(root: Path) -> Tape:
    """One segment, in which the clock was set back and forth over an hour, so files interleave."""
    recorder = DumbRecorder(Tape(root))
    for number in range(120):
        recorder.ts += SECOND + (HOUR if number % 30 == 9 else -HOUR if number % 30 == 19 else 0)
        recorder.say(("ETH_USDC", number, 1), stream=None if number % 7 else "depth.ETH_USDC")
    recorder.stop()
    sealed(Tape(root))
    return Tape(root)


@pytest.fixture(scope="module", params=["eventful", "restless", "1"])
def moments(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Moments:
    """Recordings of several row groups, of files that interleave, of format 1."""
    root = tmp_path_factory.mktemp("filed")
    if request.param == "1":
        return Moments(Tape(ROOT / "data/versions/1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tape.segment._GROUP_BYTES", 9_000)
        return Moments(restless(root) if request.param == "restless" else eventful(root, 50).tape)


@looking
@given(data=st.data())
def test_lists_are_the_frames_in_order(moments: Moments, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(moments.segments) - 1))
    segment = moments.segments[index]
    from_seq = data.draw(st.integers(segment.first_seq - 2, segment.last_seq + 2))
    rows = data.draw(st.integers(1, 90))
    lists = list(read_filed(moments.tape, segment, from_seq, rows))
    assert all(1 <= len(filed) <= rows for filed in lists)
    found = [(filed.frame, filed.topic) for filed in chain.from_iterable(lists)]
    assert found == moments.filed(index, from_seq)


@looking
@given(data=st.data())
def test_where_to_begin_at_a_time(moments: Moments, data: st.DataObject) -> None:
    mark, frame = data.draw(st.sampled_from(moments.frames))
    ts = frame.ts_recv + data.draw(st.sampled_from([-1, 0, 1, -SECOND, HOUR, -HOUR, 10 * HOUR]))
    found = seq_at(moments.tape, moments.segments[mark.segment], ts)
    assert found == moments.seq_at(mark.segment, ts)


def test_files_of_the_restless_interleave(tmp_path: Path) -> None:
    (segment,) = segments(restless(tmp_path))
    early, late = segment.files_of("frames")
    assert early.last_seq > late.first_seq


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    tape = restless(tmp_path)
    (segment,) = segments(tape)
    (tape.root / segment.files_of("frames")[1].path).write_bytes(b"")
    for look in (lambda: list(read_filed(tape, segment)), lambda: seq_at(tape, segment, 2**62)):
        with pytest.raises(TapeError, match="has 0 bytes, was sealed with"):
            look()
