"""Trades to rows. Their ids are sequential per symbol, so a hole shows (protocol section 2.4)."""

from collections import deque

import msgspec

from market.gaps import Ending, Hole, Place, Seen, gap_row
from market.sync import BACKWARDS_NS
from schemas import wire
from schemas.frames import Frame
from schemas.numbers import price, qty
from schemas.requests import SnapshotRequest
from schemas.rows import Row, Trade
from schemas.topics import Topic


class TradeState(msgspec.Struct):
    """Keyframe of a trade stream. What has a default is not in those of format 1."""

    conn: int
    seen: Seen | None
    ts_engine: int
    repeats: int
    shed: bool = False


class TradeTracker:
    """What the engine keeps of one trade stream: the newest id, across connections.

    repeats: frames ignored, their ids having been seen.
    """

    __slots__ = ("_shed", "conn", "repeats", "seen", "topic", "ts_engine")

    def __init__(self, topic: Topic, outbox: deque[SnapshotRequest]) -> None:
        del outbox  # trades ask for nothing
        self.topic = topic
        self.reset()

    def reset(self) -> None:
        """Back to the beginning."""
        self.conn = 0
        self.seen: Seen | None = None
        self.ts_engine = 0
        self.repeats = 0
        self._shed = False  # frames of ours were lost since the newest trade

    def rows(self, frame: Frame, message: wire.Trade) -> list[Row]:
        """Rows of a trade frame: none for a repeat, a gap row first where ids are missing."""
        ts_event, ts_engine = message.E * 1_000, message.T * 1_000
        row = Trade(
            frame.seq, frame.ts_recv, ts_event, self.topic.symbol, ts_engine,
            message.t, price(message.p), qty(message.q), "sell" if message.m else "buy",
            message.b, message.a,
        )  # fmt: skip
        rows: list[Row] = [row]
        seen = self.seen
        if seen is not None and message.t != seen.id + 1:
            backwards = message.t <= seen.id
            if backwards and ts_engine <= self.ts_engine + BACKWARDS_NS:
                self.repeats += 1
                return []
            hole = Hole.of_ids(self._cause(frame, backwards), seen, message.t)
            ending = Ending("open", Seen.at(frame, message.t, ts_engine))
            rows.insert(0, gap_row(Place(frame, self.topic, ts_event), hole, ending))
        self.conn = frame.conn
        self.seen = Seen(message.t, frame.seq, frame.ts_recv, frame.ts_mono, ts_engine)
        self.ts_engine = ts_engine
        self._shed = False
        return rows

    def shed(self, frame: Frame) -> list[Row]:
        """Frames that arrived are not on the tape, of this stream perhaps."""
        del frame
        self._shed = True
        return []

    def _cause(self, frame: Frame, backwards: bool) -> str:
        if backwards:
            return "ids_backwards"
        if self._shed:
            return "loss"
        return "trade_ids" if frame.conn == self.conn else "disconnect"

    def export(self) -> bytes:
        """Keyframe of this stream."""
        state = TradeState(self.conn, self.seen, self.ts_engine, self.repeats, self._shed)
        return msgspec.json.encode(state)

    def restore(self, frame: Frame, payload: bytes) -> list[Row]:
        """Become what a keyframe says; raises MsgspecError if it cannot be read."""
        del frame
        saved = msgspec.json.decode(payload, type=TradeState)
        self.conn = saved.conn
        self.seen = saved.seen
        self.ts_engine = saved.ts_engine
        self.repeats = saved.repeats
        self._shed = saved.shed
        return []
