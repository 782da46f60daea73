"""Messages that came before what belongs before them."""

from typing import Generic, TypeVar

import msgspec

from schemas.columns import Count, Time

HOLD_NS = 1_000_000_000  # connections are apart by milliseconds; what comes later than this is lost
HELD_LIMIT = 1_000  # of a stream

M = TypeVar("M")


class Held(msgspec.Struct, Generic[M]):
    """A message, and the frame that brought it: connection, number and clocks."""

    conn: Count
    seq: Count
    ts_recv: Time
    ts_mono: Count
    message: M


Span = tuple[int, int]  # first and last id of a message
