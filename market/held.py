"""Messages that came before what belongs before them."""

from bisect import insort
from collections.abc import Callable
from itertools import chain
from typing import Generic, TypeVar

import msgspec

from schemas import wire
from schemas.columns import Count, Time

HOLD_NS = 1_000_000_000  # connections are apart by milliseconds; what comes later than this is lost
HELD_LIMIT = 1_000  # of a stream
HELD_BYTES = 1 << 20  # of a stream, by `weight`
_MESSAGE, _LEVEL = 600, 200  # bytes in memory, beside those of its texts

M = TypeVar("M", bound=wire.Depth | wire.Trade)


class Held(msgspec.Struct, Generic[M]):
    """A message, and the frame that brought it: connection, number and clocks."""

    conn: Count
    seq: Count
    ts_recv: Time
    ts_mono: Count
    message: M


Span = tuple[int, int]  # first and last id of a message


class Waiting(Generic[M]):
    """Those of a stream, by ids. bytes: what they take in memory, about.

    Bounds go by the messages alone, and by those of one stream: whoever replays some streams of a
    tape has to let go where the recorder did.
    """

    __slots__ = ("_each", "bytes")

    def __init__(self) -> None:
        self._each: list[Held[M]] = []
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._each)

    def __contains__(self, one: object) -> bool:
        return any(known is one for known in self._each)

    @property
    def first(self) -> M:
        """The message of the lowest id."""
        return self._each[0].message

    @property
    def since(self) -> int:
        """When the one came that waits longest, by the monotonic clock."""
        return min(one.ts_mono for one in self._each)

    @property
    def is_too_much(self) -> bool:
        """Whether one has to go."""
        return len(self._each) > HELD_LIMIT or self.bytes > HELD_BYTES

    def add(self, one: Held[M], span: Callable[[M], Span]) -> None:
        """Behind those of no higher ids."""
        insort(self._each, one, key=lambda known: span(known.message))
        self.bytes += weight(one.message)

    def pop(self) -> Held[M]:
        """The first goes."""
        one = self._each.pop(0)
        self.bytes -= weight(one.message)
        return one

    def load(self, saved: list[Held[M]] | msgspec.UnsetType) -> None:
        """Those of a keyframe, and no others."""
        self._each = saved or []
        self.bytes = sum(weight(one.message) for one in self._each)

    def export(self) -> list[Held[M]] | msgspec.UnsetType:
        """For a keyframe."""
        return self._each or msgspec.UNSET


def weight(message: wire.Depth | wire.Trade) -> int:
    """Bytes that a message takes in memory, about; of equal messages the same.

    >>> weight(wire.Depth(e="depth", s="A", E=1, T=1, U=1, u=1, a=[], b=[("9", "1")]))
    802
    """
    if isinstance(message, wire.Trade):
        return _MESSAGE + len(message.p) + len(message.q)
    return _MESSAGE + sum(_LEVEL + len(p) + len(q) for p, q in chain(message.a, message.b))
