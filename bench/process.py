"""Processes under measurement: on a processor of their own, with their memory watched."""

import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any, NamedTuple

_SAMPLE_EVERY_S = 0.25
_KIB = 1024


class Memory(NamedTuple):
    """Resident bytes: the most, and the medians of the second and the last quarter of the run."""

    peak: int
    early: int
    late: int

    def __str__(self) -> str:
        peak, early, late = (value / 1e6 for value in self)
        return f"peak {peak:.0f} MB; {early:.0f} MB early, {late:.0f} MB late"


def take_place(cpu: int, ahead: bool = False) -> None:
    """Run on one processor. ahead: of all others on it, where that is allowed (as root); for what
    is measured in ms and leaves them time. Who waits for a processor is late, however well written.
    """
    os.sched_setaffinity(0, {cpu})
    if ahead:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def waited_ns(pid: int | None = None) -> int:
    """For how long a process, this one if None, could have run but for others on its processor; 0
    where the kernel does not count it. Of its first thread."""
    try:
        return int(Path(f"/proc/{pid or 'self'}/schedstat").read_text().split()[1])
    except OSError:
        return 0


class Watched:
    """A process whose resident memory is sampled until it ends. cpu, ahead: see `take_place`."""

    def __init__(self, command: Sequence[str], cpu: int, ahead: bool = False) -> None:
        self.process = subprocess.Popen(
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: take_place(cpu, ahead),
        )
        self._samples: list[int] = []
        self._waits: list[int] = []
        self._ended = Event()
        self._sampler = Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next line that it prints about an event, if it prints JSON."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            if said["event"] == event:
                return said
        raise RuntimeError(f"{self.process.args!r} ended before it said {event!r}")

    def output(self) -> str:
        """Wait for the end; what it printed. Raises if it failed."""
        text, _ = self.process.communicate()
        self._ended.set()
        self._sampler.join()
        if self.process.returncode not in (0, 3):
            raise RuntimeError(f"{self.process.args!r} exited {self.process.returncode}:\n{text}")
        return text

    @property
    def memory(self) -> Memory:
        """What was sampled."""
        quarter = max(len(self._samples) // 4, 1)
        early = self._samples[quarter : 2 * quarter] or self._samples
        return Memory(max(self._samples), int(median(early)), int(median(self._samples[-quarter:])))

    @property
    def crowded(self) -> float:
        """Share of the time in which it could have run but for others on its processor."""
        return max(self._waits, default=0) / 1e9 / (max(len(self._waits), 1) * _SAMPLE_EVERY_S)

    def _sample(self) -> None:
        folder = Path(f"/proc/{self.process.pid}")
        while not self._ended.wait(_SAMPLE_EVERY_S):
            try:
                lines = (folder / "status").read_text().splitlines()
            except OSError:
                return
            self._samples += [int(x.split()[1]) * _KIB for x in lines if x.startswith("VmRSS:")]
            self._waits.append(waited_ns(self.process.pid))
