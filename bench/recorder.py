"""Frames a second that ``bp-record`` takes from a local venue: one that sends as fast as it can, of
which it sheds what is too much, and one at a rate at which nothing is to be lost."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from bench.process import Watched
from bench.report import line
from tape.layout import Tape
from tape.manifest import Manifest
from tape.reader import read_frames, segments

FRAMES = 1_500_000
AIM = 30_000
CAPTURE = "spot2_events_90s"
PACES = {"max": "as fast as it can", "80": "80 times the pace of the capture"}

_BIN = Path(sys.executable).parent


def run() -> None:
    """Print the lines of this bench."""
    cpus = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory(prefix="bp-bench-") as folder:
        for speed in PACES:
            data = Path(folder) / speed
            _record(data, cpus, speed)
        _replay(data, cpus[0])


def _record(data: Path, cpus: list[int], speed: str) -> None:
    venue = _venue(cpus[-1], speed)
    assert venue.stdout is not None
    ready = json.loads(venue.stdout.readline())
    urls = ["--ws-url", ready["ws"], "--rest-url", ready["rest"]]
    command = [str(_BIN / "bp-record"), "-t", ",".join(ready["topics"]), "--data", str(data)]
    recorder = Watched([*command, *urls], cpus[0])
    played = json.loads(venue.stdout.readline())
    recorder.process.send_signal(signal.SIGINT)
    started = monotonic()
    recorder.output()
    sealing = monotonic() - started
    venue.terminate()
    venue.wait()
    print(f"-- bp-record on one core, {CAPTURE} looped, sent {PACES[speed]}")
    _report(data, played["frames"], recorder, sealing)


def _report(data: Path, sent: int, recorder: Watched, sealing: float) -> None:
    (manifest,) = segments(Tape(data))
    kept = manifest.kinds["data"]
    elapsed = _receiving_seconds(data, manifest)
    shed = sent - kept
    line("frames kept", f"{kept:,}", f"of {sent:,}; {shed:,} shed, {manifest.verdict}")
    line("gaps, as a book that is lost costs less", f"{manifest.rows.get('gap', 0):,}")
    line("sustained", f"{kept / elapsed:,.0f}/s", f"aim {AIM:,}/s")
    line("sealing, in another process", f"{manifest.frames / sealing:,.0f}/s")
    line("memory of the recorder", "", str(recorder.memory))


def _receiving_seconds(data: Path, manifest: Manifest) -> float:
    """From the first to the last data frame, by the recording's own stamps."""
    stamps = [f.ts_mono for f in read_frames(Tape(data), manifest) if f.kind == "data"]
    return (stamps[-1] - stamps[0]) / 1e9


def _replay(data: Path, cpu: int) -> None:
    command = [str(_BIN / "bp-replay"), str(data), "--speed", "max", "--output", "none"]
    started = monotonic()
    replay = Watched(command, cpu)
    replay.output()
    elapsed = monotonic() - started
    (manifest,) = segments(Tape(data))
    print("-- bp-replay --speed max of that recording")
    line("replayed, start-up and summary included", f"{manifest.frames / elapsed:,.0f}/s")
    line("memory of the replay", "", str(replay.memory))


def _venue(cpu: int, speed: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.venue", "--feed", f"real:{CAPTURE}", "--speed", speed]
    return subprocess.Popen(
        [*command, "--expect", "all", "--repeat", "0", "--frames", str(FRAMES)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )
