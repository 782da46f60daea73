"""When sessions ran, by a wall clock that may be set while they do."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from schemas.errors import TapeError
from schemas.frames import Frame, Kind, SegmentHead
from schemas.rows import Clock
from tape.batches import read_lines
from tape.columns import arrow_to_frames
from tape.doubts import Hole, read_table
from tape.layout import FRAMES, Tape
from tape.manifest import Manifest
from tape.reader import read_frames, unkept
from tape.spans import Stretch
from tape.view import seen

DAMAGED = "damaged"  # was recorded, and is lost on disk
STEP_NS = 10_000_000  # less than that between two looks at the clocks is no step


class Lap(NamedTuple):
    """A part of a session in which the wall clock was not set, and what was to be recorded in it.

    start, until: from its first frame to the frame that follows on its last.
    """

    session: str
    topics: frozenset[str]
    first_seq: int
    last_seq: int
    start: int
    until: int


def head(tape: Tape, segment: Manifest) -> Frame:
    """The first frame of a segment, without making any other."""
    first = seen(tape, segment.files_of(FRAMES))[0]
    return next(read_lines(tape.root, first, lambda batch: arrow_to_frames(batch.slice(0, 1))))[0]


def laps(tape: Tape, segments: Sequence[Manifest], heads: Sequence[Frame]) -> Iterator[Lap]:
    """Those of one session, in order; where the wall clock was set, one ends and another begins.

    heads: the `head` of each segment.
    """
    for number, segment in enumerate(segments):
        topics = frozenset(segment.topics).union(_topics(heads[number])) - {""}
        steps = [row for row in read_table(tape, segment, Clock) if abs(row.step_ns) >= STEP_NS]
        first, last = segment.first_ts, segment.last_ts
        if steps:  # the lowest and the highest time need not be those of the first and last frame
            first, last = heads[number].ts_recv, _from(tape, segment, segment.last_seq).ts_recv
        if number + 1 < len(heads) and _goes_on(segment, heads[number + 1]):
            last = max(last, heads[number + 1].ts_recv)
        begins = [(segment.first_seq, first), *((row.seq, row.ts_recv) for row in steps)]
        ends = [(row.seq - 1, row.ts_recv - row.step_ns) for row in steps]
        for (seq, start), (last_seq, until) in zip(
            begins, [*ends, (segment.last_seq, last)], strict=True
        ):
            yield Lap(segment.session, topics, seq, last_seq, start, until)


def damage(tape: Tape, segments: Sequence[Manifest]) -> Iterator[Hole]:
    """What is lost within the segments of a session, as holes in all its topics."""
    for segment in segments:
        for noted in segment.damage:
            if noted.after_seq >= segment.first_seq and noted.until_seq is not None:
                yield _hole(
                    _from(tape, segment, noted.after_seq),
                    _from(tape, segment, noted.until_seq),
                    segment.session,
                )


def breaks(segments: Sequence[Manifest], heads: Sequence[Frame]) -> Iterator[Stretch]:
    """Between segments of a session where the end of one, the head of the next, or whole ones are
    lost. What was not to be kept is not."""
    for (one, following), first in zip(pairwise(segments), heads[1:], strict=True):
        if not _goes_on(one, first) and not unkept(one, following):
            yield Stretch(one.last_ts, following.first_ts)


def _goes_on(segment: Manifest, head: Frame) -> bool:
    """Whether the first frame of the next one follows on a segment, and stands for no lost ones."""
    return head.seq == segment.last_seq + 1 and head.kind is not Kind.LOSS


def _from(tape: Tape, segment: Manifest, seq: int) -> Frame:
    """The frame of that seq, or else the first after it."""
    found = next(read_frames(tape, segment, from_seq=seq), None)
    if found is None:
        raise TapeError(
            f"{segment.name}: no frame from seq {seq} on is in its files; bp-tape verify says more"
        )
    return found


def _topics(head: Frame) -> tuple[str, ...]:
    """What was subscribed, as the first frame of a segment says; nothing where that is lost."""
    if head.kind is not Kind.SEGMENT:
        return ()
    try:
        return msgspec.json.decode(head.payload, type=SegmentHead).topics
    except (msgspec.MsgspecError, ValueError):
        return ()


def _hole(before: Frame, after: Frame, session: str) -> Hole:
    return Hole(
        session=session,
        topic=None,
        cause=DAMAGED,
        state="open",
        missing=after.seq - before.seq - 1,
        ts_shown=after.ts_recv,
        since_seq=before.seq,
        ts_since=before.ts_recv,
        until_seq=after.seq,
        ts_until=after.ts_recv,
        lasted_ns=after.ts_mono - before.ts_mono,
    )
