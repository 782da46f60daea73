"""The commands of ``bp-tape`` that write: what they say, their exit codes, what programs get."""

import json
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest
from click.testing import CliRunner, Result

from schemas.frames import Frame
from schemas.rows import Row
from tape import console
from tape.cli import cli
from tape.layout import SegmentName, Tape
from tape.lock import lock, upkeep
from tests.replay.eventful import eventful
from tests.tape.contents import contents, files_of, hourly
from tests.tape.dumb import NAME, SECOND, START, DumbEngine, DumbRecorder
from tests.tape.test_cli import cells

LATER = SegmentName("20261123T070000Z", 1)


def run(*words: object, engine: type[DumbEngine] | None = DumbEngine) -> Result:
    texts = [str(word) for word in words]
    return CliRunner().invoke(cli, texts, obj=engine, catch_exceptions=False)


class Cheaper(DumbEngine):
    """Says that everything costs a little less."""

    def feed(self, frame: Frame) -> list[Row]:
        rows = list(super().feed(frame))
        for row in rows:
            if row.TABLE == "depth":
                row.price -= 1  # type: ignore[attr-defined]
        return rows


@pytest.fixture
def killed(whole: Tape) -> Tape:
    """The recording, and a journal of a recorder that was killed."""
    recorder = DumbRecorder(whole, LATER, START + 30 * SECOND)
    recorder.say(("ETH_USDC", 5, 5))
    recorder.cut()
    return whole


def test_seal_seals_what_a_killed_recorder_left(killed: Tape) -> None:
    result = run("seal", killed.root)
    assert result.exit_code == console.LOSSES
    assert cells(result.stdout)[1][:4] == [str(LATER), "0", "recovered", "1"]
    again = run("seal", killed.root)
    assert (again.exit_code, again.stdout) == (0, "nothing to seal\n")


def test_seal_and_recover_are_refused_while_a_recorder_is_at_work(killed: Tape) -> None:
    files = files_of(killed)
    with lock(killed.root):
        for words in (("seal",), ("recover",), ("recover", "--dry-run")):
            result = run(*words, killed.root)
            assert result.exit_code == console.FAILED
            assert "is being written by process" in result.stderr
        assert run("seal", "--again", killed.root).exit_code == 0
    assert files < files_of(killed)


def test_only_one_may_keep_a_recording(whole: Tape) -> None:
    with upkeep(whole.root):
        for words in (("seal", "--again"), ("compact",), ("recover",)):
            result = run(*words, whole.root)
            assert result.exit_code == console.FAILED
            assert "bp-tape at work" in result.stderr


def test_seal_again_and_diff_of_the_same_code(whole: Tape) -> None:
    result = run("seal", "--again", whole.root)
    assert result.exit_code == 0
    assert [line[:3] for line in cells(result.stdout)[1:]] == [
        [str(NAME), "1", "certified"],
        [str(NAME._replace(number=2)), "1", "certified"],
    ]
    result = run("diff", whole.root)
    assert (result.exit_code, cells(result.stdout)[1:]) == (
        0,
        [["depth", "5", "0", "0", "0"], ["gap", "2", "0", "0", "0"]],
    )
    said = json.loads(run("seal", "--again", "--json", whole.root).stdout)
    assert {line["note"] for line in said} == {"its rows are those already"}


def test_diff_of_other_code(whole: Tape) -> None:
    result = run("seal", "--again", "--segment", NAME, whole.root, engine=Cheaper)
    assert result.exit_code == console.FAILED  # the recorder made other rows
    assert "rows after seq 0 up to seq 4 are not those the live recorder made" in result.stdout
    result = run("diff", "-n", 1, whole.root)
    assert result.exit_code == console.FAILED
    lines = cells(result.stdout)
    assert lines[1] == ["depth", "0", "4", "0", "0"]
    assert lines[5][:5] == [str(NAME), "2", "depth", "2Z_USDC", "changed"]
    assert lines[5][5:] == ["price=0.000000001", "price=0"]
    assert lines[6] == ["and 3 more: --shown 4 writes all out"]
    said = json.loads(run("diff", "--json", "--table", "depth", whole.root).stdout)
    assert (said["segments"], said["tables"]["depth"]["changed"]) == (1, 4)
    assert said["differences"][0]["new"] == {"price": "0"}
    assert run("diff", "--table", "gap", whole.root).exit_code == 0


def test_what_diff_cannot_do_it_says(whole: Tape) -> None:
    result = run("diff", whole.root)
    assert result.exit_code == console.USAGE
    assert "bp-tape seal --again makes another one" in result.stderr
    run("seal", "--again", whole.root)
    assert "no table 'depths'" in run("diff", "--table", "depths", whole.root).stderr


def test_seal_again_knows_its_segments(whole: Tape) -> None:
    result = run("seal", "--again", "--segment", LATER, whole.root)
    assert result.exit_code == console.USAGE
    assert f"no segment {LATER} here" in result.stderr
    assert run("seal", "--segment", NAME, whole.root).exit_code == console.USAGE


def test_a_segment_that_cannot_be_made_again_is_named_and_the_others_are(whole: Tape) -> None:
    next(whole.root.glob("frames/*/*/*.00001.parquet")).unlink()
    result = run("seal", "--again", whole.root)
    assert result.exit_code == console.FAILED
    assert [line[2] for line in cells(result.stdout)[1:]] == ["failed", "certified"]


