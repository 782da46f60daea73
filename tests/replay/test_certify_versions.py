"""Certificates of recordings that an older version made, and of later generations."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
from click.testing import CliRunner

from market.engine import Engine
from replay import Replay
from replay.certificate import Outcome
from replay.certify import certify
from replay.cli import replay as command
from schemas.frames import Kind
from schemas.rows import SCHEMA
from tape.again import seal_again
from tape.compact import compact
from tape.generations import all_generations
from tape.layout import SegmentName, Tape
from tape.plan import plan
from tape.reader import read_frames, segments
from tape.seal import seal
from tests.replay.tampering import (
    change_frame,
    change_value,
    entries_of,
    findings_of,
    flip_byte,
)
from tests.shared import ROOT
from tests.tapes import Recording

FORMAT_1 = ROOT / "data" / "versions" / "1"
Change = Callable[[Tape], None]


@pytest.fixture
def old(tmp_path: Path) -> Tape:
    """A copy of the recording of format 1, which has gaps."""
    return Tape(copytree(FORMAT_1, tmp_path / "old"))


def made_anew(tape: Tape) -> Tape:
    for segment in all_generations(tape):
        assert seal_again(tape, segment, Engine()).made
    return tape


def compacted(tape: Tape) -> Tape:
    assert list(compact(tape, plan(tape, all_days=True)))
    return tape


def test_an_older_recording_is_certified_in_its_frames(old: Tape) -> None:
    certificate = certify(old)
    assert certificate.outcome is Outcome.FRAMES
    assert findings_of(certificate) == []
    text = str(certificate)
    assert f"rows were made by schema 1; this version makes schema {SCHEMA}" in text
    assert "bp-tape seal --again makes them anew" in text
    assert "CERTIFIED IN ITS FRAMES: all 1,036 frames" in text
    for segment in certificate.segments:
        assert segment.checkpoints == 1
        assert segment.until_seq > 0
    done = CliRunner().invoke(command, [str(old.root), "--certify"])
    assert done.exit_code == 0


def test_its_tables_that_are_as_ever_are_still_compared(old: Tape) -> None:
    """Only gaps are others now: depth, trades and all else are what this version makes too."""
    for segment in certify(old).segments:
        [note] = [note for note in segment.notes if "rows were made by schema 1" in note]
        tables = note.partition("other rows of ")[2].partition(":")[0].split(", ")
        assert set(tables) <= {"gap", "audit"}


@pytest.mark.parametrize("seq", [200, 300, 1036])
def test_a_changed_frame_of_an_older_recording_is_a_finding(old: Tape, seq: int) -> None:
    change_frame(old, seq, "ts_mono", lambda ns: ns + 1)
    certificate = certify(old)
    assert certificate.outcome is Outcome.FAILED
    assert any(f.first_seq <= seq <= f.last_seq for f in findings_of(certificate))


def change_a_trade(tape: Tape) -> None:
    _, entry = entries_of(tape, "trade")[0]
    change_value(tape.root / entry.path, 0, "qty", lambda qty: qty + 1)


def change_a_gap(tape: Tape) -> None:
    _, entry = entries_of(tape, "gap")[0]
    change_value(tape.root / entry.path, 0, "missing", lambda missing: missing + 1)


def damage_a_gap(tape: Tape) -> None:
    _, entry = entries_of(tape, "gap")[0]
    flip_byte(tape.root / entry.path, entry.bytes // 3)


def lose_a_file(tape: Tape) -> None:
    _, entry = entries_of(tape, "gap")[0]
    (tape.root / entry.path).unlink()


@pytest.mark.parametrize("change", [change_a_trade, change_a_gap, damage_a_gap, lose_a_file])
def test_age_does_not_excuse_changed_rows(old: Tape, change: Change) -> None:
    change(old)
    certificate = certify(old)
    assert certificate.outcome is Outcome.FAILED
    assert entries_of(old, "gap" if change is not change_a_trade else "trade")[0][1].path in str(
        certificate
    )


def test_rows_made_anew_are_compared_and_the_live_ones_cannot_be(old: Tape) -> None:
    certificate = certify(made_anew(old))
    assert certificate.outcome is Outcome.FRAMES
    assert "the live recorder made rows of an older schema" in str(certificate)
    change_a_gap(old)
    assert certify(old).outcome is Outcome.FAILED


def test_an_old_journal_sealed_by_this_version_is_no_divergence(old: Tape) -> None:
    [journal] = old.journals()
    name = SegmentName.of(journal)
    assert seal(journal, old, Engine()) is not None
    [segment] = [s for s in certify(old).segments if s.name == str(name)]
    assert segment.outcome in (Outcome.FRAMES, Outcome.CERTIFIED, Outcome.RECOVERED)
    assert segment.findings == ()


def test_a_later_generation_is_certified_as_the_first_was(
    eventful_recording: Recording, tmp_path: Path
) -> None:
    tape = Tape(copytree(eventful_recording.tape.root, tmp_path / "copy"))
    frames = [frame for frame, _ in Replay(tape.root).frames()]
    rows = list(Replay(tape.root))
    for later in (made_anew, compacted):
        later(tape)
        assert certify(tape).outcome is Outcome.CERTIFIED
        replay = Replay(tape.root)
        assert {segment.generation for segment in replay.segments} != {0}
        assert [frame for frame, _ in replay.frames()] == frames == eventful_recording.frames
        assert list(replay) == rows
    _, entry = entries_of(tape, "trade")[0]
    change_value(tape.root / entry.path, 0, "qty", lambda qty: qty + 1)
    assert certify(tape).outcome is Outcome.FAILED


def test_a_generation_can_be_asked_for(eventful_recording: Recording, tmp_path: Path) -> None:
    tape = made_anew(Tape(copytree(eventful_recording.tape.root, tmp_path / "copy")))
    first, latest = Replay(tape.root, generation=0), Replay(tape.root)
    assert {segment.generation for segment in first.segments} == {0}
    assert {segment.generation for segment in latest.segments} == {1}
    assert list(first) == list(latest)


def test_a_hole_that_sealing_found_is_certified_up_to_it(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape")
    recording.begin(["trade.X_USDC"])
    journal = next((tmp_path / "tape" / "journal").iterdir())
    sizes = []
    for number in range(3):
        for beat in range(5):
            recording.data(f'{{"data":{{}},"stream":"beat.{number}{beat}"}}')
            recording.pass_(1_000_000_000)
        recording.flush()
        sizes.append(journal.stat().st_size)
    recording.crash(lambda path: flip_byte(path, (sizes[0] + sizes[1]) // 2))
    tape = recording.tape
    [manifest] = segments(tape)
    [loss] = [frame for frame in read_frames(tape, manifest) if frame.kind is Kind.LOSS]
    assert loss.seq == 7
    certificate = certify(tape)
    assert certificate.outcome is Outcome.RECOVERED
    assert findings_of(certificate) == []
    gaps = [row for row in Replay(tape.root) if row.TABLE == "gap"]
    assert [row.seq for row in gaps] == [loss.seq]
