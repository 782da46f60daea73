"""A process that has imported everything, and forks victims: ``python -m tests.crashes.nursery``.

It is told ``FOLDER NUMBER`` on a line of its input. It says ``born PID``, which is also the group
of all processes of the victim; the victim says ``flushed SEQ`` again and again; and when the last
of them is dead, however that came, the nursery says ``gone``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from traceback import print_exc

from tape.layout import Tape
from tests.crashes.victim import Session, keep, rehearse, seal_told
from tests.shared import ROOT


def main() -> None:
    """Bear one after another until the input ends."""
    with TemporaryDirectory() as folder:
        rehearse(Tape(Path(folder)))
    for line in sys.stdin:
        folder, number = line.rsplit(maxsplit=1)
        end, breath = os.pipe()  # which the dead hold no longer
        pid = os.fork()
        if not pid:
            os.setpgid(0, 0)
            _work(partial(_victim, Tape(Path(folder)), int(number)))
        os.close(breath)
        _say(f"born {pid}")
        os.read(end, 1)
        os.close(end)
        os.waitpid(pid, 0)
        _say("gone")


def _victim(tape: Tape, number: int) -> None:
    out, into = os.pipe()
    tape.root.mkdir(exist_ok=True)
    if not os.fork():
        os.close(into)
        with open(out) as told:
            _work(lambda: seal_told(tape, told))
    os.close(out)
    if not os.fork():
        os.close(into)
        _work(lambda: keep(tape, Random(number)))
    Session(
        tape,
        number,
        report=lambda seq: _say(f"flushed {seq}"),
        closed=lambda path: _write(into, f"{path}\n"),
    ).run()


def _work(work: Callable[[], None]) -> None:
    """All that a process does; does not return."""
    try:
        work()
    except BaseException:
        print_exc()
        _say("failed")
    finally:
        os._exit(0)


def _say(text: str) -> None:
    _write(1, f"{text}\n")


def _write(pipe: int, text: str) -> None:
    """In one write, which a pipe takes whole or not at all."""
    os.write(pipe, text.encode())


class Nursery:
    """That process, as seen from a test; one victim at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashes.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        self._flushed = 0

    def bear(self, folder: Path, number: int) -> int:
        """A victim at work on a folder, after its first flush; its group of processes."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{folder} {number}\n")
        self._process.stdin.flush()
        _, group = self._hear("born")
        _, self._flushed = self._hear("flushed")
        return group

    def bury(self) -> int:
        """Wait until all are dead; the highest seq that was said to be on the disk."""
        while True:
            word, seq = self._hear("flushed", "gone")
            if word == "gone":
                return self._flushed
            self._flushed = seq

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _hear(self, *expected: str) -> tuple[str, int]:
        assert self._process.stdout is not None
        word, _, number = self._process.stdout.readline().strip().partition(" ")
        assert word in expected, f"it says {word!r} instead of {expected}: see stderr"
        return word, int(number or 0)


@contextmanager
def nursery() -> Iterator[Nursery]:
    """One of them until the end of the block."""
    one = Nursery()
    try:
        yield one
    finally:
        one.close()


if __name__ == "__main__":
    main()
