"""What must hold of an engine, whatever frames it is fed."""

from __future__ import annotations

from itertools import groupby

import msgspec

from market.engine import Engine
from schemas.digest import Witness
from schemas.frames import Frame, Kind
from schemas.rows import Reject, Row
from schemas.tables import TABLES
from tape.columns import arrow_to_rows, filed_topic, rows_to_arrow
from tests.crashes.arrivals import SYMBOLS, arrival

START_NS = 1_795_330_800_000_000_000  # 2026-11-22T07:00:00Z
JOINED = 14  # arrivals until books are live and have changed
KINDS = tuple(Kind)
TOPICS = ("", f"depth.{SYMBOLS[0]}", f"/api/v1/depth?symbol={SYMBOLS[0]}", "/api/v1/markets", "\0")
FIRST_KIND = ord("a")  # bytes of a line that choose are letters and digits, for those who read them
FIRST_TOPIC = ord("0")


class Trial:
    """An engine on trial. live: it begins with subscribed streams and live books."""

    def __init__(self, live: bool) -> None:
        self._engine = Engine()
        self._seq = 0
        self._rows: list[Row] = []
        self._witness = Witness()
        self._take(Kind.SEGMENT, b"{}", "", 0)
        for number in range(JOINED if live else 0):
            self._take(*arrival("fuzz", number))

    def feed(self, line: bytes) -> None:
        """A kind, a topic and a payload, see `line_of`."""
        kind = KINDS[(line[0] - FIRST_KIND) % len(KINDS)] if line else Kind.DATA
        topic = TOPICS[(line[1] - FIRST_TOPIC) % len(TOPICS)] if len(line) > 1 else ""
        self._take(kind, line[2:], topic, 1)

    def check(self) -> None:
        """All rows can be stored, and what is remembered can be carried over to a next segment."""
        for name, group in groupby(sorted(self._rows, key=_table), key=_table):
            rows = list(group)
            table = TABLES[name]
            assert arrow_to_rows(table, None, rows_to_arrow(table, rows)) == list(map(_plain, rows))
        assert self._witness.checkpoint() is not None
        self._check_roll()

    def _take(self, kind: Kind, payload: bytes, topic: str, conn: int) -> None:
        self._seq += 1
        ns = self._seq * 1_000_000
        frame = Frame(self._seq, START_NS + ns, ns, conn, kind, topic, payload)
        rows = self._engine.feed(frame)
        filed_topic(frame)
        for row in rows:
            assert (row.seq, row.ts_recv) == (frame.seq, frame.ts_recv)
            assert not (isinstance(row, Reject) and row.reason == "internal"), row.detail
        self._engine.take_requests()
        self._witness.see(frame, rows)
        self._rows += rows

    def _check_roll(self) -> None:
        """A fresh engine makes of head and keyframes what the live one makes."""
        keyframes = list(self._engine.keyframes())
        fresh = Engine()
        carried = [(Kind.SEGMENT, "", b"{}")]
        carried += [(Kind.KEYFRAME, topic, state) for topic, state in keyframes]
        for seq, (kind, topic, state) in enumerate(carried, self._seq + 1):
            frame = Frame(seq, START_NS, 0, 0, kind, topic, state)
            rows = fresh.feed(frame)
            assert rows == self._engine.feed(frame)
            assert not any(isinstance(row, Reject) for row in rows), rows
        assert sorted(fresh.keyframes()) == sorted(self._engine.keyframes())


def line_of(kind: Kind, topic: str, payload: bytes) -> bytes:
    """A frame as a line of an input; the payload must not hold a newline."""
    assert b"\n" not in payload
    chosen = TOPICS.index(topic) if topic in TOPICS else 0
    return bytes([FIRST_KIND + KINDS.index(kind), FIRST_TOPIC + chosen]) + payload


def _table(row: Row) -> str:
    return row.TABLE


def _plain(row: Row) -> Row:
    """Without what is in the path of a file."""
    return msgspec.structs.replace(row, symbol=None)
