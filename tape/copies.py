"""Frames that came again on another connection, told from those that are new.

Every server of the venue sends the same events; only `E`, the time at which it did, is its own
(protocol section 1). So two messages are copies where all other bytes are equal, and with them the
ids of depth, bookTicker and trade. What repeats on one connection is never a copy: a ticker that
did not change is sent once a second, and each of these has copies of its own.
"""

import re
from collections import deque
from hashlib import sha256

import msgspec

HORIZON_NS = 10_000_000_000  # a connection that is further behind brings frames of its own
SAME_EVENT_US = 500_000  # as far may `E` of two servers lie apart; a ticker comes once a second
LIMIT = 100_000  # frames remembered: ten seconds of the venue's peak
BYTES = 64_000_000  # that these take, about
LONG = 256  # bytes of a key; of what is longer sha256 stands for it
ORIGINAL_BYTES = 400  # of a frame in memory, beside its key
ALIKE_AT_MOST = 100  # frames looked at; a ticker that does not change comes ten times

_EVENT = re.compile(rb'"E":(0|[1-9]\d{0,17})')  # what a number can be written as in one way only


class Message:
    """A message as it came: what identifies its event, and when its server sent it.

    key: the bytes without `E`, or their sha256. start: where that was; -1, and event_us None, where
        there is none.
    """

    __slots__ = ("event_us", "key", "start")

    def __init__(self, payload: bytes) -> None:
        found = _EVENT.search(payload)
        self.event_us: int | None = None
        if found is None:
            self.key, self.start = payload, -1
        else:
            start, end = found.span(1)
            self.key, self.start = payload[:start] + payload[end:], start
            self.event_us = int(payload[start:end])
        if len(self.key) > LONG:
            self.key = sha256(self.key).digest()


class Original(msgspec.Struct, gc=False):
    """A frame that was taken, as far as its copies need it: there are many, so nothing in them is
    for the garbage collector to look at.

    conn: connection that brought it; others: those that brought copies. newer: the next one of the
    same key.
    """

    key: bytes
    start: int
    event_us: int | None
    seq: int
    ts_mono: int
    conn: int
    others: tuple[int, ...] = ()
    newer: "Original | None" = None

    def distance(self, message: Message, conn: int) -> int:
        """By how much `E` differs, microseconds; 0 where there is none. Too much for what is no
        copy, or came on this connection."""
        if self.start != message.start or conn == self.conn or conn in self.others:
            return SAME_EVENT_US + 1
        if message.event_us is None or self.event_us is None:
            return 0
        return abs(message.event_us - self.event_us)


class Copies:
    """Remembers what came within the horizon, at most `limit` frames. What is forgotten earlier is
    the oldest; a copy of that becomes a frame of its own, as one beyond the horizon does.

    most: bytes that may be remembered. held: that are, about.
    """

    def __init__(self, horizon_ns: int = HORIZON_NS, limit: int = LIMIT) -> None:
        self.most = BYTES
        self.held = 0
        self._horizon_ns = horizon_ns
        self._limit = limit
        self._oldest: dict[bytes, Original] = {}  # of each key; the others follow on it
        self._newest: dict[bytes, Original] = {}  # where there are others
        self._order: deque[Original] = deque()

    def __len__(self) -> int:
        return len(self._order)

    def find(self, conn: int, message: Message, ts_mono: int) -> Original | None:
        """The frame of which this is a copy, the nearest by `E` if there are several: it is known
        from then on that this connection has brought it. None for what is new."""
        self._forget(ts_mono)
        original = self._oldest.get(message.key)
        found, nearest = None, SAME_EVENT_US + 1
        for _ in range(ALIKE_AT_MOST):
            if original is None:
                break
            distance = original.distance(message, conn)
            if distance < nearest:
                found, nearest = original, distance
            original = original.newer
        if found is not None:
            found.others += (conn,)
        return found

    def add(self, conn: int, message: Message, seq: int, ts_mono: int) -> Original:
        """A message that was new was taken as this frame."""
        key = message.key
        original = Original(key, message.start, message.event_us, seq, ts_mono, conn)
        oldest = self._oldest.setdefault(key, original)
        if oldest is not original:
            self._newest.get(key, oldest).newer = original
            self._newest[key] = original
        self._order.append(original)
        self.held += len(key) + ORIGINAL_BYTES
        while len(self._order) > self._limit or self.held > self.most:
            self._drop()
        return original

    def _forget(self, ts_mono: int) -> None:
        while self._order and ts_mono - self._order[0].ts_mono > self._horizon_ns:
            self._drop()

    def _drop(self) -> None:
        """The oldest frame is the oldest of its key as well."""
        original = self._order.popleft()
        self.held -= len(original.key) + ORIGINAL_BYTES
        if original.newer is None:
            del self._oldest[original.key]
            self._newest.pop(original.key, None)
        else:
            self._oldest[original.key] = original.newer
