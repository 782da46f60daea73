"""Frames that came again on another connection, told from those that are new.

Every server of the venue sends the same events; only `E`, the time at which it did, is its own
(protocol section 1). So two messages are copies where all other bytes are equal, and with them the
ids of depth, bookTicker and trade. What repeats on one connection is never a copy: a ticker that
did not change is sent once a second, and each of these has copies of its own.
"""

import re
from collections import deque

HORIZON_NS = 10_000_000_000  # a connection that is further behind brings frames of its own
SAME_EVENT_US = 500_000  # as far may `E` of two servers lie apart; a ticker comes once a second
LIMIT = 100_000  # frames remembered: ten seconds of the venue's peak

_EVENT = re.compile(rb'"E":(\d{1,18})')


class Original:
    """A frame that was taken, as far as its copies need it.

    seq, ts_mono: of that frame. event_us: its `E`; None where it has none. conns: connections that
    brought it.
    """

    __slots__ = ("conns", "event_us", "key", "seq", "ts_mono")

    def __init__(self, key: bytes, event_us: int | None, seq: int, ts_mono: int) -> None:
        self.key = key
        self.event_us = event_us
        self.seq = seq
        self.ts_mono = ts_mono
        self.conns: set[int] = set()

    def distance(self, event_us: int | None) -> int:
        """By how much `E` differs, microseconds; 0 where there is none to compare."""
        if event_us is None or self.event_us is None:
            return 0
        return abs(event_us - self.event_us)


class Message:
    """A message as it came: what identifies its event, and when its server sent it.

    key: the bytes without `E`. event_us: `E`; None where there is none.
    """

    __slots__ = ("event_us", "key")

    def __init__(self, payload: bytes) -> None:
        found = _EVENT.search(payload)
        if found is None:
            self.key, self.event_us = payload, None
        else:
            start, end = found.span(1)
            self.key, self.event_us = payload[:start] + payload[end:], int(found[1])


class Copies:
    """Remembers what came within the horizon, at most `limit` frames."""

    def __init__(self, horizon_ns: int = HORIZON_NS, limit: int = LIMIT) -> None:
        self._horizon_ns = horizon_ns
        self._limit = limit
        self._originals: dict[bytes, deque[Original]] = {}  # by key, oldest first
        self._order: deque[Original] = deque()

    def __len__(self) -> int:
        return len(self._order)

    def find(self, conn: int, message: Message, ts_mono: int) -> Original | None:
        """The frame of which this is a copy, the nearest by `E` if there are several: it is known
        from then on that this connection has brought it. None for what is new."""
        self._forget(ts_mono)
        near = [
            original
            for original in self._originals.get(message.key, ())
            if conn not in original.conns and original.distance(message.event_us) <= SAME_EVENT_US
        ]
        if not near:
            return None
        found = min(near, key=lambda original: original.distance(message.event_us))
        found.conns.add(conn)
        return found

    def add(self, conn: int, message: Message, seq: int, ts_mono: int) -> Original:
        """A message that was new was taken as this frame."""
        original = Original(message.key, message.event_us, seq, ts_mono)
        original.conns.add(conn)
        self._originals.setdefault(message.key, deque()).append(original)
        self._order.append(original)
        if len(self._order) > self._limit:
            self._drop()
        return original

    def _forget(self, ts_mono: int) -> None:
        while self._order and ts_mono - self._order[0].ts_mono > self._horizon_ns:
            self._drop()

    def _drop(self) -> None:
        """The oldest frame is the oldest of its key as well."""
        original = self._order.popleft()
        same = self._originals[original.key]
        same.popleft()
        if not same:
            del self._originals[original.key]
