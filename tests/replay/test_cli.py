"""``bp-replay`` as a user meets it: exit codes, messages, pipes and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from replay import Replay
from replay.cli import replay as command
from tape.layout import Tape
from tests.replay.tampering import change_frame, entries_of
from tests.shared import ROOT
from tests.tapes import Recording, Setting

BP_REPLAY = [sys.executable, "-c", "from replay.cli import main; main()"]
TIMEOUT = 60


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_rows_go_to_stdout_and_the_summary_to_stderr(any_recording: Recording) -> None:
    result = run(any_recording.tape.root)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    rows = list(Replay(any_recording.tape.root))
    assert [(line["table"], line["seq"]) for line in lines] == [(r.TABLE, r.seq) for r in rows]
    assert f"replayed {len(any_recording.frames):,} frames, {len(rows):,} rows" in result.stderr
    assert "certified" in result.stderr


def test_a_whole_recording_exits_0(tape: Tape) -> None:
    result = run(tape.root, "--output", "none")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no gaps" in result.stderr
    assert "segments: 3 certified" in result.stderr
    assert "from 2026-09-02T16:43:10." in result.stderr


def test_losses_of_the_recorder_exit_3(eventful_recording: Recording) -> None:
    result = run(eventful_recording.tape.root, "--output", "none")
    assert result.exit_code == 3
    assert "gaps while the recorder was not connected" in result.stderr


def test_a_recovered_segment_exits_3(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape")
    recording.begin()
    recording.crash()
    result = run(tmp_path / "tape", "--output", "none")
    assert result.exit_code == 3
    assert "segments: 1 recovered" in result.stderr
    assert "loss: 20260902T164310Z.00001: the recorder ended without a stop" in result.stderr
    assert run(tmp_path / "tape", "--certify").exit_code == 3


def test_losses_outside_of_what_was_asked_for_are_no_losses(copy: Tape) -> None:
    first, second, third = Replay(copy.root).segments
    copy.manifest(second.name).unlink()
    assert run(copy.root, "--output", "none").exit_code == 3
    assert run(copy.root, "--output", "none", "--until", first.last_ts).exit_code == 0
    assert run(copy.root, "--output", "none", "--from", third.first_ts).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speed", "fast"], "'fast' is not a speed: give 1x, 10x, 0.5x or max"),
        (["--speed", "0x"], "'0x' is not a speed"),
        (["--speed", "nan"], "'nan' is not a speed"),
        (["--from", "yesterday"], "'yesterday' is not a time: give UTC such as"),
        (["--from", "2030-01-01"], "this recording runs from 2026-09-02T16:43:10"),
        (["--until", "2001-12-01"], "this recording runs from"),
        (["-t", "depth.SOL"], "matches 'depth.SOL'; nearest: depth.SOL_USDC"),
        (["--certify", "-t", "depth.*"], "--certify is about the whole recording"),
        (["--output", "xml"], "'xml' is not one of"),
    ],
)
def test_what_cannot_be_asked_for_exits_2(tape: Tape, arguments: list[str], message: str) -> None:
    result = run(tape.root, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_what_is_no_recording_exits_2(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        for mode in ([], ["--certify"]):
            result = run(folder, *mode)
            assert result.exit_code == 2
            assert result.stderr.startswith("error: ")
            assert str(folder) in result.stderr


def test_patterns_may_be_repeated_and_listed(tape: Tape) -> None:
    once = run(tape.root, "-t", "trade.*, bookTicker.*", "--topics", "kline.*")
    tables = {json.loads(line)["table"] for line in once.stdout.splitlines()}
    assert tables == {"session", "trade", "book_ticker", "kline"}


def test_part_of_a_recording(recording: Recording) -> None:
    start = recording.frames[len(recording.frames) // 2].ts_recv
    result = run(recording.tape.root, "--from", start, "--until", start + 10**9)
    rows = list(Replay(recording.tape.root, start=start, until=start + 10**9))
    assert len(result.stdout.splitlines()) == len(rows) > 0


def test_a_certificate_exits_0_or_1(recording: Recording, copy: Tape) -> None:
    result = run(copy.root, "--certify")
    assert result.exit_code == 0
    assert "CERTIFIED: all" in result.stdout
    frame = next(f for f in recording.frames if b'"e":"trade"' in f.payload)
    change_frame(copy, frame.seq, "payload", lambda p: p.replace(b'"m":', b'"M":'))
    result = run(copy.root, "--certify")
    assert result.exit_code == 1
    assert f"frame {frame.seq} (" in result.stdout
    assert "NOT CERTIFIED" in result.stdout


def test_a_certificate_may_be_an_exit_code_alone(tape: Tape) -> None:
    result = run(tape.root, "--certify", "--output", "none")
    assert (result.exit_code, result.output) == (0, "")


def test_damage_in_the_middle_exits_1_after_the_summary(copy: Tape) -> None:
    _, entry = entries_of(copy, "frames")[1]
    (copy.root / entry.path).write_bytes(b"no Parquet at all")
    result = run(copy.root)
    assert result.exit_code == 1
    assert result.stdout.endswith("}\n")
    summary, _, error = result.stderr.partition("error: ")
    assert summary.startswith("replayed ")
    assert entry.path in error


def test_sessions_that_overlap_can_be_merged(tmp_path: Path) -> None:
    for number in range(2):
        recording = Recording(tmp_path / "tape", Setting(session=f"2026090{number}T000000Z"))
        recording.wall += number
        recording.begin()
        recording.pass_(1_000_000_000)
        recording.stop()
    result = run(tmp_path / "tape")
    assert result.exit_code == 1
    assert "overlap" in result.stderr
    assert run(tmp_path / "tape", "--merge", "--output", "none").exit_code == 0


def test_help_teaches() -> None:
    text = run("--help").stdout
    for word in ("Examples:", "10x", "Exit codes:", "2026-11-22T06:30", "--certify", '"table"'):
        assert word in text


def test_a_reader_that_has_seen_enough_ends_it_quietly(eventful_recording: Recording) -> None:
    with subprocess.Popen(
        [*BP_REPLAY, eventful_recording.tape.root], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["table"] == "session"
        process.stdout.close()
        assert process.wait(TIMEOUT) == 0
        assert process.stderr.read() == b""


def test_a_full_pipe_is_not_complete_until_read(eventful_recording: Recording) -> None:
    """More than a pipe holds, read slowly: nothing is lost."""
    with subprocess.Popen(
        [*BP_REPLAY, eventful_recording.tape.root], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        time.sleep(0.2)
        lines = process.stdout.readlines()
        process.wait(TIMEOUT)
    assert len(lines) == sum(1 for _ in Replay(eventful_recording.tape.root))


def test_ctrl_c_ends_in_order_with_the_summary(tape: Tape) -> None:
    with subprocess.Popen(
        [*BP_REPLAY, tape.root, "--speed", "0.01x"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        json.loads(process.stdout.readline())  # a paced replay shows each row at once
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        rest, summary = process.stdout.read(), process.stderr.read()
        process.wait(TIMEOUT)
    assert process.returncode == 130
    assert all(json.loads(line) for line in rest.splitlines())
    assert summary.startswith("replayed ")
    assert "Traceback" not in summary


def test_a_pipe_gets_no_progress_bar(tape: Tape) -> None:
    done = subprocess.run(
        [*BP_REPLAY, tape.root, "--certify"],
        capture_output=True,
        check=True,
        timeout=TIMEOUT,
        env={**os.environ, "FORCE_COLOR": "1"},
    )
    assert done.stderr == b""
    assert b"\x1b" not in done.stdout


def test_another_generation_is_played_if_asked_for() -> None:
    """In the recording of format 2, some segments were made anew or put together."""
    recorded = ROOT / "data" / "versions" / "2"
    for generation in (0, 1):
        replay = Replay(recorded, generation=generation)
        result = run(recorded, "--generation", generation)
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        assert [(r["table"], r["seq"]) for r in rows] == [(r.TABLE, r.seq) for r in replay]
    for arguments, said in {
        ("--generation", 7): "no generation 7 here; there are: 0, 1",
        ("--generation", -1): "Invalid value for '--generation'",
        ("--certify", "--generation", 0): "--certify is about the whole recording",
    }.items():
        result = run(recorded, *arguments)
        assert result.exit_code == 2
        assert said in result.stderr
