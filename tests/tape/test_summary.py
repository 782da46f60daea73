"""What ``bp-tape info`` says of gaps, audits and clocks."""

import json

import pytest
from click.testing import CliRunner

from tape.cli import cli
from tape.layout import SegmentName, Tape
from tape.reader import segments
from tape.summary import summarize
from tape.totals import AuditTotal, ClockTotal, GapTotal, add_up
from tests.tape.dumb import SECOND, START, DumbRecorder
from tests.tape.told import Told


@pytest.fixture
def doubtful(tape: Tape) -> Tape:
    """Two segments and a second session in which everything was in doubt once."""
    told = Told(DumbRecorder(tape))
    told.clock(offset=5)
    since = told.hear("depth.X", "trade.X")
    told.pass_(2 * SECOND)
    gap = told.gap(since, "depth.X", missing=4)
    again = told.gap(since, "depth.X", missing=6)  # of the same outage
    told.audit(0)
    told.roll()
    told.pass_(3 * SECOND)
    gap.missing = (gap.missing or 0) + (again.missing or 0)
    told.end(gap)
    told.gap(told.last, "trade.X", cause="trade_ids", missing=None, ts_until=told.recorder.ts)
    told.audit(2)
    told.audit(1, "bookTicker")
    told.pass_(-60 * SECOND)
    told.clock(step=-60 * SECOND, offset=-2 * SECOND)
    told.stop()
    later = Told(DumbRecorder(tape, SegmentName("20261122T080000Z", 1), START + 3600 * SECOND))
    first = later.gap(later.hear("depth.X"), "depth.X", missing=1)
    later.gap(later.recorder.frames[first.since_seq - 1], "depth.X", missing=2)
    later.stop()
    return tape


def test_gaps_are_counted_once_with_what_became_of_them(doubtful: Tape) -> None:
    totals = add_up([(doubtful, segments(doubtful, merge=True))])
    assert totals.gaps == [
        GapTotal(
            cause="depth_ids",
            gaps=2,
            missing=13,
            ended={"open": 1, "resynced": 1},
            longest_ns=5 * SECOND,
        ),
        GapTotal(cause="trade_ids", gaps=1, missing=0, ended={"open": 1}, longest_ns=None),
    ]
    assert totals.audits == [
        AuditTotal(source="bookTicker", mismatches=1, comparisons=None),
        AuditTotal(source="rest", mismatches=1, comparisons=2),
    ]
    assert totals.clock == ClockTotal(
        looks=2,
        offset_ns=-2 * SECOND,
        ts_offset=START - 55 * SECOND,
        steps=1,
        largest_step_ns=-60 * SECOND,
    )


def test_a_summary_counts_holes_and_not_rows(doubtful: Tape) -> None:
    summary = summarize(doubtful, segments(doubtful, merge=True))
    assert summary.gaps == 3
    assert summary.rows["gap"] == 6


def test_info_shows_them(doubtful: Tape) -> None:
    done = CliRunner().invoke(cli, ["info", str(doubtful.root)], catch_exceptions=False)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert ["depth_ids", "2", "13", "1 open, 1 resynced", "5.000 s"] in lines
    assert ["trade_ids", "1", "0", "1 open", "-"] in lines
    assert ["rest", "1", "2"] in lines
    assert ["bookTicker", "1", "-"] in lines
    assert ["wall", "2", "-2.000 s", "1", "-60.000 s"] in lines


def test_info_for_programs_has_them(doubtful: Tape) -> None:
    done = CliRunner().invoke(cli, ["info", "--json", str(doubtful.root)], catch_exceptions=False)
    said = json.loads(done.stdout)
    assert said["gaps"] == 3
    assert [total["cause"] for total in said["doubts"]["gaps"]] == ["depth_ids", "trade_ids"]
    assert said["doubts"]["clock"]["offset_ns"] == -2 * SECOND


def test_where_nothing_is_in_doubt_nothing_is_said(tape: Tape) -> None:
    told = Told(DumbRecorder(tape))
    told.hear("trade.X")
    told.stop()
    totals = add_up([(tape, segments(tape))])
    assert (totals.gaps, totals.audits, totals.clock) == ([], [], None)
    done = CliRunner().invoke(cli, ["info", str(tape.root)], catch_exceptions=False)
    assert "largest" not in done.stdout
    assert ["gaps", "0"] in [line.split("\t") for line in done.stdout.splitlines()]