def test_compact_says_what_it_would_do_and_does_it(tape: Tape) -> None:
    hourly(tape)
    files = files_of(tape)
    planned = cells(run("compact", "--dry-run", tape.root).stdout)
    assert files_of(tape) == files
    assert planned[0] == ["session", "date", "segments", "files", "bytes"]
    result = run("compact", "--day", "2026-11-22", tape.root)
    assert result.exit_code == 0
    (done,) = cells(result.stdout)[1:]
    assert done[:4] == planned[1][:4] == [NAME.session, "2026-11-22", "2", "6"]
    said = json.loads(run("compact", "--json", tape.root).stdout)
    assert [line["date"] for line in said] == ["2026-11-23"]
    assert run("compact", tape.root).stdout == "nothing to compact\n"
    assert run("verify", tape.root).exit_code == 0


def test_compact_of_a_day_that_goes_on(tape: Tape) -> None:
    recorder = hourly(tape)
    DumbRecorder(tape, NAME._replace(number=9), recorder.ts).cut()
    result = run("compact", "--day", "2026-11-23", tape.root)
    assert result.exit_code == console.USAGE
    assert "2026-11-23 is still being recorded; --all" in result.stderr
    assert run("compact", "--day", "2026-11-23", "--all", tape.root).exit_code == 0
    assert run("compact", "--day", "yesterday", tape.root).exit_code == console.USAGE


def test_compact_wants_every_manifest(whole: Tape) -> None:
    whole.manifest(NAME).write_bytes(b"{")
    result = run("compact", whole.root)
    assert result.exit_code == console.FAILED
    assert "bp-tape recover makes it anew" in result.stderr


def test_recover_with_nothing_to_do(whole: Tape) -> None:
    result = run("recover", whole.root)
    assert (result.exit_code, result.stdout.split(":")[0]) == (0, "nothing to recover")
    assert json.loads(run("recover", "--json", whole.root).stdout) == []


def test_recover_says_what_it_would_do_and_does_it(killed: Tape) -> None:
    killed.manifest(NAME).unlink()
    files, before = files_of(killed), None
    result = run("recover", "--dry-run", killed.root)
    assert (result.exit_code, files_of(killed)) == (0, files)
    assert [line[2] for line in cells(result.stdout)[1:]] == [
        "seal it",
        "make it and its rows from frames",
    ]
    said = json.loads(run("recover", "--json", killed.root).stdout)
    assert [line["done"] for line in said] == [
        "sealed: recovered",
        "made anew from frames: certified",
    ]
    before = contents(killed)
    assert run("recover", killed.root).exit_code == 0
    assert contents(killed) == before


def test_recover_with_losses(killed: Tape) -> None:
    journal = killed.journals()[0]
    journal.write_bytes(journal.read_bytes()[:-2])
    result = run("recover", killed.root)
    assert result.exit_code == console.LOSSES
    assert "no frame of it could be read" in result.stdout
    next(killed.root.glob("frames/*/*/*.00001.parquet")).unlink()
    assert run("recover", killed.root).exit_code == console.LOSSES


def test_recover_of_what_cannot_be(tape: Tape) -> None:
    journal = tape.journal(NAME)
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"no journal")
    assert run("recover", tape.root).exit_code == console.FAILED
    assert run("recover", tape.root.parent / "nowhere").exit_code == console.USAGE


@pytest.mark.parametrize("words", [("seal", "--again"), ("recover",)])
def test_without_an_engine_nothing_can_be_sealed(whole: Tape, words: tuple[str, ...]) -> None:
    result = run(*words, whole.root, engine=None)
    assert result.exit_code == console.FAILED
    assert "run the installed command" in result.stderr


@pytest.mark.parametrize("command", ["seal", "diff", "compact", "recover"])
def test_help_has_examples(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert result.stdout.count(f"bp-tape {command}") >= 2
    assert f"{command} " in run("--help").stdout


def test_the_installed_command_has_an_engine(tmp_path: Path) -> None:
    tape = eventful(tmp_path / "tape", every=50).tape
    copy = copytree(tape.root, tmp_path / "copy")
    for word in (["seal", "--again"], ["compact"], ["verify"]):
        program = "from replay.keeper import main; main()"
        command = [sys.executable, "-c", program, *word, str(copy)]
        done = subprocess.run(command, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    assert contents(Tape(copy)) == contents(tape)


def test_names_that_are_none_and_numbers_that_cannot_be_are_usage(whole: Tape) -> None:
    for words, said in {
        ("seal", "--again", "--segment", "../x"): "--segment: '../x' is not a segment's name",
        ("diff", "--shown", "-1"): "Invalid value for '-n' / '--shown'",
        ("diff", "--from", "0", "--to", "0"): "generation 0 is the same on both sides",
    }.items():
        result = run(*words, whole.root)
        assert (result.exit_code, result.stdout) == (console.USAGE, "")
        assert said in result.stderr


def test_a_full_disk_is_named_with_what_to_do(whole: Tape) -> None:
    """As standard output, which stands for any disk."""
    program = "from tape.cli import cli; cli()"
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-c", program, "ls", str(whole.root)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0
    first = done.stderr.splitlines()[0]
    assert first.startswith("error: a disk is full (No space left on device)")
    assert f"at work on {whole.root}" in first
    assert "run this again" in first
