"""Starting in the middle is the tail of starting at the beginning."""

from functools import cache
from itertools import dropwhile, takewhile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay import Replay
from schemas.errors import UsageError
from schemas.frames import Kind
from schemas.rows import Row
from tape.layout import Tape
from tape.moment import stamp
from tests.effort import examples
from tests.tapes import START_NS, Recording

SECOND = 1_000_000_000
# Places in a recording: a frame, by its share of all, and how far from it.
places = st.tuples(st.floats(0, 1), st.integers(-1, 1))
seeking = settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@cache
def all_rows(root: Path) -> list[Row]:
    """From the beginning, once."""
    return list(Replay(root))


def time_at(recording: Recording, place: tuple[float, int]) -> int:
    share, off = place
    frame = recording.frames[round(share * (len(recording.frames) - 1))]
    first, last = recording.frames[0].ts_recv, recording.frames[-1].ts_recv
    return min(max(frame.ts_recv + off, first), last)


@seeking
@given(place=places)
def test_a_start_gives_the_tail(any_recording: Recording, place: tuple[float, int]) -> None:
    start = time_at(any_recording, place)
    root = any_recording.tape.root
    assert list(Replay(root, start=start)) == [r for r in all_rows(root) if r.ts_recv >= start]


@seeking
@given(ends=st.tuples(places, places))
def test_start_and_until_give_what_lies_between(
    any_recording: Recording, ends: tuple[tuple[float, int], tuple[float, int]]
) -> None:
    start, until = sorted(time_at(any_recording, place) for place in ends)
    until += 1
    part = Replay(any_recording.tape.root, start=start, until=until)
    frames = [f for f in any_recording.frames if start <= f.ts_recv < until]
    assert [frame for frame, _ in part.frames()] == frames


@seeking
@given(place=places)
def test_books_are_in_place_at_the_start(
    any_recording: Recording, place: tuple[float, int]
) -> None:
    start = time_at(any_recording, place)
    root, topics = any_recording.tape.root, ["depth.*"]
    whole, tail = Replay(root), Replay(root, start=start, topics=topics)
    first, _ = next(tail.frames())
    for frame, _ in whole.frames():
        if frame.seq == first.seq:
            break
    for symbol in ("SOL_USDC", "BTC_USDC_PERP"):
        book, sought = whole.book(symbol), tail.book(symbol)
        assert (book is None) == (sought is None)
        if book is not None and sought is not None:
            assert sought.last_update_id == book.last_update_id
            assert sought.bids.top() == book.bids.top()
            assert sought.asks.top() == book.asks.top()


def test_only_segments_that_are_needed_are_read(copy: Tape) -> None:
    first, second, third = Replay(copy.root).segments
    for segment in (first, third):
        for entry in segment.files:
            (copy.root / entry.path).unlink()
    part = Replay(copy.root, start=second.first_ts + SECOND, until=second.last_ts)
    assert list(part)


def test_a_wall_clock_set_back_does_not_make_holes(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape")
    recording.begin()
    for number in range(20):
        recording.data(f'{{"data":{{}},"stream":"beat.{number}"}}')
        recording.pass_(SECOND)
        if number == 12:
            recording.wall -= 5 * SECOND
    recording.stop()
    start, until = START_NS + 9 * SECOND, START_NS + 14 * SECOND
    part = Replay(tmp_path / "tape", start=start, until=until)
    frames = dropwhile(lambda frame: frame.ts_recv < start, recording.frames)
    expected = list(takewhile(lambda frame: frame.ts_recv < until, frames))
    assert [frame for frame, _ in part.frames()] == expected
    assert len(expected) == 10


def test_times_may_be_texts(tape: Tape) -> None:
    whole = Replay(tape.root)
    start = whole.first_ts + 2 * SECOND
    expected = [row for row in whole if row.ts_recv >= start]
    for text in (stamp(start), stamp(start)[len("2026-09-02T") : -1], str(start)):
        assert list(Replay(tape.root, start=text)) == expected


def test_a_day_may_be_named(tape: Tape) -> None:
    everything = sum(1 for _ in Replay(tape.root))
    assert sum(1 for _ in Replay(tape.root, start="2026-09-02", until="2026-09-03")) == everything


@pytest.mark.parametrize(
    ("start", "until", "message"),
    [
        ("2020-01-01", "2020-01-02", "this recording runs from 2026-09-02T16:43:10"),
        ("2030-01-01", None, "this recording runs from"),
        (None, "16:43", "this recording runs from"),
        ("16:43:12", "16:43:12", "is not after start"),
        ("noon", None, "'noon' is not a time: give UTC such as 2026-11-22T06:30"),
        (1_788_367_390, None, "nanoseconds since 1970"),
    ],
)
def test_what_cannot_be_played_is_refused(
    tape: Tape, start: str | int | None, until: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Replay(tape.root, start=start, until=until)


def test_connections_belong_to_every_selection(tape: Tape) -> None:
    kinds = {frame.kind for frame, _ in Replay(tape.root, topics=["kline.*"]).frames()}
    about_all = {Kind.SEGMENT, Kind.KEYFRAME, Kind.OPEN, Kind.SENT, Kind.CHECKPOINT}
    assert kinds == {*about_all, Kind.DATA}
