"""Gaps, audits and clocks of a recording added up, from the rows that say what was in doubt."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from schemas.check_rows import Audit, Clock
from tape.doubts import Hole, read_holes, read_table
from tape.laps import STEP_NS
from tape.layout import Tape
from tape.manifest import Manifest


class GapTotal(msgspec.Struct, frozen=True, kw_only=True):
    """All gaps of one cause.

    missing: ids, or frames where the cause is ``loss``, as far as is known.
    ended: gaps per state, see `schemas.rows.Gap`.
    longest_ns: None where no gap says how long it was.
    """

    cause: str
    gaps: int
    missing: int
    ended: dict[str, int]
    longest_ns: int | None


class AuditTotal(msgspec.Struct, frozen=True, kw_only=True):
    """All audits against one source.

    mismatches: comparisons in which something differed.
    comparisons: None for bookTicker, where only what differs makes a row.
    """

    source: str
    mismatches: int
    comparisons: int | None


class ClockTotal(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of the clocks.

    offset_ns: the largest either way, venue less ours, and ``ts_offset``, when it was seen; None
        where the venue never told.
    steps: times the wall clock was set; ``largest_step_ns``: either way.
    """

    looks: int
    offset_ns: int | None
    ts_offset: int | None
    steps: int
    largest_step_ns: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Of a recording; gaps and audits by cause and source. clock: None where none was taped."""

    gaps: list[GapTotal]
    audits: list[AuditTotal]
    clock: ClockTotal | None


def add_up(recordings: Sequence[tuple[Tape, Sequence[Manifest]]]) -> Totals:
    """Read the tables `gap`, `audit` and `clock`. Raises TapeError for a file that cannot be."""
    every = [(tape, manifest) for tape, manifests in recordings for manifest in manifests]
    audits = [row for tape, manifest in every for row in read_table(tape, manifest, Audit)]
    clocks = [row for tape, manifest in every for row in read_table(tape, manifest, Clock)]
    return Totals(
        gaps=_gaps(hole for each in recordings for hole in read_holes(*each)),
        audits=_audits(audits),
        clock=_clock(clocks) if clocks else None,
    )


def tables(totals: Totals) -> Iterator[tuple[Sequence[str], list[tuple[object, ...]]]]:
    """Columns and lines for people; no table where there is nothing to say."""
    if totals.gaps:
        yield (
            ("gaps", "number", "missing", "ended", "longest"),
            [(t.cause, t.gaps, t.missing, _ended(t), _seconds(t.longest_ns)) for t in totals.gaps],
        )
    if totals.audits:
        yield (
            ("audits against", "mismatches", "comparisons"),
            [(total.source, total.mismatches, total.comparisons) for total in totals.audits],
        )
    if totals.clock is not None:
        clock = totals.clock
        yield (
            ("clock", "looks", "largest offset", "times set", "largest step"),
            [
                (
                    "wall",
                    clock.looks,
                    _seconds(clock.offset_ns),
                    clock.steps,
                    _seconds(clock.largest_step_ns or None),
                )
            ],
        )


def _ended(total: GapTotal) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in total.ended.items())


def _seconds(ns: int | None) -> str | None:
    return None if ns is None else f"{ns / 1e9:.3f} s"


def _gaps(holes: Iterable[Hole]) -> list[GapTotal]:
    by_cause: defaultdict[str, list[Hole]] = defaultdict(list)
    for hole in holes:
        by_cause[hole.cause].append(hole)
    return [
        GapTotal(
            cause=cause,
            gaps=len(found),
            missing=sum(hole.missing or 0 for hole in found),
            ended=dict(sorted(Counter(hole.state for hole in found).items())),
            longest_ns=max((h.lasted_ns for h in found if h.lasted_ns is not None), default=None),
        )
        for cause, found in sorted(by_cause.items())
    ]


def _audits(rows: Iterable[Audit]) -> list[AuditTotal]:
    levels: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        levels[row.source].append(row.levels)
    return [
        AuditTotal(
            source=source,
            mismatches=sum(differing > 0 for differing in found),
            comparisons=None if source == "bookTicker" else len(found),
        )
        for source, found in sorted(levels.items())
    ]


def _clock(rows: Sequence[Clock]) -> ClockTotal:
    told = [row for row in rows if row.offset_ns is not None]
    worst = max(told, key=lambda row: abs(row.offset_ns or 0), default=None)
    steps = [row.step_ns for row in rows if abs(row.step_ns) >= STEP_NS]
    return ClockTotal(
        looks=len(rows),
        offset_ns=None if worst is None else worst.offset_ns,
        ts_offset=None if worst is None else worst.ts_recv,
        steps=len(steps),
        largest_step_ns=max(steps, key=abs, default=0),
    )
