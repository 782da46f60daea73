"""Processes under measurement: on a processor of their own, with their memory watched."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import NamedTuple

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


class Watched:
    """A process whose resident memory is sampled until it ends."""

    def __init__(self, command: Sequence[str], cpu: int) -> None:
        self.process = subprocess.Popen(
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        )
        self._samples: list[int] = []
        self._ended = Event()
        self._sampler = Thread(target=self._sample, daemon=True)
        self._sampler.start()

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

    def _sample(self) -> None:
        status = Path(f"/proc/{self.process.pid}/status")
        while not self._ended.wait(_SAMPLE_EVERY_S):
            try:
                text = status.read_text()
            except OSError:
                return
            for line in text.splitlines():
                if line.startswith("VmRSS:"):
                    self._samples.append(int(line.split()[1]) * _KIB)
