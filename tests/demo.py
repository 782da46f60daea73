"""The whole way in half a minute, with no network: ``make demo``.

``bp-replay --serve`` plays the sample; the real ``bp-record`` records it over a socket and seals
it; then ``bp-tape`` and ``bp-replay`` look at the recording, replay it at ten times its pace and
certify it.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample"
TOPICS = "*.SOL_USDC,*.BTC_USDC_PERP,depth.200ms.SOL_USDC,kline.1m.*,stockPrice.AAPL"
PACE = "6x"  # as fast as the sample was recorded: ten seconds in all

_BIN = Path(sys.executable).parent


def main() -> int:
    """Run the demo; the exit code is that of the first command that failed."""
    with tempfile.TemporaryDirectory(prefix="bp-demo-") as folder:
        data = str(Path(folder) / "tape")
        with _served() as (ready, server):
            code = _record(data, ready, server)
        return code or _look(data)


def _record(data: str, ready: dict[str, Any], server: subprocess.Popen[str]) -> int:
    """Record until the server has played everything, then stop as with Ctrl-C."""
    command = ["bp-record", "--topics", TOPICS, "--data", data]
    _show(command)
    urls = ["--ws-url", ready["ws"], "--rest-url", ready["rest"]]
    with subprocess.Popen([_BIN / command[0], *command[1:], *urls]) as recorder:
        _until_ended(server, recorder)
        recorder.send_signal(signal.SIGINT)
        return recorder.wait()


def _until_ended(server: subprocess.Popen[str], recorder: subprocess.Popen[bytes]) -> None:
    """Wait until the server has come to the end of the recording."""
    ended = Event()
    Thread(target=_listen, args=(server, ended), daemon=True).start()
    while not ended.wait(0.2):
        if recorder.poll() is not None:
            raise SystemExit(f"bp-record ended early, with exit code {recorder.returncode}")


def _listen(server: subprocess.Popen[str], ended: Event) -> None:
    assert server.stdout is not None
    for line in server.stdout:
        if json.loads(line)["event"] == "ended":
            ended.set()


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
def _served() -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """The sample as the exchange it was, in a process of its own, and what it says first."""
    command = ["bp-replay", "data/sample", "--serve", "0", "--speed", PACE]
    command += ["--start", "on-subscribe", "--session-time", "now"]
    _show(command)
    program = [str(_BIN / command[0]), str(SAMPLE), *command[2:]]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline()), server
        finally:
            server.terminate()


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _show(command: list[str]) -> None:
    _say(f"$ {' '.join(command)}")


if __name__ == "__main__":
    sys.exit(main())
