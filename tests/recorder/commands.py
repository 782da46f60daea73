"""The real ``bp-record`` and the venue as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIG_DFL, SIGHUP, SIGINT, SIGKILL, signal
from typing import Any, NamedTuple

from tests.recorder.runs import Address
from tests.shared import ROOT

BP_RECORD = Path(sys.executable).parent / "bp-record"
PATIENCE_S = 60.0  # nothing here takes as long; it only ends what would hang

# Whatever the shell says about proxies or the width of terminals is not part of a test.
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def _heed_signals() -> None:
    """Whatever who runs the tests ignores, as nohup does: the recorder would respect that."""
    for number in (SIGHUP, SIGINT):
        signal(number, SIG_DFL)


class Ended(NamedTuple):
    """What is left of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[list[str]]:
        """Standard output, cut at its tabs."""
        return [line.split("\t") for line in self.out.splitlines()]


class Recording:
    """``bp-record`` at work. What seals for it is a child with a session of its own."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [BP_RECORD, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,  # or `hear` would take more than its line, which `end` would miss
            env=ENVIRONMENT,
            preexec_fn=_heed_signals,
        )
        self.pid = self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for something it must do before it ends."""
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            if not self.is_running or time.monotonic() > deadline:
                self._process.kill()
                raise AssertionError(f"it never came to that: {self.end()}")
            time.sleep(0.005)

    def sealers(self) -> list[int]:
        """Its children: the processes that seal for it."""
        with suppress(FileNotFoundError, ProcessLookupError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
            return [int(pid) for pid in children.split()]
        return []

    def interrupt(self, number: int = SIGINT) -> None:
        """Ctrl-C, or another signal."""
        self._process.send_signal(number)

    def hear(self, text: str) -> str:
        """Wait until it has said this to people; the line."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if text in (told := line.decode()):
                return told
        raise AssertionError(f"it ended without having said {text!r}")

    def hang_up(self) -> None:
        """Nobody reads its notices any more."""
        assert self._process.stderr is not None
        self._process.stderr.close()

    def end(self) -> Ended:
        """Wait until it ends by itself."""
        out, err = self._process.communicate(timeout=PATIENCE_S)
        return Ended(self._process.returncode, out.decode(), err.decode())

    def kill(self) -> None:
        """kill -9, to itself alone."""
        self._process.kill()
        self.leave()

    def leave(self) -> int:
        """Wait until it ends, without reading what it says; its exit code."""
        code = self._process.wait(PATIENCE_S)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        return code


class FarEnd:
    """The venue as a process: where it is, and what it can play."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.venue", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
            cwd=ROOT,
        )
        ready = self._line()
        self.ws_url: str = ready["ws"]
        self.rest_url: str = ready["rest"]
        self.topics: list[str] = ready["topics"]
        self._report: dict[str, Any] | None = None

    def played(self) -> dict[str, Any]:
        """Wait until it has played everything; what it says it has sent."""
        if self._report is None:
            self._report = self._line()
        return self._report

    def end(self) -> dict[str, Any]:
        """Stop it; what it says it has sent."""
        if self._process.returncode is None:
            self._process.terminate()
            self.played()
            self._process.communicate()
        return self.played()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line: dict[str, Any] = json.loads(self._process.stdout.readline())
        return line


@contextmanager
def at_work(*arguments: str) -> Iterator[Recording]:
    """``bp-record``, dead at the end of the block if it has not ended by then."""
    recording = Recording(*arguments)
    try:
        yield recording
    finally:
        if recording.is_running:
            recording.kill()


def bp_record(*arguments: str) -> Ended:
    """Run ``bp-record`` to its end."""
    with at_work(*arguments) as recording:
        return recording.end()


@contextmanager
def venue(*arguments: str) -> Iterator[FarEnd]:
    """``python -m tests.venue`` until the end of the block."""
    far_end = FarEnd(*arguments)
    try:
        yield far_end
    finally:
        far_end.end()


def options(address: Address, data: Path, *topics: str) -> list[str]:
    """The arguments to record topics of a venue into a folder."""
    urls = ["--ws-url", address.ws_url, "--rest-url", address.rest_url]
    return ["-t", ",".join(topics), "--data", str(data), *urls]


def kill(pid: int) -> None:
    """kill -9, if it still runs."""
    with suppress(ProcessLookupError):
        os.kill(pid, SIGKILL)


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for something that must come true within a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.005)
