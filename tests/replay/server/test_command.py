"""``bp-replay --serve`` as a command: what it says in a pipe, its keys on a terminal, its ends."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import termios
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from select import select

import pytest
from click.testing import CliRunner, Result

from replay.cli import replay
from tests.recorder.commands import ENVIRONMENT, PATIENCE_S
from tests.replay.server.stage import SAMPLE
from tests.replay.server.test_fixpoint import BP_REPLAY


def bp_replay(*arguments: str) -> Result:
    """Run it to its end, in this process."""
    return CliRunner().invoke(replay, [str(SAMPLE), *arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--serve", "nowhere:port"], "give an address such as 127.0.0.1:9000"),
        (["--serve", "70000"], "give an address"),
        (["--serve", "0", "--merge"], "--serve plays one session after another"),
        (["--serve", "0", "--certify"], "leave --certify"),
        (["--serve", "0", "--chaos", "rain=1"], "seed=7,drop=0.001"),
        (["--serve", "0", "--speed", "fast"], "is not a speed"),
        (["--serve", "0", "-t", "depth.NOPE"], "no topic of this recording matches"),
        (["--serve", "0", "--from", "16:50"], "nothing was recorded at"),
        (["--serve", "0", "--from", "16:43:30", "--until", "16:43:20"], "--until is not after"),
        (["--lockstep"], "--lockstep is about serving"),
        (["--chaos", "seed=1"], "--chaos is about serving"),
    ],
)
def test_what_cannot_be_served_exits_2(arguments: list[str], message: str) -> None:
    """With what to do instead, and without a word on stdout."""
    ended = bp_replay(*arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert message in ended.stderr


def test_a_port_that_is_taken_exits_1() -> None:
    """It says which."""
    with serving("--serve", "0") as (server, ready):
        port = str(ready["ws"]).rpartition(":")[2]
        ended = bp_replay("--serve", port)
        assert ended.exit_code == 1
        assert port in ended.stderr
        server.terminate()


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, object]]]:
    """A server with a pipe, and what it said first; no more than that is taken out of it."""
    command = [str(BP_REPLAY), str(SAMPLE), *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, bufsize=0, stdout=pipe, env=ENVIRONMENT) as server:
        try:
            assert server.stdout is not None
            yield server, json.loads(server.stdout.readline())
        finally:
            server.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(number: int) -> None:
    """Exit code 0; each line is JSON."""
    with serving("--serve", "127.0.0.1:0", "--speed", "10x") as (server, ready):
        assert re.fullmatch(r"ws://127\.0\.0\.1:[0-9]+", str(ready["ws"]))
        server.send_signal(number)
        out, _ = server.communicate(timeout=PATIENCE_S)
        assert server.returncode == 0
        assert [json.loads(line)["event"] for line in out.splitlines()][-1] == "left"


def test_it_leaves_at_the_end_if_asked() -> None:
    """And by itself."""
    with serving("--serve", "0", "--speed", "max", "--at-end", "exit") as (server, _):
        out, _ = server.communicate(timeout=PATIENCE_S)
        assert server.returncode == 0
        events = [json.loads(line)["event"] for line in out.splitlines()]
        assert events == ["playing", "ended", "left"]


class Terminal:
    """A server on a terminal, and what it shows."""

    def __init__(self, *arguments: str) -> None:
        self._file, self._inner = pty.openpty()
        self._before = termios.tcgetattr(self._inner)
        environment = {**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
        self.process = subprocess.Popen(
            [str(BP_REPLAY), str(SAMPLE), *arguments],
            stdin=self._inner,
            stdout=self._inner,
            stderr=self._inner,
            env=environment,
        )
        self.shown = ""

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._file, keys.encode())

    def until(self, text: str) -> None:
        """Read until it has shown something."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select([self._file], [], [], 0.1)[0]:
                self.shown += os.read(self._file, 4_096).decode(errors="replace")

    def end(self) -> int:
        """Wait for its end, and see that the terminal is as it was; the exit code."""
        while self.process.poll() is None:
            if select([self._file], [], [], 0.05)[0]:
                os.read(self._file, 4_096)
        assert termios.tcgetattr(self._inner) == self._before
        os.close(self._file)
        os.close(self._inner)
        return self.process.returncode


def test_keys_of_a_terminal() -> None:
    """Pause, step, seek, speed, loop, help, quit; what they do is seen from outside."""
    terminal = Terminal("--serve", "0", "--speed", "1x", "--start", "on-subscribe")
    terminal.until("REST and /control")
    found = re.search(r"http://127\.0\.0\.1:[0-9]+", terminal.shown)
    assert found is not None
    url = f"{found[0]}/control"

    def status() -> dict[str, object]:
        with urllib.request.urlopen(url, timeout=10) as reply:
            said: dict[str, object] = json.loads(reply.read())
            return said

    def wait(name: str, value: object) -> dict[str, object]:
        deadline = time.monotonic() + PATIENCE_S
        while (said := status())[name] != value:
            assert time.monotonic() < deadline, said
            time.sleep(0.01)
        return said

    wait("state", "waiting")
    terminal.press(" ")
    wait("state", "playing")
    terminal.press(" ")
    paused = wait("state", "paused")
    terminal.press(".")
    wait("seq", int(str(paused["seq"])) + 1)
    terminal.press("+")
    wait("speed", "2x")
    terminal.press("m")
    wait("speed", "max")
    terminal.press("1")
    wait("speed", "1x")
    terminal.press("\x1b[A")  # up: a minute on, which is its end
    deadline = time.monotonic() + PATIENCE_S
    while int(str(status()["seq"])) < 6_000:
        assert time.monotonic() < deadline
    terminal.press("\x1b[D")  # left: 10 s back
    terminal.press("a")
    terminal.until("the loop begins here")
    terminal.press("b")
    terminal.until("a loop ends after it begins")
    terminal.press("?")
    terminal.until("q quit")
    terminal.press("q")
    assert terminal.end() == 0


def test_the_terminal_is_left_as_it_was() -> None:
    """Also where it is told to end from outside."""
    terminal = Terminal("--serve", "0")
    terminal.until("REST and /control")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0
