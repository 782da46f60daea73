"""When sessions ran and what they were to record, which may change while they do, by a wall clock
that may be set meanwhile."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

import msgspec

from schemas.check_rows import Clock
from schemas.errors import TapeError
from schemas.frames import Frame, Kind, SegmentHead
from schemas.rows import Session
from tape.batches import read_lines
from tape.columns import arrow_to_frames
from tape.doubts import Hole, read_table
from tape.ends import Cut, Ends
from tape.layout import FRAMES, Tape
from tape.manifest import Manifest
from tape.prunings import Pruning
from tape.reader import Part, read_frames, unkept
from tape.spans import Stretch
from tape.view import seen

DAMAGED = "damaged"  # was recorded, and is lost on disk
PRUNED = "pruned"  # was recorded, and removed on purpose
STEP_NS = 10_000_000  # less than that between two looks at the clocks is no step

_SUBSCRIBE, _UNSUBSCRIBE = "SUBSCRIBE", "UNSUBSCRIBE"
_CUT_OFF = 2_000  # characters of a payload that a session row has room for


class _Request(msgspec.Struct):
    """What of our own requests is of interest here."""

    method: str = ""
    params: list[str] = []


class Lap(NamedTuple):
    """A part of a session in which the wall clock was not set, and what was to be recorded in it
    all the while.

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


def ends(tape: Tape, segment: Manifest) -> Ends:
    """What `laps` and `breaks` want to know of the frames of a segment; few of them are made."""
    first, last_ts = head(tape, segment), segment.last_ts
    topics, changes = _recorded(tape, segment, first)
    steps = [row for row in read_table(tape, segment, Clock) if abs(row.step_ns) >= STEP_NS]
    if steps:  # the highest time need not be that of the last frame
        last_ts = _from(tape, segment, segment.last_seq).ts_recv
    cuts = [Cut(row.seq, row.ts_recv - row.step_ns, row.ts_recv) for row in steps]
    return Ends(
        kind=first.kind,
        topics=tuple(sorted(topics)),
        head_ts=first.ts_recv,
        tail_ts=last_ts,
        cuts=tuple(sorted([*cuts, *changes], key=attrgetter("seq"))),
    )


def laps(segments: Sequence[Part], known: Sequence[Ends]) -> Iterator[Lap]:
    """Those of one session, in order; where the wall clock was set, or another set of topics
    subscribed, one ends and another begins.

    known: the `ends` of each segment.
    """
    for number, (segment, its) in enumerate(zip(segments, known, strict=True)):
        topics, seq, last = frozenset(its.topics), segment.first_seq, its.tail_ts
        was_set = any(cut.until != cut.start for cut in its.cuts)
        start = its.head_ts if was_set else segment.first_ts  # the lowest time may be another's
        for following, first in zip(segments[number + 1 :][:1], known[number + 1 :], strict=False):
            if _goes_on(segment, following, first):
                last = max(last, first.head_ts)
        for cut in (*its.cuts, Cut(segment.last_seq + 1, last, last)):
            yield Lap(segment.session, topics, seq, cut.seq - 1, start, cut.until)
            topics = topics.union(cut.added).difference(cut.removed)
            seq, start = cut.seq, cut.start


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
    lost. What was not to be kept is not."""
    for (one, following), first in zip(pairwise(segments), known[1:], strict=True):
        if not _goes_on(one, following, first) and not unkept(one, following):
            yield Stretch(one.last_ts, following.first_ts)


def _goes_on(segment: Part, following: Part, first: Ends) -> bool:
    """Whether a segment follows on another, and its first frame stands for no lost ones."""
    return following.first_seq == segment.last_seq + 1 and first.kind != Kind.LOSS


def _from(tape: Tape, segment: Manifest, seq: int) -> Frame:
    """The frame of that seq, or else the first after it."""
    found = next(read_frames(tape, segment, from_seq=seq), None)
    if found is None:
        raise TapeError(
            f"{segment.name}: no frame from seq {seq} on is in its files; bp-tape verify says more"
        )
    return found


def _recorded(tape: Tape, segment: Manifest, head: Frame) -> tuple[set[str], list[Cut]]:
    """What a segment was to record as it began, and how that changed.

    What is first spoken of by a request that subscribes it, was not recorded before. All frames
    that nobody asked for count for the whole segment.
    """
    requests = list(_requests(tape, segment))
    begun, spoken = set(_topics(head)), set[str]()
    for _, request in requests:
        if request.method == _UNSUBSCRIBE:
            begun.update(name for name in request.params if name not in spoken)
        spoken.update(request.params)
    begun |= set(segment.topics) - {""} - (spoken if head.kind is Kind.SEGMENT else set())
    now, changes = set(begun), []
    for row, request in requests:
        names, comes = set(request.params), request.method == _SUBSCRIBE
        added, removed = (names - now, set[str]()) if comes else (set[str](), names & now)
        if added or removed:
            now = (now | added) - removed
            sets = tuple(sorted(added)), tuple(sorted(removed))
            changes.append(Cut(row.seq, row.ts_recv, row.ts_recv, *sets))
    return begun, changes


def _requests(tape: Tape, segment: Manifest) -> Iterator[tuple[Session, _Request]]:
    """What we sent to subscribe and unsubscribe."""
    if Kind.SENT not in segment.kinds:
        return
    for row in read_table(tape, segment, Session):
        if row.event == Kind.SENT:
            text = (row.detail or "").encode()
            if len(row.detail or "") >= _CUT_OFF:
                text = _from(tape, segment, row.seq).payload
            with suppress(msgspec.MsgspecError, ValueError):
                request = msgspec.json.decode(text, type=_Request)
                if request.method in (_SUBSCRIBE, _UNSUBSCRIBE):
                    yield row, request


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
