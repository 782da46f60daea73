"""The picture of coverage says what the numbers say, on a terminal and in a pipe."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tape import picture
from tape.cli import cli
from tape.coverage import UNRECORDED, Covered, cover
from tape.doubts import Hole
from tape.laps import Lap
from tape.layout import DAY_NS, HOUR_NS, Tape
from tape.picture import FULL, NOTHING, PARTLY, bar, percent
from tests.tape.dumb import SECOND, START, DumbRecorder
from tests.tape.told import Told

DAY = START // DAY_NS * DAY_NS
MINUTE = 60 * SECOND
minutes = st.integers(0, 24 * 60)


def day_of(recorded: Sequence[tuple[int, int]], gaps: Sequence[tuple[int, int]]) -> Covered | None:
    """A day in minutes: what was recorded, and of that what is missing."""
    laps = [
        Lap(f"{n}", frozenset({"depth.X"}), 1, 9, DAY + start * MINUTE, DAY + until * MINUTE)
        for n, (start, until) in enumerate(recorded)
    ]
    holes = [
        Hole(lap.session, None, "loss", "open", 1, 0, 1, DAY + a * MINUTE, 9, DAY + b * MINUTE, 1)
        for lap in laps
        for a, b in gaps
    ]
    return next(iter(cover(laps, holes)), None)


@given(
    recorded=st.lists(st.tuples(minutes, minutes).map(sorted).map(tuple), min_size=1, max_size=3),
    gaps=st.lists(st.tuples(minutes, minutes).map(sorted).map(tuple), max_size=3),
    blocks=st.sampled_from([12, 24, 48, 96]),
)
def test_a_block_is_full_partly_or_nothing(
    recorded: list[tuple[int, int]], gaps: list[tuple[int, int]], blocks: int
) -> None:
    day = day_of(recorded, gaps)
    if day is None:
        assert all(start == until for start, until in recorded)
        return
    asked = {minute for start, until in recorded for minute in range(start, until)}
    gone = {minute for start, until in gaps for minute in range(start, until)} & asked
    size = 24 * 60 // blocks
    for block, (said, has_gap) in enumerate(bar(day, blocks)):
        inside = set(range(block * size, (block + 1) * size))
        there = len(inside & asked - gone)
        assert said == (FULL if there == size else PARTLY if there else NOTHING)
        assert has_gap == bool(inside & gone)


def test_a_block_that_lacks_a_nanosecond_is_not_full_nor_one_that_has_it_empty() -> None:
    laps = [
        Lap("a", frozenset({"depth.X"}), 1, 9, DAY, DAY + HOUR_NS - 1),
        Lap("a", frozenset({"depth.X"}), 10, 19, DAY + 2 * HOUR_NS, DAY + 2 * HOUR_NS + 1),
    ]
    [day] = cover(laps, [])
    assert [said for said, _ in bar(day, 24)][:4] == [PARTLY, NOTHING, PARTLY, NOTHING]


@given(share=st.floats(0, 1))
def test_percent_never_says_more_than_there_is(share: float) -> None:
    said = percent(share)
    number = float(said.strip("<% "))
    assert (said == "100 %") == (share == 1)
    assert (said == "0 %") == (share == 0)
    assert number <= share * 100 + 1e-9 or said.startswith("<")


@pytest.fixture
def lossy(tape: Tape) -> Tape:
    """From 7 to 9 o'clock, with an outage of half an hour from 8 on."""
    told = Told(DumbRecorder(tape))
    told.hear("depth.X", "trade.X")
    told.pass_(HOUR_NS)
    outage = told.gap(told.hear("depth.X"), cause="disconnect", missing=None)
    told.pass_(HOUR_NS // 2)
    told.end(outage, "resumed")
    told.pass_(HOUR_NS // 2)
    told.hear("trade.X")
    told.stop()
    return tape


def run(*words: object) -> str:
    result = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_a_pipe_gets_plain_cells_with_a_legend(lossy: Tape) -> None:
    header, depth, trade = (
        line.split("\t") for line in run("ls", "--coverage", lossy.root).splitlines()
    )
    assert header[:4] == ["topic", "day", "covered", "gaps"]
    assert "█ all, ▒ partly, · nothing" in header[4]
    assert depth == ["depth.X", "2026-11-22", "6.25 %", "1", "·" * 14 + "██·█" + "·" * 30]
    assert trade[4] == depth[4]


def test_programs_get_every_stretch_with_its_cause(lossy: Tape) -> None:
    depth, trade = json.loads(run("ls", "--coverage", "--json", lossy.root))
    assert (depth["topic"], trade["topic"]) == ("depth.X", "trade.X")
    assert depth["covered_ns"] == 3 * HOUR_NS // 2
    assert depth["share"] == 1.5 / 24
    assert depth["missing"] == [
        {"cause": UNRECORDED, "ts_since": DAY, "ts_until": START},
        {"cause": "disconnect", "ts_since": START + HOUR_NS, "ts_until": START + 3 * HOUR_NS // 2},
        {"cause": UNRECORDED, "ts_since": START + 2 * HOUR_NS, "ts_until": DAY + DAY_NS},
    ]


@pytest.mark.parametrize(("width", "blocks"), [(50, 12), (70, 24), (90, 48), (200, 96)])
def test_a_terminal_gets_a_picture_that_fits(lossy: Tape, width: int, blocks: int) -> None:
    shown = on_terminal(width, "ls", "--coverage", str(lossy.root))
    assert "\x1b[" in shown
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert all(len(line) <= width for line in lines)
    [depth] = [line for line in lines if line.startswith("depth.X")]
    assert sum(character in FULL + PARTLY + NOTHING for character in depth) == blocks
    assert "a gap in it" in shown


def on_terminal(width: int, *words: str) -> str:
    """What a command shows on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    program = "from tape.cli import cli; cli()"
    env = {**os.environ, "TERM": "xterm", "COLUMNS": str(width), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, stdout=theirs, check=True, env=env)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0
    return shown


@pytest.mark.parametrize("width", [60, 100, 300])
def test_any_topic_is_shown_as_it_is(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing in it is markup, and a long one leaves room for the rest."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    topics = ("trade.[/red]", "trade.\x1b[31m", f"depth.{'Y' * 500}")
    picture.show(cover([Lap("a", frozenset(topics), 1, 9, DAY, DAY + 6 * HOUR_NS)], []))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert "…" in lines[1]
    assert lines[1].startswith("depth.YY")
    assert lines[2].startswith("trade.\\x1b")
    assert lines[3].startswith("trade.[/red")
    for line in lines[1:4]:
        assert len(line.rstrip()) <= width
        assert "25.00 %" in line
        blocks = line.rpartition(" ")[2]
        assert blocks.count(FULL) * 3 == blocks.count(NOTHING) == len(blocks) * 3 // 4 >= 9
