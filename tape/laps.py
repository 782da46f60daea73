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
from tape.prunings import Ends, Pruning
from tape.reader import read_frames
from tape.spans import Stretch

DAMAGED = "damaged"  # was recorded, and is lost on disk
PRUNED = "pruned"  # was recorded, and removed on purpose
STEP_NS = 10_000_000  # less than that between two looks at the clocks is no step


Part = Manifest | Pruning  # a segment that is there, or is not any more


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


def ends(tape: Tape, segment: Manifest) -> Ends:
    """What `laps` wants to know of the frames of a segment; one of them is made."""
    entry = segment.files_of(FRAMES)[0]
    first = next(read_lines(tape.root, entry, lambda batch: arrow_to_frames(batch.slice(0, 1))))[0]
    topics = {*segment.topics, *_topics(first)} - {""}
    return Ends(first.kind, tuple(sorted(topics)), first.ts_recv)


def last_ends(tape: Tape, segment: Manifest) -> Ends:
    """The same with all that can be looked up only as long as the frames are there. What cannot be
    read is as the manifest has it."""
    try:
        found = ends(tape, segment)
        if _steps(tape, segment):
            tail = _from(tape, segment, segment.last_seq).ts_recv
            return msgspec.structs.replace(found, tail_ts=tail)
    except TapeError:
        topics = tuple(sorted(set(segment.topics) - {""}))
        return Ends(Kind.SEGMENT, topics, segment.first_ts, segment.last_ts)
    return msgspec.structs.replace(found, tail_ts=segment.last_ts)


def laps(tape: Tape, segments: Sequence[Part], known: Sequence[Ends]) -> Iterator[Lap]:
    """Those of one session, in order; where the wall clock was set, one ends and another begins.

    known: the `ends` of each segment. Of one that was pruned nobody knows whether it was set.
    """
    for number, segment in enumerate(segments):
        topics = frozenset(known[number].topics)
        steps = [] if isinstance(segment, Pruning) else _steps(tape, segment)
        first, last = segment.first_ts, segment.last_ts
        if steps and not isinstance(segment, Pruning):
            # The lowest and the highest time need not be those of the first and last frame.
            first, tail = known[number].head_ts, known[number].tail_ts
            last = _from(tape, segment, segment.last_seq).ts_recv if tail is None else tail
        for following, its in zip(segments[number + 1 :][:1], known[number + 1 :], strict=False):
            if _goes_on(segment, following, its):
                last = max(last, its.head_ts)
        begins = [(segment.first_seq, first), *((row.seq, row.ts_recv) for row in steps)]
        until = [(row.seq - 1, row.ts_recv - row.step_ns) for row in steps]
        for (seq, start), (last_seq, end) in zip(
            begins, [*until, (segment.last_seq, last)], strict=True
        ):
            yield Lap(segment.session, topics, seq, last_seq, start, end)


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


def holes_of_pruned(segments: Sequence[Part]) -> Iterator[Hole]:
    """What was pruned wholly of a session, as holes in all its topics."""
    for segment in segments:
        if isinstance(segment, Pruning):
            yield Hole(
                session=segment.session,
                topic=None,
                cause=PRUNED,
                state="open",
                missing=None,
                ts_shown=segment.first_ts,
                since_seq=segment.first_seq,
                ts_since=segment.first_ts,
                until_seq=segment.last_seq,
                ts_until=None,  # it lasts as long as the segment, or to the next one
                lasted_ns=None,
            )


def breaks(segments: Sequence[Part], known: Sequence[Ends]) -> Iterator[Stretch]:
    """Between segments of a session where the end of one, the head of the next, or whole ones are
    lost."""
    for (one, following), first in zip(pairwise(segments), known[1:], strict=True):
        if not _goes_on(one, following, first):
            yield Stretch(one.last_ts, following.first_ts)


def _goes_on(segment: Part, following: Part, first: Ends) -> bool:
    """Whether a segment follows on another, and its first frame stands for no lost ones."""
    return following.first_seq == segment.last_seq + 1 and first.kind != Kind.LOSS


def _steps(tape: Tape, segment: Manifest) -> list[Clock]:
    """Where the wall clock was set."""
    return [row for row in read_table(tape, segment, Clock) if abs(row.step_ns) >= STEP_NS]


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
