"""Frames that are missing from a segment become a frame that says so.

Whoever replays the segment then learns of the hole where it is: the engine makes a gap row of it
and trusts no book from there on. The frame has the seq of the first one missing.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import msgspec

from schemas.frames import Frame, FramesLost, Kind, to_json

DAMAGED = "damaged"  # cause of a loss that was found while sealing

Hole = Callable[[Frame], int | None]


def mended(frames: Iterable[Frame], after_seq: int | None, hole: Hole) -> Iterator[Frame]:
    """The frames of a segment with a LOSS frame in each hole, also in one before the first.

    after_seq: last frame of the segment before; 0 where there is none, None if it is not known.
    hole: bytes that are known to be missing right before a frame; None for no hole. Asked for the
        first frame, and for those whose seq shows a hole anyway.
    """
    before: Frame | None = None
    for frame in frames:
        if before is None:
            missing = hole(frame)
            if missing is not None:
                yield from _at_the_head(frame, after_seq, missing)
        elif frame.seq > next_seq(before):
            yield _loss(before, next_seq(before), frame.seq, hole(frame) or 0)
        before = frame
        yield frame


def next_seq(frame: Frame) -> int:
    """The seq that follows on a frame: a LOSS frame stands for all that it says are missing."""
    return frame.seq + max(1, missing_at(frame))


def missing_at(frame: Frame) -> int:
    """How many frames are missing from the tape at this one, itself among them; mostly none."""
    if frame.kind is Kind.LOSS:
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            lost = msgspec.json.decode(frame.payload, type=FramesLost)
            return lost.frames if lost.cause == DAMAGED else 0
    return 0


def _at_the_head(first: Frame, after_seq: int | None, missing: int) -> Iterator[Frame]:
    """At least the segment's head is missing; how much more, the segment before knows."""
    begins = first.seq - 1 if after_seq is None else after_seq + 1
    if 0 < begins < first.seq:
        yield _loss(first, begins, first.seq, missing)


def _loss(at: Frame, begins: int, ends: int, size: int) -> Frame:
    """Frames from seq ``begins`` up to ``ends`` are missing. ``at``: gives the times."""
    lost = FramesLost(DAMAGED, frames=ends - begins, bytes=size, ended=True)
    return Frame(begins, at.ts_recv, at.ts_mono, 0, Kind.LOSS, "", to_json(lost))
