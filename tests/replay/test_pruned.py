"""Pruning, beside all that a recording may be: of an account in part, dumps of a ring, topics that
were subscribed and unsubscribed while it ran."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from market.engine import Engine
from replay import Replay
from replay.certificate import Outcome
from replay.certify import certify
from replay.report import Report
from replay.server.course import Course
from schemas.frames import Kind
from tape import console
from tape.again import seal_again
from tape.cli import cli
from tape.coverage import Covered, coverage
from tape.generations import all_generations
from tape.layout import SegmentName, Tape
from tape.manifest import Verdict, load, save
from tape.prunings import What, log_path, prunings
from tape.reader import segments
from tape.retention import take_stock
from tape.summary import summarize
from tape.verify import verify
from tests.replay.mixed import MARK, OF_ACCOUNT, PUBLIC, TEXTS, inside, modes, outside, play
from tests.tape.contents import contents
from tests.tape.keeping import parquet
from tests.tapes import Recording, Setting

MIXED = (
    *("order", "balance", "trade", "depth", "bad order", "unread", "no stream", "trade"),
    *("subscribe", "roll"),
)
MODES = {("folder", 0o700), ("file", 0o600)}
SECOND = 1_000_000_000
SOAK = bool(os.environ.get("SOAK"))


def run(*words: object) -> Result:
    texts = [str(word) for word in words]
    return CliRunner().invoke(cli, texts, obj=Engine, catch_exceptions=False)


def prune(tape: Tape, what: str, *more: str) -> Result:
    return run("prune", tape.root, "--keep", "1ms", "--what", what, *more)


def copied(tape: Tape, name: str) -> Tape:
    return Tape(shutil.copytree(tape.root, tape.root.parent / name))


def of_cause(day: Covered, *causes: str) -> list[Any]:
    return [part for part in day.missing if part.cause in causes]


def is_well(tape: Tape) -> bool:
    """Nothing is called lost, and what is left is certified."""
    report = Report(replay := Replay(tape.root))
    list(replay)
    lost = [loss for loss in report.losses() if "missing" in loss or "not there" in loss]
    whole = certify(tape).outcome is Outcome.CERTIFIED
    return whole and verify(tape) == [] and summarize(tape, segments(tape)).losses == lost == []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """Three segments with frames of an account in each."""
    root = tmp_path_factory.mktemp("mixed") / "tape"
    return play(root, MIXED * 2 + MIXED[:-1], (*PUBLIC, *OF_ACCOUNT)).stop()


@pytest.fixture
def mixed(made: Tape, tmp_path: Path) -> Tape:
    return Tape(shutil.copytree(made.root, tmp_path / "tape"))


def exported(tape: Tape, *words: str) -> tuple[dict[str, list[dict[str, Any]]], Result]:
    """The lines of each file, by its table; and what was said."""
    out = tape.root.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    result = run("export", tape.root, out, "--format", "jsonl", *words)
    files = sorted(out.glob("*.jsonl")) if out.exists() else []
    return {p.stem: [*map(json.loads, p.read_text().splitlines())] for p in files}, result


def test_files_of_an_account_go_as_any_other(mixed: Tape) -> None:
    """And nothing of what was in them is told to who may not read them."""
    before = parquet(mixed.root)
    whole = before - {path for path in before if ".00003." not in path}
    assert prune(mixed, "all").exit_code == 0
    assert parquet(mixed.root) == whole
    assert [path for path in whole if path.startswith("account/frames/")]
    gone = [file.path for pruning in prunings(mixed) for file in pruning.files]
    assert set(gone) == before - whole
    assert not any(MARK in text for text in (*outside(mixed), log_path(mixed).read_text()))
    assert (modes(mixed), is_well(mixed)) == (MODES, True)


def test_frames_of_an_account_go_with_the_others(mixed: Tape) -> None:
    before, rows, days = contents(mixed), list(Replay(mixed.root)), days_of(mixed)
    (raw, _), (lines, _) = exported(mixed, "-t", "frames"), exported(mixed)
    assert prune(mixed, "frames").exit_code == 0
    assert {path.name[:22] for path in inside(mixed)} == {"20260902T164310Z.00003"}
    assert (contents(mixed), days_of(mixed)) == (before, days)
    replay = Replay(mixed.root)
    last = segments(mixed)[-1]
    assert list(replay) == rows[-sum(last.rows.values()) :]
    assert list(Report(replay).lines())[-1].startswith("note: 2 segments whose frames were pruned")
    assert (modes(mixed), is_well(mixed)) == (MODES, True)
    after, result = exported(mixed)
    assert after == lines
    frames, _ = exported(mixed, "-t", "frames")
    assert frames["frames"] == raw["frames"][-last.frames :]
    assert "note: 2 segments whose frames were pruned" in result.stderr
    after, result = exported(mixed, "--topics", "trade.*")  # frames say of which a reject is
    assert (after, result.exit_code) == ({}, console.FAILED)
    assert "was pruned on" in result.stderr


def test_rows_of_an_account_go_and_come_back(mixed: Tape) -> None:
    before = contents(mixed)
    lines, _ = exported(mixed)
    days = days_of(mixed)
    assert prune(mixed, "rows").exit_code == 0
    tables = {path.parents[2].name for path in inside(mixed, "rows") if ".00003." not in path.name}
    assert tables == {"session"}
    assert (days_of(mixed), is_well(mixed)) == (days, True)
    after, result = exported(mixed)
    assert after["session"] == lines["session"]
    last = segments(mixed)[-1].first_seq
    assert after["order"] == [line for line in lines["order"] if line["seq"] >= last]
    assert "note: 2 segments whose rows were pruned" in result.stderr
    for segment in all_generations(mixed)[:-1]:
        seal_again(mixed, segment, Engine())
    assert (contents(mixed), exported(mixed)[0]) == (before, lines)
    assert (modes(mixed), is_well(mixed)) == (MODES, True)


@pytest.mark.parametrize("what", ["all", "frames", "rows"])
def test_an_export_of_the_rest_is_the_rest(mixed: Tape, what: str) -> None:
    """Also without what is of an account, in a copy that lacks it."""
    public, _ = exported(mixed, "--public-only")
    assert prune(mixed, what).exit_code == 0
    shutil.rmtree(mixed.account_folder)
    after, result = exported(mixed, "--public-only")
    last = segments(mixed)[-1].first_seq
    gone = {"all": public, "frames": {"frames"}, "rows": public.keys() - {"frames", "session"}}
    for table, lines in public.items():
        rest = [line for line in lines if line["seq"] >= last]
        assert after.get(table, []) == (rest if table in gone[what] else lines)
    assert "note: 2 segments " in result.stderr
    replay = Replay(mixed.root)
    assert replay.tape.public
    assert list(replay)
    note = list(Report(replay).lines())[-1]
    assert note.startswith("note: 2 segments ")


def test_a_copy_without_an_account_is_as_large_as_it_is(mixed: Tape) -> None:
    shutil.rmtree(mixed.account_folder)
    size = sum((mixed.root / path).stat().st_size for path in parquet(mixed.root))
    assert take_stock(mixed).bytes == size
    (line, *_) = json.loads(prune(mixed, "all", "--json").stdout)
    assert line["bytes"] < size
    assert not any("account/" in file.path for pruning in prunings(mixed) for file in pruning.files)


def days_of(tape: Tape) -> list[Covered]:
    return coverage(tape, segments(tape))


def changed(root: Path) -> Tape:
    """What is subscribed changes in the first and the second segment, once by a long request, and
    the clock is set."""
    recording = Recording(root, Setting(every=4))
    recording.begin(["trade.SOL_USDC"])
    recording.connect()
    many = [f"trade.NAME_{number:04d}_USDC" for number in range(150)]
    for method, topics in (
        ("SUBSCRIBE", many),
        ("UNSUBSCRIBE", many[:-1]),
        ("roll", []),
        ("UNSUBSCRIBE", ["trade.SOL_USDC"]),
        ("SUBSCRIBE", ["account.orderUpdate"]),
        ("roll", []),
        ("SUBSCRIBE", ["trade.SOL_USDC"]),
    ):
        recording.pass_(10 * SECOND)
        if method == "roll":
            recording.roll()
        else:
            command = {"method": method, "params": topics}
            recording.take(Kind.SENT, json.dumps(command).encode(), conn=recording.conn)
    recording.pass_(10 * SECOND)
    return recording.stop()


def test_coverage_knows_what_was_subscribed_in_what_is_gone(tmp_path: Path) -> None:
    tape = changed(tmp_path / "tape")
    days = days_of(tape)
    assert Counter(round(day.covered_ns / SECOND) for day in days)[10] >= 149
    for what in ("frames", "rows"):
        work = copied(tape, what)
        assert prune(work, what).exit_code == 0
        assert days_of(work) == days
    assert prune(copied(tape, "all"), "all").exit_code == 0
    by_topic = {day.topic: day for day in days_of(Tape(tmp_path / "all"))}
    for day in days:
        after = by_topic[day.topic]
        assert of_cause(after, "unrecorded") == of_cause(day, "unrecorded")
        gone = sum(part.ts_until - part.ts_since for part in of_cause(after, "pruned"))
        assert gone == day.covered_ns - after.covered_ns
        assert after.gaps == 0


def test_a_gap_that_went_on_in_what_is_gone_is_none_the_less_one(tmp_path: Path) -> None:
    """The connection broke in a segment that is pruned, and came back much later."""
    recording = Recording(tmp_path / "tape", Setting(every=4))
    recording.begin(["trade.SOL_USDC"])
    recording.connect()
    recording.pass_(10 * SECOND)
    recording.data(TEXTS["trade"])
    recording.disconnect()
    for _ in range(3):
        recording.pass_(10 * SECOND)
        recording.roll()
    recording.pass_(10 * SECOND)
    tape = recording.stop()
    (whole,) = days_of(tape)
    assert whole.covered_ns == 10 * SECOND
    work = copied(tape, "frames")
    assert prune(work, "frames").exit_code == 0
    assert days_of(work) == [whole]
    for each in (tape, work):  # of the one first the frames, then all
        assert prune(each, "all").exit_code == 0
        (day,) = days_of(each)
        assert day.covered_ns == 0
        assert [part.cause for part in day.missing if part.cause != "unrecorded"] == [
            "pruned",
            *of_rest(whole),
        ]
        assert summarize(each, segments(each)).gaps == 1


def of_rest(day: Covered) -> list[str]:
    return [part.cause for part in day.missing if part.cause != "unrecorded"]


def dumps(root: Path) -> Tape:
    """Three dumps of a ring, of two segments each; between them there are some that were not kept.
    A connection is lost in the first and never comes back."""
    recording = Recording(root, Setting(every=4, ring=SECOND))
    recording.begin(["trade.SOL_USDC"])
    recording.connect()
    for number in range(3):
        recording.pass_(SECOND)
        recording.roll()
        recording.pass_(SECOND)
        if number == 0:
            recording.disconnect()
        recording.roll("dump: a test")
        for _ in range(2):
            recording.pass_(SECOND)
            recording.drop()
    recording.pass_(SECOND)
    return recording.stop()


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    return dumps(tmp_path_factory.mktemp("ring") / "tape")


@pytest.mark.parametrize(
    ("first", "what"),
    [*product(range(1, 7), What)] if SOAK else [(1, "all"), (2, "all"), (3, "frames"), (5, "rows")],
)
def test_dumps_of_a_ring_may_be_pruned(ring: Tape, tmp_path: Path, first: int, what: str) -> None:
    """So many segments, the oldest: what is left of a dump, or between two, is not missed."""
    tape = Tape(shutil.copytree(ring.root, tmp_path / "tape"))
    days, found = days_of(tape), segments(tape)
    assert [manifest.number for manifest in found] == [1, 2, 5, 6, 9, 10, 13]
    spare(tape, found[first:-1])
    assert prune(tape, what).exit_code in (console.WHOLE, console.LOSSES)
    assert lost_of(tape) == []
    after = days_of(tape)
    if what != "all":
        assert after == days
        return
    assert [m.number for m in segments(tape)] == [m.number for m in found[first:]]
    for one, other in zip(days, after, strict=True):
        assert of_cause(one, "unrecorded") == of_cause(other, "unrecorded")


def test_one_of_a_dump_that_is_pruned_is_no_seam_of_it(ring: Tape, tmp_path: Path) -> None:
    """The last one of the first dump, and the first one of the second: what is between them is
    neither missed nor played as if it had been one."""
    for number, gone in enumerate(([2], [5], [2, 5], [2, 5, 6, 9])):
        tape = Tape(shutil.copytree(ring.root, tmp_path / f"tape{number}"))
        spare(tape, [m for m in segments(tape)[:-1] if m.number not in gone])
        prune(tape, "all")
        left = segments(tape)
        assert [m.number for m in left] == [n for n in (1, 2, 5, 6, 9, 10, 13) if n not in gone]
        assert lost_of(tape) == []
        lines = list(Report(Replay(tape.root)).lines())
        steps = [two.number > one.number + 1 for one, two in pairwise(left)]
        assert any(f"between {1 + sum(steps)} dumps" in line for line in lines)
        course = Course(tape, left, left_out={SegmentName(left[0].session, n) for n in gone})
        assert [course.is_apart(index) for index in range(len(left))] == [False, *steps]


def spare(tape: Tape, some: list[Any]) -> None:
    """Have segments kept, as they are not certified."""
    for manifest in some:
        whole = load(tape.manifest(manifest.name, manifest.generation))
        save(msgspec.structs.replace(whole, verdict=Verdict.RECOVERED), tape)


def lost_of(tape: Tape) -> list[str]:
    """What is said to be missing."""
    found = [finding.problem for finding in verify(tape)]
    found += summarize(tape, segments(tape)).losses
    found += [*certify(tape).missing, *certify(tape).lost]
    found += Report(Replay(tape.root)).losses()
    return [text for text in found if "missing" in text or "not there" in text or "before" in text]
