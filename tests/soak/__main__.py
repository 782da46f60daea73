"""``python -m tests.soak``: a recorder under the venue's full load, with faults, and figures.

The venue and the recorder are processes of their own, on real sockets and files. Exit code 0 where
every frame is explained, every segment certified, and memory stayed flat; 1 where not.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from tape.quantities import pretty_size
from tests.soak.audit import Sent, audit
from tests.soak.report import Outcome, report
from tests.soak.usage import Look, busy, look

LOOK_S = 2.0
_BIN = Path(sys.executable).parent


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--warm-up", type=float, default=10.0, help="minutes till memory is flat")
    parser.add_argument("--rate", type=float, default=10_000.0, help="frames a second")
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--roll", default="5m")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="to keep the recording; else it is deleted")
    return parser.parse_args(argv)


def main() -> int:
    """Run it in a folder of its own."""
    args = arguments()
    if args.folder is not None:
        args.folder.mkdir(parents=True)
        return _soak(args, args.folder)
    with tempfile.TemporaryDirectory(prefix="bp-soak-", dir="/var/tmp") as folder:
        return _soak(args, Path(folder))


def _soak(args: argparse.Namespace, folder: Path) -> int:
    with _running(_venue(args, folder)) as venue:
        ready = _next(venue)
        outcome = _record(args, folder, ready, venue)
        assert venue.stdin is not None
        venue.stdin.close()
    (folder / "played.json").write_text(json.dumps(outcome.said))
    rate = outcome.said["frames"] / (args.minutes * 60)
    sent = Sent(folder / "sent.bin", ready["topics"], outcome.events, rate)
    verdict = audit(folder / "tape", sent)
    return report(args, folder / "tape", outcome, verdict)


@contextmanager
def _running(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """It does not outlive a soak that fails."""
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    finally:
        process.wait()


def _recorder(command: Sequence[str], log: TextIO) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stderr=log, stdout=log, text=True)


def _venue(args: argparse.Namespace, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.soak.venue", str(folder), "--rate", str(args.rate)]
    command += ["--seconds", str(args.minutes * 60), "--connections", str(args.connections)]
    command += ["--seed", str(args.seed)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _next(venue: subprocess.Popen[str]) -> dict[str, Any]:
    assert venue.stdout is not None
    line = venue.stdout.readline()
    if not line:
        raise SystemExit(f"the venue ended, with exit code {venue.wait()}")
    said: dict[str, Any] = json.loads(line)
    return said


def _record(
    args: argparse.Namespace, folder: Path, ready: dict[str, Any], venue: subprocess.Popen[str]
) -> Outcome:
    config = folder / "soak.toml"
    config.write_text(f"topics = {json.dumps(ready['topics'])}\n")
    command = [str(_BIN / "bp-record"), "--config", str(config), "--data", str(folder / "tape")]
    command += ["--ws-url", ready["ws"], "--rest-url", ready["rest"], "--roll", args.roll]
    if args.connections > 1:
        command += ["--connections", str(args.connections)]
    said = folder / "recorder.log"
    with said.open("w") as log, _running(_recorder(command, log)) as recorder:
        print(f"playing {_next(venue)['rate']:,.0f} frames/s for {args.minutes:g} min", flush=True)
        looks = _watch(args, recorder)
        played = _next(venue)
        recorder.send_signal(signal.SIGTERM)  # who runs in the background may ignore SIGINT
        return Outcome(played, recorder.wait(), looks)


def _watch(args: argparse.Namespace, recorder: subprocess.Popen[str]) -> list[Look]:
    """Look at it until the venue is about to be done, and say now and then how it is."""
    started, looks, minute = time.monotonic(), [], 0
    while (second := time.monotonic() - started) < args.minutes * 60:
        if recorder.poll() is not None:
            raise SystemExit(f"bp-record ended early, with exit code {recorder.returncode}")
        looks.append(look(recorder.pid, second))
        if second >= 60 * (minute + 1):
            minute += 1
            size = pretty_size(looks[-1].resident)
            print(f"  {minute} min: {size}, {busy(looks):.0%} of a core", flush=True)
        time.sleep(LOOK_S)
    return looks


if __name__ == "__main__":
    sys.exit(main())
