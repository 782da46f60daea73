"""Holes in sequential ids: what was seen before, and the row that says what is missing."""

import msgspec

from schemas.frames import Frame
from schemas.rows import Gap
from schemas.topics import Topic


class Seen(msgspec.Struct, gc=False):
    """The newest id of a stream and the frame it came in; bounds a gap from below."""

    id: int
    seq: int
    ts_recv: int


class Hole(msgspec.Struct, gc=False):
    """The topic and time of an event that does not follow, what was seen before, its id."""

    topic: Topic
    ts_event: int
    seen: Seen
    received: int


def gap_row(frame: Frame, hole: Hole, cause: str) -> Gap:
    """The row of a hole that ``frame`` showed."""
    seen = hole.seen
    missing = hole.received - seen.id - 1
    return Gap(
        frame.seq, frame.ts_recv, hole.ts_event, hole.topic.symbol, str(hole.topic), cause,
        seen.id + 1, hole.received, missing if missing >= 0 else None, seen.seq, seen.ts_recv,
        "open", None, None, None, None, None,
    )  # fmt: skip
