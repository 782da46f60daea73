"""What a process takes of the machine, looked at every few seconds."""

from __future__ import annotations

import os
from pathlib import Path
from statistics import median
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class Look(NamedTuple):
    """second: since the beginning. resident: bytes in memory. cpu_s: of processor, so far."""

    second: float
    resident: int
    cpu_s: float


def look(pid: int, second: float) -> Look:
    """At a process as it is now, without its children."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Look(second, pages * _PAGE, (int(fields[11]) + int(fields[12])) / _TICKS)


class Drift(NamedTuple):
    """Memory after the warm-up: the minute that it began with, the highest and the last one since,
    medians in bytes."""

    first: float
    highest: float
    last: float

    @property
    def share(self) -> float:
        """By how much of the first minute the highest one is above it."""
        return self.highest / self.first - 1


def drift(looks: list[Look], warm_up_s: float) -> Drift | None:
    """None for what did not last longer than the warm-up."""
    minutes: dict[int, list[int]] = {}
    for one in looks:
        if one.second >= warm_up_s:
            minutes.setdefault(int((one.second - warm_up_s) // 60), []).append(one.resident)
    medians = [median(minutes[number]) for number in sorted(minutes)]
    return Drift(medians[0], max(medians), medians[-1]) if medians else None


def busy(looks: list[Look]) -> float:
    """Share of a processor, over all of them."""
    first, last = looks[0], looks[-1]
    return (last.cpu_s - first.cpu_s) / max(last.second - first.second, 1.0)
