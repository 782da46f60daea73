"""Stretches of which something is missing: what was there before, what is known, how they ended.

The rows of one gap have the same topic and ``since_seq`` (and, where the topic is null, the same
cause).
"""

from typing import NamedTuple

import msgspec

from schemas.columns import Count, Time
from schemas.frames import Frame
from schemas.rows import Gap
from schemas.topics import Topic
from schemas.wire import Id

LOSS = "loss"  # cause: frames that arrived are not on the tape
BACKWARDS_NS = 1_000_000_000  # an old id with an engine time newer than this is no repeat
_INT64_MAX = 2**63 - 1


class Seen(msgspec.Struct, gc=False):
    """A frame that bounds a gap: the newest id of its stream at that frame, 0 where there is none.

    ts_mono is None in keyframes of format 1, ts_engine where the venue did not say or is not asked.
    """

    id: Id
    seq: Count
    ts_recv: Time
    ts_mono: Count | None = None
    ts_engine: Time | None = None

    @classmethod
    def at(cls, frame: "Frame | Seen", last_id: int = 0, ts_engine: int | None = None) -> "Seen":
        """A frame as a bound."""
        return cls(last_id, frame.seq, frame.ts_recv, frame.ts_mono, ts_engine)

    def is_long_before(self, ts_engine: int | None) -> bool:
        """Whether an id that is no higher is none of before: the numbering went back."""
        known = self.ts_engine
        return known is not None and ts_engine is not None and known + BACKWARDS_NS < ts_engine


class Hole(msgspec.Struct, gc=False):
    """What is known of a gap: its cause, what was there last, and the ids. session: the one that
    ``since`` is of, where it is not this one."""

    cause: str
    since: Seen
    expected_id: Count | None = None
    received_id: Count | None = None
    missing: Count | None = None
    session: str | None = None

    @classmethod
    def of_ids(cls, cause: str, since: Seen, received: int) -> "Hole":
        """Ids that do not follow."""
        missing = received - since.id - 1
        return cls(cause, since, since.id + 1, received, missing if missing >= 0 else None)


class Ending(NamedTuple):
    """How a gap ended, and the frame that ended it."""

    state: str
    until: Seen
    resync_id: int | None = None


class Place(NamedTuple):
    """Where a gap row stands: the frame that makes it, the stream it is about, the event's time."""

    frame: Frame
    topic: Topic | None
    ts_event: int | None = None


class Outage:
    """The time in which a book cannot be trusted, from the first gap row to the next join.

    Each hole makes an open row; those after the first have the ``since`` of the first, as they
    belong to the same outage. The one row that ends it repeats the first and has the sum of what is
    known to be missing.
    """

    __slots__ = ("hole",)

    def __init__(self) -> None:
        self.hole: Hole | None = None

    def show(self, place: Place, hole: Hole) -> Gap:
        """Another hole, of which the book is not made good yet."""
        first = self.hole
        if first is None:
            self.hole = msgspec.structs.replace(hole)
        else:
            hole.since = first.since
            first.missing = _sum(first.missing, hole.missing)
        return gap_row(place, hole)

    def end(self, place: Place, ending: Ending) -> list[Gap]:
        """A snapshot has joined."""
        hole, self.hole = self.hole, None
        return [] if hole is None else [gap_row(place, hole, ending)]


def gap_row(place: Place, hole: Hole, ending: Ending | None = None) -> Gap:
    """The row of a gap; without an ending it goes on."""
    frame, topic, since = place.frame, place.topic, hole.since
    state, until, resync_id = ending or ("open", None, None)
    return Gap(
        frame.seq, frame.ts_recv, place.ts_event,
        topic.symbol if topic else None, str(topic) if topic else None,
        hole.cause, hole.expected_id, hole.received_id, hole.missing,
        since.seq, since.ts_recv, state, since.ts_engine,
        until.ts_recv if until else None, until.ts_engine if until else None,
        _lasted(since, until), resync_id, hole.session,
    )  # fmt: skip


def shed_state(cause: str) -> bool | str:
    """Why frames were lost, empty if none were, for a keyframe: the oldest know of `LOSS` alone."""
    return cause == LOSS or cause or False


def shed_cause(state: bool | str) -> str:
    """The inverse."""
    return LOSS if state is True else state or ""


def _lasted(since: Seen, until: Seen | None) -> int | None:
    """None where it is not known, or no column could hold it."""
    if until is None or until.ts_mono is None or since.ts_mono is None:
        return None
    lasted = until.ts_mono - since.ts_mono
    return lasted if abs(lasted) <= _INT64_MAX else None


def _sum(missing: int | None, more: int | None) -> int | None:
    """Of what is known; None where nothing is, or where no column could hold it."""
    known = [count for count in (missing, more) if count is not None]
    return sum(known) if known and sum(known) <= _INT64_MAX else None
