"""The figures of a soak, and whether they are good."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.dataset as ds

from tape.layout import Tape
from tape.quantities import pretty_size
from tape.reader import segments
from tests.soak.audit import Verdict
from tests.soak.faults import Event, counts
from tests.soak.usage import Drift, Look, busy, drift

FLAT = 0.05  # memory may grow by so much of what it was after the warm-up

Line = tuple[str, str]


class Outcome(NamedTuple):
    """What a soak came to: what the venue says, the recorder's exit code and use of the machine."""

    said: dict[str, Any]
    code: int
    looks: list[Look]

    @property
    def events(self) -> list[Event]:
        """The venue's faults."""
        return [Event(*event) for event in self.said["events"]]


def report(args: argparse.Namespace, data: Path, outcome: Outcome, verdict: Verdict) -> int:
    """Print the table; the exit code."""
    verdicts = Counter(str(manifest.verdict) for manifest in segments(Tape(data)))
    grown = drift(outcome.looks, args.warm_up * 60)
    lines = [*_sent(args, outcome, verdict), *_kept(verdict), *_recorder(data, outcome, verdict)]
    lines.append(("segments", ", ".join(f"{n} {name}" for name, n in sorted(verdicts.items()))))
    lines.append((f"memory after {args.warm_up:g} min", _memory(grown)))
    for name, value in lines:
        print(f"{name:<38} {value}")
    flat = grown is not None and grown.share <= FLAT
    good = flat and verdict.is_good and set(verdicts) == {"certified"}
    print("good" if good else "NOT GOOD")
    return 0 if good else 1


def _sent(args: argparse.Namespace, outcome: Outcome, verdict: Verdict) -> Iterator[Line]:
    yield "frames sent", f"{verdict.sent:,}"
    rate = verdict.sent / (args.minutes * 60)
    yield "  a second", f"{rate:,.0f}, at most {outcome.said['peak']:,}"
    yield "connections", f"{args.connections}"
    yield "faults", ", ".join(f"{name} {number}" for name, number in counts(outcome.events))


def _kept(verdict: Verdict) -> Iterator[Line]:
    yield "frames on the tape", f"{verdict.taped:,}"
    yield "  given to nobody by the venue", f"{verdict.unheard:,}"
    yield "  lost with connections that died", f"{verdict.in_flight:,}"
    yield "  trades healed by REST", f"{verdict.healed:,}"
    yield "  shed, and counted by the recorder", f"{verdict.shed:,}"
    yield "  unexplained", f"{verdict.unexplained:,}"
    yield "  twice on the tape", f"{verdict.twice:,}"
    yield "  never sent", f"{verdict.foreign:,}"
    yield "  of depth and trades in no gap row", f"{verdict.unmarked:,}"


def _recorder(data: Path, outcome: Outcome, verdict: Verdict) -> Iterator[Line]:
    size = _size(data)
    yield "copies noted", f"{_rows(data, 'copy'):,}"
    yield "gap rows", f"{_rows(data, 'gap'):,}"
    yield "disk", f"{pretty_size(size)}, {size / max(verdict.taped, 1):.1f} bytes a frame"
    yield "processor of the recorder", f"{busy(outcome.looks):.0%} of a core"
    yield "its exit code", f"{outcome.code}"


def _memory(grown: Drift | None) -> str:
    if grown is None:
        return "not known: it was over before"
    sizes = (pretty_size(int(size)) for size in grown)
    return "{}, at most {}, at the end {}: ".format(*sizes) + f"{grown.share:+.1%}"


def _size(data: Path) -> int:
    return sum(path.stat().st_size for path in data.rglob("*.parquet"))


def _rows(data: Path, table: str) -> int:
    folder = data / "rows" / table
    return int(ds.dataset(folder).count_rows()) if folder.is_dir() else 0
