"""Times of the exchange moved to another day, for clients that check them.

Messages are changed as bytes: decoding and encoding would cost more, and could spell something
another way than the venue did. The name of a member cannot be found inside of a text value: quotes
are escaped there (``\\"E\\":``), and a value that is just ``"E"`` has no colon behind it.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from re import Match
from typing import NamedTuple

from replay.server.candles import MONTH, length, naive_iso
from schemas.errors import InexactNumber
from schemas.times import iso
from schemas.topics import INTERVALS, Topic

_US = 1_000
_MS = 1_000_000
_MAX = 2**63 - 1  # ns, as in `schemas.wire`
_TOPICS = 32_768  # as many as the engine follows at most
_STOCKS = ("stockPrice", "stockIndicativeQuote")

_BEFORE = b"{, \t\r\n"  # what may stand before the name of a member
# What comes after it: a whole number of no more digits than a time has; a naive ISO text.
_NUMBER = re.compile(rb"\s*:\s*(0|[1-9][0-9]{0,18})\s*[,}]").match
_TEXT = re.compile(rb'\s*:\s*"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})"').match


class _Member(NamedTuple):
    """A member that holds a time: its name in quotes, what it looks like, and how it is moved.

    moved: raises ValueError where the text is no time, before or after.
    """

    name: bytes
    match: Callable[[bytes, int], Match[bytes] | None]
    moved: Callable[[bytes], bytes]


class Shift:
    """Moves every time of the exchange by so many ns, cut to whole ms; ``by`` is what is left.

    Starts and ends of candles move by whole multiples of their interval, rounded down (of months:
    by whole days), so that they stay where candles of that interval begin. They are so up to an
    interval behind the other times, unless the shift is a multiple itself.
    """

    def __init__(self, ns: int) -> None:
        self.by = ns // _MS * _MS
        self._members = lru_cache(_TOPICS)(self._members_of)

    def payload(self, topic: str | None, payload: bytes) -> bytes:
        """A websocket message with its times moved, every other byte as it was.

        topic: its stream. Without one, or where a time would be before 1970 or after 2262, the
        message comes back as it was.
        """
        if topic is None:
            return payload
        moved = payload
        try:
            for member in self._members(topic):
                moved = _move(moved, member)
        except ValueError:
            return payload
        return moved

    def ns(self, ts: int) -> int:
        """A time in ns, moved."""
        return ts + self.by

    def candle(self, interval: str, ts: int) -> int:
        """Start or end of a candle in ns, moved; raises UsageError for what is no interval."""
        whole = length("1d" if interval == MONTH else interval)
        return ts + self.by // whole * whole

    def _members_of(self, topic: str) -> tuple[_Member, ...]:
        """Section 2: which members of a stream are times, and in what unit."""
        channel, variant, _ = Topic.parse(topic)
        sent, engine = self._number("E", _US), self._number("T", _US)
        if channel == "kline":
            return (sent, *self._ends(variant))
        if channel == "markPrice":
            return (sent, engine, self._number("n", _MS))
        if channel in _STOCKS:
            return (sent, engine, self._number("timestamp", _MS))
        return (sent, engine)

    def _number(self, name: str, unit: int) -> _Member:
        by, limit = self.by // unit, _MAX // unit

        def moved(text: bytes) -> bytes:
            time = int(text) + by
            if not 0 <= time <= limit:
                raise ValueError
            return b"%d" % time

        return _Member(f'"{name}"'.encode(), _NUMBER, moved)

    def _ends(self, interval: str) -> tuple[_Member, ...]:
        """Start and end of the candles of an interval; none if it is not known."""
        if interval not in INTERVALS:
            return ()

        @lru_cache(1_024)  # the same few texts in thousands of frames
        def moved(text: bytes) -> bytes:
            time = self.candle(interval, iso(text.decode()))
            if not 0 <= time <= _MAX:
                raise InexactNumber(f"{text!r} cannot be moved by {self.by} ns")
            return naive_iso(time).encode()

        return _Member(b'"t"', _TEXT, moved), _Member(b'"T"', _TEXT, moved)


def _move(payload: bytes, member: _Member) -> bytes:
    """All members of a name. Searching bytes costs less than a pattern, the more so in a large
    frame (measured: 500 levels, 2 us against 27)."""
    name, match, moved = member
    at = payload.find(name)
    while at > 0:
        behind = at + len(name)
        found = match(payload, behind)
        if found is not None and payload[at - 1] in _BEFORE:
            behind, end = found.span(1)
            payload = b"%b%b%b" % (payload[:behind], moved(found[1]), payload[end:])
        at = payload.find(name, behind)
    return payload
