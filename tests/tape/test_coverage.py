"""Coverage is what a model of single slots says, whatever clocks and gaps do."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tape.coverage import UNRECORDED, Covered, cover, coverage
from tape.doubts import Hole
from tape.laps import DAMAGED, Lap
from tape.layout import DAY_NS, HOUR_NS, SegmentName, Tape, date_folder
from tape.reader import segments
from tests.effort import examples
from tests.replay.tampering import flip_byte
from tests.tape.dumb import NAME, SECOND, START, DumbRecorder
from tests.tape.slots import DumbSession, all_slots
from tests.tape.told import Told
from tests.tapes import START_NS, Recording

TOPICS = ("depth.X", "trade.X")
CAUSES = ("disconnect", "loss", "depth_ids", "audit")
DAY = START // DAY_NS * DAY_NS
topics = st.sets(st.sampled_from(TOPICS)).map(frozenset)


@st.composite
def sessions(draw: st.DrawFn, name: str) -> DumbSession:
    """Up to fifteen frames, hours apart, by a clock that is set now and then."""
    count = draw(st.integers(2, 15))
    seqs = st.integers(1, count)
    steps = draw(st.frozensets(st.integers(2, count), max_size=3))
    times = [draw(st.integers(40, 90))]
    for seq in range(2, count + 1):
        step = draw(st.integers(-30, 30)) if seq in steps else 0
        times.append(max(times[-1] + draw(st.integers(0, 9)) + step, 0))
    rolls = {1: draw(topics)} | draw(st.dictionaries(seqs, topics, max_size=2))
    session = DumbSession(name, times, steps, rolls)
    for _ in range(draw(st.integers(0, 5))):
        since, until = draw(seqs), draw(st.none() | seqs)
        about = draw(st.none() | st.sampled_from(TOPICS))
        if until is None or until > since:
            session.holes.append((about, draw(st.sampled_from(CAUSES)), since, until))
    return session


def laps_of(session: DumbSession) -> Iterator[Lap]:
    cuts = sorted({*session.steps, *session.rolls, len(session.times) + 1})
    for first, following in pairwise(cuts):
        goes_on = following <= len(session.times) and following not in session.steps
        last = following if goes_on else following - 1
        times = [session.times[seq - 1] * HOUR_NS for seq in (first, last)]
        yield Lap(session.name, session.topics_at(first), first, following - 1, *times)


def holes_of(session: DumbSession) -> Iterator[Hole]:
    for topic, cause, since, until in session.holes:
        ts_since = session.times[since - 1] * HOUR_NS
        ts_until = None if until is None else session.times[until - 1] * HOUR_NS
        yield Hole(session.name, topic, cause, "open", 1, 0, since, ts_since, until, ts_until, None)


def slots_of(covered: Covered) -> dict[int, str]:
    """Slots of a day that are missing, with the cause that is named."""
    return {
        slot: missing.cause
        for missing in covered.missing
        for slot in range(missing.ts_since // HOUR_NS, missing.ts_until // HOUR_NS)
    }


@settings(max_examples=examples(250))
@given(one=sessions("a"), other=sessions("b"))
def test_coverage_is_what_single_slots_add_up_to(one: DumbSession, other: DumbSession) -> None:
    found = cover([*laps_of(one), *laps_of(other)], [*holes_of(one), *holes_of(other)])
    for topic in TOPICS:
        covered, missing, recorded = all_slots([one, other], topic)
        days = sorted({slot // 24 for slot in recorded})
        mine = [day for day in found if day.topic == topic]
        assert [day.day for day in mine] == [date_folder(d * DAY_NS)[5:] for d in days]
        for number, day in zip(days, mine, strict=True):
            slots = set(range(number * 24, number * 24 + 24))
            gone = slots_of(day)
            assert day.covered_ns == len(covered & slots) * HOUR_NS
            assert day.share == day.covered_ns / DAY_NS
            assert set(gone) == slots - covered
            assert all(cause in missing.get(slot, {UNRECORDED}) for slot, cause in gone.items())
            assert day.gaps == sum(m.cause != UNRECORDED for m in day.missing)
            assert list(day.missing) == sorted(day.missing, key=lambda m: m.ts_since)


@pytest.fixture
def told(tape: Tape) -> Told:
    """A session that has just begun."""
    return Told(DumbRecorder(tape))


def gone(tape: Tape, topic: str = "depth.X") -> list[tuple[str, int, int]]:
    """What is missing of a topic within its recording: cause, from and until in s after START."""
    return [
        (m.cause, (m.ts_since - START) // SECOND, (m.ts_until - START) // SECOND)
        for day in coverage(tape, segments(tape, merge=True))
        if day.topic == topic
        for m in day.missing
        if m.cause != UNRECORDED or (m.ts_since > DAY and m.ts_until < DAY + DAY_NS)
    ]


def test_a_depth_gap_lasts_until_the_resync(told: Told) -> None:
    since = told.hear("depth.X", "trade.X")
    told.pass_(2 * SECOND)
    gap = told.gap(since, "depth.X")
    told.pass_(3 * SECOND)
    told.end(gap)
    told.pass_(5 * SECOND)
    manifest = told.stop()
    assert gone(told.tape) == [("depth_ids", 0, 5)]
    assert gone(told.tape, "trade.X") == []
    [depth, _] = coverage(told.tape, [manifest])
    assert (depth.covered_ns, depth.gaps, depth.day) == (5 * SECOND, 1, "2026-11-22")


def test_a_gap_that_never_ends_lasts_to_the_end_of_the_session(told: Told) -> None:
    since = told.hear("depth.X")
    told.pass_(2 * SECOND)
    told.gap(since, "depth.X")
    told.roll()
    told.hear("depth.X")
    told.pass_(3 * SECOND)
    told.stop()
    later = Told(DumbRecorder(told.tape, SegmentName("20261122T080000Z", 1), START + 60 * SECOND))
    later.hear("depth.X")
    later.pass_(SECOND)
    later.stop()
    assert gone(told.tape) == [("depth_ids", 0, 5), (UNRECORDED, 5, 60)]


def test_a_gap_in_trades_is_one_row_and_one_that_healed_is_none(told: Told) -> None:
    since = told.hear("trade.X")
    told.pass_(2 * SECOND)
    told.gap(since, "trade.X", cause="trade_ids", ts_until=told.recorder.ts)
    since = told.hear("trade.X")
    told.pass_(2 * SECOND)
    told.end(told.gap(since, "trade.X"), "healed")
    told.stop()
    assert gone(told.tape, "trade.X") == [("trade_ids", 0, 2)]


def test_connections_and_losses_are_of_all_topics(told: Told) -> None:
    since = told.hear("depth.X", "trade.X")
    told.pass_(SECOND)
    outage = told.gap(since, cause="disconnect", missing=None)
    loss = told.gap(told.last, cause="loss")
    told.pass_(SECOND)
    told.end(loss, "resumed")
    told.roll()
    told.pass_(SECOND)
    told.hear("trade.X")
    told.end(outage, "resumed")
    told.pass_(SECOND)
    told.stop()
    assert gone(told.tape, "trade.X") == [("disconnect", 0, 3)]
    assert gone(told.tape) == [("disconnect", 0, 2)]  # the second segment knows nothing of it


def test_a_clock_that_leapt_covers_neither_less_nor_more(told: Told) -> None:
    """Ten seconds, an hour forwards, ten seconds, two hours back, ten seconds, one forwards."""
    told.hear("depth.X")
    for hours in (1, -2, 1):
        told.pass_(10 * SECOND + hours * HOUR_NS)
        told.clock(hours * HOUR_NS)
    told.pass_(10 * SECOND)
    told.stop()
    [day] = coverage(told.tape, segments(told.tape))
    assert day.covered_ns == 3 * 10 * SECOND + 10 * SECOND
    times = [(s - START) // SECOND for m in day.missing for s in (m.ts_since, m.ts_until)][1:-1]
    assert times == [-3580, -3570, 0, 10, 30, 40, 3610, 3620]


def test_a_clock_set_back_covers_nothing_twice(told: Told) -> None:
    told.hear("depth.X")
    told.pass_(10 * SECOND)
    told.pass_(-5 * SECOND)
    told.clock(-5 * SECOND)
    told.gap(told.last, "depth.X")
    told.pass_(10 * SECOND)
    manifest = told.stop()
    assert (manifest.first_ts, manifest.last_ts) == (START, START + 15 * SECOND)
    [day] = coverage(told.tape, [manifest])
    assert day.covered_ns == 10 * SECOND
    assert gone(told.tape) == [("depth_ids", 10, 15)]


def test_an_outage_to_the_end_of_a_session_is_a_gap(told: Told) -> None:
    told.hear("depth.X")
    told.pass_(5 * SECOND)
    told.gap(told.hear("depth.X"), cause="disconnect", missing=None)
    told.pass_(100 * SECOND)
    told.stop()
    assert gone(told.tape) == [("disconnect", 5, 105)]


def test_what_was_lost_on_disk_is_damaged(told: Told) -> None:
    told.hear("depth.X")
    for _ in range(3):
        told.pass_(4 * SECOND)
        told.hear("depth.X")
        told.roll()
    told.stop()
    told.tape.manifest(SegmentName(NAME.session, 2)).unlink()
    assert gone(told.tape) == [(DAMAGED, 4, 8)]


def damaged(told: Told, batch: int) -> None:
    """The session ends after three batches of two frames, 4 s apart, one of which is spoilt."""
    journal, sizes = told.tape.journal(told.recorder.name), [0]
    for _ in range(3):
        told.hear("depth.X")
        told.pass_(4 * SECOND)
        told.hear("depth.X")
        told.recorder.flush()
        sizes.append(journal.stat().st_size)
    flip_byte(journal, (sizes[batch] + sizes[batch + 1]) // 2)
    told.stop()


def test_what_was_lost_in_the_middle_of_a_journal_is_damaged(told: Told) -> None:
    damaged(told, 1)
    assert gone(told.tape) == [(DAMAGED, 4, 8)]


def test_what_was_lost_at_the_head_of_a_segment_is_damaged(told: Told) -> None:
    told.hear("depth.X")
    told.roll()
    told.pass_(2 * SECOND)
    damaged(told, 0)
    assert gone(told.tape) == [(DAMAGED, 0, 6)]


def test_a_topic_that_never_spoke_is_covered_where_it_was_subscribed(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape")
    recording.begin(["depth.X_USDC"])
    recording.connect()
    recording.pass_(60 * SECOND)
    tape = recording.stop()
    [day] = coverage(tape, segments(tape))
    assert (day.topic, day.day, day.covered_ns) == ("depth.X_USDC", "2026-09-02", 60 * SECOND)
    first, last = day.missing
    assert (first.ts_until, last.ts_since) == (START_NS, START_NS + 60 * SECOND)


def test_days_end_at_midnight(told: Told) -> None:
    told.recorder.ts = DAY + DAY_NS - 10 * SECOND
    told.hear("depth.X")
    told.pass_(30 * SECOND)
    told.hear("depth.X")
    told.stop()
    found = coverage(told.tape, segments(told.tape))
    assert [(day.day, day.covered_ns) for day in found][-1] == ("2026-11-23", 20 * SECOND)
