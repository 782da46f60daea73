"""Throttled depth that was not recorded, made from the real-time stream (protocol section 2.2)."""

from collections import deque

import msgspec

from market.control import UNREADABLE
from market.gaps import BACKWARDS_NS
from schemas import wire
from schemas.numbers import PRICES

_MS = 1_000_000
_NOTHING = -1  # no id


class _Heard(msgspec.Struct, gc=False):
    data: wire.Depth
    stream: str


class _Data(msgspec.Struct, gc=False):
    """In the order in which the venue writes it."""

    E: int
    T: int
    U: int
    a: list[wire.Level]
    b: list[wire.Level]
    e: str
    s: str
    u: int


class _Message(msgspec.Struct, gc=False):
    data: _Data
    stream: str


_decode = wire.decoder(_Heard).decode
_encode = msgspec.json.Encoder().encode


class ThrottledDepth:
    """One frame per window of tape time in which anything changed, sent when the window ends.

    Windows lie at multiples of their length, so that it does not matter when one begins to listen;
    a frame that passes just when one ends belongs to the next. Where the ids of the source jump, or
    its numbering goes back, what was pending is sent at once as a frame of its own: the ids of two
    frames chain if and only if those of the source did. Repeats are ignored as `market.sync`
    ignores them; so is what cannot be read, which makes the next frame a jump.

    What is sent, and when, depends on the frames and their times alone, not on how promptly
    `make` is called.
    """

    __slots__ = (
        "_asks",
        "_bids",
        "_end",
        "_first",
        "_last",
        "_length",
        "_ready",
        "source",
        "topic",
    )

    def __init__(self, topic: str, source: str, length_ms: int) -> None:
        self.topic = topic
        self.source = source
        self._length = length_ms * _MS
        self._ready: deque[tuple[int, bytes]] = deque()  # frames that are complete, and when due
        self._first = _NOTHING  # `U` of the window; nothing is pending without
        self._end = 0
        self._last: wire.Depth | None = None  # newest frame of the source
        self._asks: dict[int, wire.Level] = {}
        self._bids: dict[int, wire.Level] = {}

    @property
    def due(self) -> int | None:
        """Tape time of the next frame; None if nothing changed."""
        if self._ready:
            return self._ready[0][0]
        return None if self._first == _NOTHING else self._end

    def take(self, payload: bytes, at: int) -> None:
        """A frame of the source passes."""
        try:
            heard = _decode(payload)
            asks = {PRICES[level[0]]: level for level in heard.data.a}
            bids = {PRICES[level[0]]: level for level in heard.data.b}
        except UNREADABLE:
            return
        if heard.stream == self.source and self._joins(heard.data, at):
            self._asks |= asks
            self._bids |= bids

    def make(self) -> bytes:
        """The frame that is due; raises IndexError if none is."""
        if not self._ready and self._first != _NOTHING:
            self._finish(self._end)
        return self._ready.popleft()[1]

    def _joins(self, delta: wire.Depth, at: int) -> bool:
        """Let a frame join the window or begin one; False for a repeat, which does neither."""
        last = self._last
        chains = last is None or last.u + 1 == delta.U
        if last is not None and not chains and _repeats(delta, last):
            return False
        if self._first != _NOTHING and (at >= self._end or not chains):
            self._finish(min(at, self._end))
        if self._first == _NOTHING:
            self._first = delta.U
            self._end = (at // self._length + 1) * self._length
        self._last = delta
        return True

    def _finish(self, due: int) -> None:
        """What is pending becomes a frame. Prices ascend on both sides (section 3.1)."""
        last = self._last
        assert last is not None, "what is pending has a last frame"
        asks = [self._asks[price] for price in sorted(self._asks)]
        bids = [self._bids[price] for price in sorted(self._bids)]
        data = _Data(last.E, last.T, self._first, asks, bids, "depth", last.s, last.u)
        self._ready.append((due, _encode(_Message(data, self.topic))))
        self._asks, self._bids, self._first = {}, {}, _NOTHING


def _repeats(delta: wire.Depth, last: wire.Depth) -> bool:
    """Whether ids are of before: then no time is much newer either (`market.sync_states`)."""
    return delta.u <= last.u and delta.T * 1_000 <= last.T * 1_000 + BACKWARDS_NS
