"""Sessions in the order in which they are played: one after another, or together."""

from collections.abc import Iterator, Sequence
from heapq import merge as merge_sorted
from itertools import groupby, repeat
from operator import attrgetter

from replay.selection import Selection
from replay.strand import Span, Strand
from schemas.frames import Frame
from tape.recordings import Recording

Stitch = tuple[Strand, Frame]


def strands(recordings: Sequence[Recording], selection: Selection) -> list[Strand]:
    """One for each session, each with an engine of its own, in the order they began."""
    found = [
        Strand(tape, list(group), selection)
        for tape, segments, _ in recordings
        for _, group in groupby(segments, key=attrgetter("session"))
    ]
    return sorted(found, key=attrgetter("first_ts"))


def together(found: Sequence[Strand]) -> Iterator[list[Strand]]:
    """Strands in groups, such that only those of the same group overlap in time."""
    group: list[Strand] = []
    end = 0
    for strand in found:
        if group and strand.first_ts > end:
            yield group
            group = []
        group.append(strand)
        end = max(end, strand.last_ts)
    if group:
        yield group


def woven(group: Sequence[Strand], span: Span) -> Iterator[Stitch]:
    """The frames of a group by time of receipt; those of one session stay in their order.

    That time is counted by the monotonic clock from when each session began, so that a wall clock
    that was set neither holds a session up nor hurries it on.
    """
    streams = [zip(repeat(strand), strand.frames(span), strict=False) for strand in group]
    if len(streams) == 1:
        return streams[0]
    for strand in group:
        strand.align()
    return merge_sorted(*streams, key=_received)


def _received(stitch: Stitch) -> tuple[int, str]:
    strand, frame = stitch
    return strand.zero + frame.ts_mono, strand.session
