"""The whole way in half a minute, with no network: ``make demo``.

A local venue plays the sample; the real ``bp-record`` records it over a socket and seals it; then
``bp-tape`` and ``bp-replay`` look at the recording, replay it at ten times its pace and certify it.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample"
TOPICS = "*.SOL_USDC,*.BTC_USDC_PERP,depth.200ms.SOL_USDC,kline.1m.*,stockPrice.AAPL"
PACE = "6"  # times as fast as the sample was recorded: ten seconds in all

_BIN = Path(sys.executable).parent


def main() -> int:
    """Run the demo; the exit code is that of the first command that failed."""
    with tempfile.TemporaryDirectory(prefix="bp-demo-") as folder:
        data = str(Path(folder) / "tape")
        with _venue() as (ready, venue):
            _say(f"A venue on {ready['ws']} plays data/sample at {PACE}x")
            code = _record(data, ready, venue)
        return code or _look(data)


def _record(data: str, ready: dict[str, Any], venue: subprocess.Popen[str]) -> int:
    """Record until the venue has played everything, then stop as with Ctrl-C."""
    command = ["bp-record", "--topics", TOPICS, "--data", data]
    _show(command)
    urls = ["--ws-url", ready["ws"], "--rest-url", ready["rest"]]
    with subprocess.Popen([_BIN / command[0], *command[1:], *urls]) as recorder:
        played = _when_played(venue, recorder)
        recorder.send_signal(signal.SIGINT)
        code = recorder.wait()
    print(f"\nThe venue says it sent {played['frames']} frames.")
    return code


def _when_played(venue: subprocess.Popen[str], recorder: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the venue says at the end of its script, which waits for a recorder."""
    assert venue.stdout is not None
    while not select([venue.stdout], [], [], 1.0)[0]:
        if recorder.poll() is not None:
            raise SystemExit(f"bp-record ended early, with exit code {recorder.returncode}")
    played: dict[str, Any] = json.loads(venue.stdout.readline())
    return played


def _look(data: str) -> int:
    """What a user does with a recording."""
    for command in (
        ["bp-tape", "info", data],
        ["bp-tape", "verify", data],
        ["bp-replay", data, "--speed", "10x", "--output", "none"],
        ["bp-replay", data, "--certify"],
    ):
        _show(command)
        if code := subprocess.run([_BIN / command[0], *command[1:]], check=False).returncode:
            return code
    _say("The recording replays exactly as it happened live.")
    return 0


@contextmanager
def _venue() -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """The scripted venue as a process of its own, and its first line."""
    command = [sys.executable, "-m", "tests.venue", "--feed", f"tape:{SAMPLE}", "--speed", PACE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as venue:
        try:
            assert venue.stdout is not None
            yield json.loads(venue.stdout.readline()), venue
        finally:
            venue.terminate()


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _show(command: list[str]) -> None:
    _say(f"$ {' '.join(command)}")


if __name__ == "__main__":
    sys.exit(main())
