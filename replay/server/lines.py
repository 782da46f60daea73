"""Lines on stdout that nobody ever waits for, whether or not they are read."""

import os
import sys
from io import UnsupportedOperation
from queue import Full, Queue
from threading import Thread

_WAITING = 10_000  # lines
_PATIENCE_S = 1.0  # at the end, for a reader to take what is left


class Lines:
    """Writes lines from a thread of its own. What finds no room, as the reader of the pipe has
    stopped reading, is left out and counted: ``lost``."""

    def __init__(self) -> None:
        self.lost = 0
        self._queue: Queue[bytes | None] = Queue(_WAITING)
        self._thread = Thread(target=self._write, name="lines", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """A line, without its end. Never waits."""
        try:
            self._queue.put_nowait(line)
        except Full:
            self.lost += 1

    def close(self) -> None:
        """Write what is left, if it is read soon."""
        try:
            self._queue.put(None, timeout=_PATIENCE_S)
        except Full:
            return
        self._thread.join(_PATIENCE_S)

    def _write(self) -> None:
        """With the system's own call where there is one: stdout's lock, held in a write that nobody
        reads, would keep the process from ending."""
        while (line := self._queue.get()) is not None:
            try:
                _write(line + b"\n")
            except OSError:  # nobody listens any more, which keeps nobody from being served
                self._drop()
                return

    def _drop(self) -> None:
        while self._queue.get() is not None:
            self.lost += 1


def _write(line: bytes) -> None:
    if sys.stdout is None:
        raise BrokenPipeError
    try:
        file = sys.stdout.fileno()
    except UnsupportedOperation:  # no file at all
        sys.stdout.write(line.decode())
        return
    while line:
        line = line[os.write(file, line) :]
