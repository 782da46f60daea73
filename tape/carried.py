"""Gaps that were going on when a segment began, as its keyframes have them.

Where nothing was kept of what came before, no row says how they began, or that others had ended.
"""

from collections.abc import Iterator
from itertools import takewhile

import msgspec

from schemas.columns import Count, Time
from schemas.frames import Frame, Kind
from schemas.gaps import GapKey
from tape.ends import Carried
from tape.layout import Tape
from tape.manifest import Manifest
from tape.reader import read_frames

_HEAD = (Kind.SEGMENT, Kind.KEYFRAME)


class _Since(msgspec.Struct):
    seq: Count
    ts_recv: Time


class _Hole(msgspec.Struct):
    cause: str
    since: _Since
    missing: Count | None = None


class _Keyframe(msgspec.Struct):
    """What matters here of the state of a stream, or of what is about none."""

    outage: _Hole | None = None
    gap: _Hole | None = None
    loss: _Hole | None = None


def carried(tape: Tape, segment: Manifest) -> Iterator[Carried]:
    """Those of all streams. Raises TapeError for a file that cannot be read."""
    for frame in takewhile(lambda frame: frame.kind in _HEAD, read_frames(tape, segment)):
        if frame.kind is Kind.KEYFRAME:
            yield from _carried(frame)


def _carried(frame: Frame) -> Iterator[Carried]:
    try:
        state = msgspec.json.decode(frame.payload, type=_Keyframe)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return  # sealing has said so
    for hole in filter(None, (state.outage, state.gap, state.loss)):
        topic = frame.topic or None
        key = GapKey(topic, hole.cause if topic is None else None, hole.since.seq)
        yield Carried(key, hole.cause, hole.missing, hole.since.ts_recv)
