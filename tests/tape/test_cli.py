"""``bp-tape`` answers people and programs, and says with its exit code what it found."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tape import console
from tape.cli import cli
from tape.layout import SegmentName, Tape
from tests.tape.dumb import NAME, DumbRecorder, sealed


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)


def cells(output: str) -> list[list[str]]:
    return [line.split("\t") for line in output.splitlines()]


@pytest.fixture
def lossy(tape: Tape) -> Tape:
    """A recording whose recorder was killed, with a second one that is not sealed."""
    recorder = DumbRecorder(tape)
    recorder.say(("ETH_USDC", 1, 1))
    recorder.cut()
    sealed(tape)
    DumbRecorder(tape, SegmentName("20261122T080000Z", 1)).cut()
    return tape


def test_ls_is_tab_separated_in_a_pipe(whole: Tape) -> None:
    result = run("ls", whole.root)
    assert result.exit_code == 0
    header, first, second = cells(result.stdout)
    assert header[:3] == ["segment", "verdict", "from"]
    assert first[:6] == [str(NAME), "certified", "2026-11-22T07:00:00.000Z", "0.000", "5", "6"]
    assert second[3:6] == ["1.000", "4", "1"]


def test_ls_shows_what_is_not_sealed(lossy: Tape) -> None:
    _, first, second = cells(run("ls", lossy.root).stdout)
    assert first[1] == "recovered"
    assert second[:3] == ["20261122T080000Z.00001", "open", "-"]


def test_ls_for_programs(whole: Tape) -> None:
    first, second = json.loads(run("ls", "--json", whole.root).stdout)
    assert first["segment"] == str(NAME)
    assert (first["frames"], second["frames"]) == (5, 4)


def test_info_adds_up(whole: Tape) -> None:
    lines = cells(run("info", whole.root).stdout)
    assert ["recording", str(whole.root)] in lines
    assert ["segments", "2 (2 certified)"] in lines
    assert ["to", "2026-11-22T07:00:01.000Z"] in lines
    assert ["frames", "9"] in lines
    assert ["gaps", "2"] in lines
    assert ["depth.X", "4"] in lines
    assert ["depth", "5"] in lines
    assert ["weather.HERE", "4"] in lines


def test_info_for_programs(lossy: Tape) -> None:
    said: dict[str, Any] = json.loads(run("info", "--json", lossy.root).stdout)
    assert (said["segments"], said["open_journals"], said["recording"]) == (1, 1, False)
    assert said["topics"] == {"depth.X": 1}
    assert said["losses"] == [f"{NAME}: the recorder ended without a stop after seq 2"]


def test_info_names_losses(lossy: Tape) -> None:
    assert "the recorder ended without a stop after seq 2" in run("info", lossy.root).stdout


def test_verify_of_a_whole_recording(whole: Tape) -> None:
    result = run("verify", whole.root)
    assert (result.exit_code, result.stdout) == (0, "whole: every file is as it was sealed\n")


def test_verify_of_a_damaged_recording(whole: Tape) -> None:
    path = next(whole.root.glob("rows/gap/*/*/*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    result = run("verify", whole.root)
    assert result.exit_code == console.FAILED
    assert cells(result.stdout)[1][:2] == ["damage", path.relative_to(whole.root).as_posix()]
    (finding,) = json.loads(run("verify", "--json", whole.root).stdout)
    assert finding["damage"]


def test_verify_of_a_recording_with_losses(lossy: Tape) -> None:
    result = run("verify", lossy.root)
    assert result.exit_code == console.LOSSES
    assert {line[0] for line in cells(result.stdout)[1:]} == {"loss"}


@pytest.mark.parametrize("command", ["ls", "info", "verify"])
def test_a_folder_that_is_no_recording(tmp_path: Path, command: str) -> None:
    for folder, said in ((tmp_path / "none", "no folder"), (tmp_path, "holds no recording")):
        result = run(command, folder)
        assert result.exit_code == console.USAGE
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert said in result.stderr


def test_a_damaged_manifest_is_a_message(whole: Tape) -> None:
    whole.manifest(NAME).write_bytes(b"{")
    result = run("info", whole.root)
    assert result.exit_code == console.FAILED
    assert result.stderr.startswith(f"error: {whole.manifest(NAME)} cannot be read")
    assert run("verify", whole.root).exit_code == console.FAILED


def test_an_error_of_the_system_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "manifest").mkdir()
    (tmp_path / "manifest" / f"{NAME}.json").mkdir()
    result = run("ls", tmp_path)
    assert result.exit_code == console.FAILED
    assert "Is a directory" in result.stderr


def test_the_default_folder(whole: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home" / "data").mkdir(parents=True)
    (tmp_path / "home" / "data" / "tape").symlink_to(whole.root)
    monkeypatch.chdir(tmp_path / "home")
    assert run("verify").exit_code == 0


@pytest.mark.parametrize("words", [[], ["ls"], ["info"], ["verify"]])
def test_help_has_an_example(words: list[str]) -> None:
    result = run(*words, "--help")
    assert result.exit_code == 0
    assert "bp-tape " + (words[0] if words else "verify data/tape") in result.stdout


def test_a_terminal_gets_a_table(whole: Tape) -> None:
    ours, theirs = pty.openpty()
    program = "from tape.cli import cli; cli()"
    command = [sys.executable, "-c", program, "info", str(whole.root)]
    done = subprocess.run(command, stdout=theirs, check=False, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "\t" not in shown
    assert "depth.X" in shown
