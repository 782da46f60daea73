"""What a recording covers: which topic was recorded when, and what is missing for which reason.

A topic is covered while a session ran that was to record it, less what its gap rows and the
manifests name as missing (docs/data-format.md, "Coverage"). Everything is by the wall clock of the
recorder, as ``ts_recv`` is: a moment that a clock set back showed twice counts once, one that it
leapt over not at all.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec

from tape.days import day_of
from tape.doubts import Hole, read_holes
from tape.ends import Ends
from tape.laps import DAMAGED, PRUNED, Lap, breaks, damage, ends, holes_of_pruned, laps
from tape.layout import DAY_NS, Tape, date_folder
from tape.manifest import Manifest
from tape.prunings import Pruned, Pruning, pruned
from tape.reader import Part
from tape.recordings import Recording
from tape.spans import Stretch, by_day, length, union, without

UNRECORDED = "unrecorded"  # nobody was to record it then


class Missing(msgspec.Struct, frozen=True):
    """A stretch that is not covered. cause: of a gap row, or ``damaged``, ``pruned``
    or ``unrecorded``.

    ts_since, ts_until: ns since the epoch, UTC.
    """

    cause: str
    ts_since: int
    ts_until: int


class Covered(msgspec.Struct, frozen=True):
    """One topic on one day, UTC.

    share: of the 24 hours. gaps: stretches that are missing, but for what is ``pruned`` or
        ``unrecorded``.
    missing: in order; together with what is covered they make the day.
    """

    topic: str
    day: str
    covered_ns: int
    share: float
    gaps: int
    missing: tuple[Missing, ...]


class Taken(NamedTuple):
    """What a hole takes away of a lap; of all topics where ``topic`` is None."""

    topic: str | None
    cause: str
    lap: Lap
    stretch: Stretch


def covered_by(there: Sequence[Recording]) -> list[Covered]:
    """Of several recordings, as of shards: what any of them covers is covered.

    Raises TapeError for what cannot be read.
    """
    found: defaultdict[tuple[str, str], list[Covered]] = defaultdict(list)
    for tape, manifests, _ in there:
        for each in coverage(tape, manifests):
            found[each.topic, each.day].append(each)
    return [parts[0] if len(parts) == 1 else _joined(parts) for _, parts in sorted(found.items())]


def coverage(tape: Tape, manifests: Sequence[Manifest]) -> list[Covered]:
    """Each topic on each day on which a session ran that was to record it, by topic and day.

    Raises TapeError for what cannot be read.
    """
    ran: list[Lap] = []
    broken: list[Stretch] = []
    away = pruned(tape)
    holes: list[Hole] = []
    every: list[Part] = sorted([*manifests, *away.gone.values()], key=attrgetter("name"))
    for _, group in groupby(every, key=attrgetter("session")):
        segments = list(group)
        known = [_ends(tape, segment, away) for segment in segments]
        ran += laps(segments, known)
        # Of frames that are gone the rows of gaps say what was missing among them.
        there = [s for s in segments if isinstance(s, Manifest) and s.name not in away.frames]
        holes += [*holes_of_pruned(segments), *damage(tape, there)]
        broken += breaks(segments, known)
    return cover(ran, [*holes, *read_holes(tape, manifests)], broken)


def cover(
    ran: Sequence[Lap], holes: Iterable[Hole], broken: Sequence[Stretch] = ()
) -> list[Covered]:
    """As `coverage`, of what was read of the tape.

    ran: laps in order of session and seq. broken: where no lap is as what was recorded is lost.
    """
    taken: defaultdict[str | None, list[Taken]] = defaultdict(list)
    for part in _taken(ran, holes):
        taken[part.topic].append(part)
    topics = sorted({topic for lap in ran for topic in lap.topics})
    return [
        day
        for topic in topics
        for day in _days(
            topic,
            [lap for lap in ran if topic in lap.topics],
            [part for part in [*taken[None], *taken[topic]] if topic in part.lap.topics],
            broken,
        )
    ]


def _ends(tape: Tape, segment: Part, away: Pruned) -> Ends:
    """Of a segment, or of its frames, that are gone, what the log has kept."""
    if isinstance(segment, Pruning):
        return segment.ends
    known = away.frames.get(segment.name)
    return ends(tape, segment) if known is None else known.ends


def _taken(ran: Sequence[Lap], holes: Iterable[Hole]) -> Iterator[Taken]:
    """The parts of laps that are missing. Holes know their ends by seq, which no clock disturbs."""
    sessions = {session: list(group) for session, group in groupby(ran, key=attrgetter("session"))}
    for hole in holes:
        if hole.healed:
            continue
        mine = sessions.get(hole.session, [])
        at = bisect_left(mine, hole.since_seq, key=attrgetter("last_seq"))
        for lap in mine[at:]:
            if hole.until_seq is not None and hole.until_seq < lap.first_seq:
                break
            yield Taken(hole.topic, hole.cause, lap, _part(hole, lap))


def _part(hole: Hole, lap: Lap) -> Stretch:
    """Of a lap that a hole reaches into; empty where that is for no time."""
    start, until = lap.start, lap.until
    if hole.since_seq >= lap.first_seq:
        start = max(start, hole.ts_since)
    if hole.ts_until is not None and hole.until_seq is not None and hole.until_seq <= lap.last_seq:
        until = min(until, hole.ts_until)
    return Stretch(start, until)


def _joined(parts: Sequence[Covered]) -> Covered:
    """One topic on one day, of which several recordings have something."""
    day = day_of(parts[0].day)
    whole = [Stretch(day * DAY_NS, (day + 1) * DAY_NS)]
    gaps: defaultdict[str, list[Stretch]] = defaultdict(list)
    covered: list[Stretch] = []
    for part in parts:
        stretches = [Stretch(gone.ts_since, gone.ts_until) for gone in part.missing]
        covered += without(whole, stretches)
        for gone, stretch in zip(part.missing, stretches, strict=True):
            gaps[gone.cause].append(stretch)
    gaps.pop(UNRECORDED, None)
    causes = [(cause, union(gone)) for cause, gone in gaps.items()]
    return _day(parts[0].topic, day, union(covered), causes)


def _days(
    topic: str, ran: Sequence[Lap], taken: Sequence[Taken], broken: Sequence[Stretch]
) -> Iterator[Covered]:
    """One topic, of which all these are."""
    of_lap: defaultdict[Lap, list[Stretch]] = defaultdict(list)
    causes: defaultdict[str, list[Stretch]] = defaultdict(list, {DAMAGED: list(broken)})
    for part in taken:
        of_lap[part.lap].append(part.stretch)
        causes[part.cause].append(part.stretch)
    whole = {lap: Stretch(lap.start, lap.until) for lap in ran}
    covered = union(left for lap in ran for left in without([whole[lap]], of_lap[lap]))
    covered_on = by_day(covered)
    causes_on = [(cause, by_day(union(gone))) for cause, gone in causes.items()]
    for day in by_day(union(whole.values())):
        gone = [(cause, on_day.get(day, [])) for cause, on_day in causes_on]
        yield _day(topic, day, covered_on.get(day, []), gone)


def _day(
    topic: str, day: int, covered: list[Stretch], causes: Iterable[tuple[str, list[Stretch]]]
) -> Covered:
    """What is missing for more than one reason has the first of them."""
    rest = without([Stretch(day * DAY_NS, (day + 1) * DAY_NS)], covered)
    missing: list[Missing] = []
    for cause, gone in causes:
        left = without(rest, gone)
        missing += (Missing(cause, *stretch) for stretch in without(rest, left))
        rest = left
    gaps = sum(part.cause != PRUNED for part in missing)
    missing += (Missing(UNRECORDED, *stretch) for stretch in rest)
    missing.sort(key=attrgetter("ts_since"))
    total = length(covered)
    date = date_folder(day * DAY_NS).removeprefix("date=")
    return Covered(topic, date, total, total / DAY_NS, gaps, tuple(missing))
