"""What of the frames of a segment is asked for when they are gone: the log of prunings keeps it."""

import msgspec

from schemas.gaps import GapKey
from tape.bounds import Count, Time


class Cut(msgspec.Struct, frozen=True, array_like=True):
    """Where a segment goes on with the wall clock set, or with other topics subscribed.

    seq: of the frame from which on that is so. until, start: its time of receipt, by the clock as
    it was and as it is from there on; the same where it was not set.
    """

    seq: Count
    until: Time
    start: Time
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Carried(msgspec.Struct, frozen=True):
    """A gap that went on when a segment began. ts_since: when the frame before it arrived, ns since
    the epoch, UTC."""

    key: GapKey
    cause: str
    missing: int | None
    ts_since: int


class Ends(msgspec.Struct, frozen=True):
    """kind: of the first frame. topics: that were to be recorded as the segment began, or were
    heard of.

    head_ts: when the first frame was received, ns. tail_ts: the last one, or the one received the
        latest where the clock was not set.
    carried: None where that can be looked up.
    """

    kind: str
    topics: tuple[str, ...]
    head_ts: Time
    tail_ts: Time
    cuts: tuple[Cut, ...] = ()
    carried: tuple[Carried, ...] | None = None
