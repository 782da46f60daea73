"""Trades to rows. Their ids are sequential per symbol, so a hole shows (protocol section 2.4)."""

from collections import deque

import msgspec

from market.gaps import (
    BACKWARDS_NS,
    LOSS,
    Ending,
    Hole,
    Place,
    Seen,
    gap_row,
    shed_cause,
    shed_state,
)
from market.memory import TRADES_KEPT
from market.missing import Missing, MissingIds
from schemas import wire
from schemas.frames import Frame
from schemas.numbers import price, qty
from schemas.requests import SnapshotRequest
from schemas.rows import Gap, Row, Trade
from schemas.topics import Topic


class TradeState(msgspec.Struct):
    """Keyframe of a trade stream. What has a default is not in those of format 1."""

    conn: int
    seen: Seen | None
    ts_engine: int
    repeats: int
    shed: bool | str = False
    missing: list[Missing] = []
    recent: list[Trade] = []


class TradeTracker:
    """What the engine keeps of one trade stream: the newest id, across connections, and which ids
    below it have not come.

    repeats: frames ignored, their ids having been seen.
    recent: the newest trades by id, or by numbering where that began again.
    """

    __slots__ = ("_missing", "_shed", "conn", "recent", "repeats", "seen", "topic", "ts_engine")

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
        self._shed = ""  # why frames of ours were lost since the newest trade
        self._missing = MissingIds()
        self.recent: deque[Trade] = deque(maxlen=TRADES_KEPT)

    def rows(self, frame: Frame, message: wire.Trade) -> list[Row]:
        """Rows of a trade frame: none for a repeat; a gap row first where ids are missing, or last
        where the last of those that were has come."""
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
                return self._late(row, frame)
            rows.insert(0, self._gap(row, frame, backwards, seen))
        self.conn = frame.conn
        self.seen = Seen(message.t, frame.seq, frame.ts_recv, frame.ts_mono, ts_engine)
        self.ts_engine = ts_engine
        self._shed = ""
        self.recent.append(row)
        return rows

    def _gap(self, row: Trade, frame: Frame, backwards: bool, seen: Seen) -> Gap:
        """Ids are missing before a trade; or it begins a numbering, of which none is."""
        hole = Hole.of_ids(self._cause(frame, backwards), seen, row.trade_id)
        if backwards:
            self._missing = MissingIds()
        self._missing.add(hole)
        return self._row(row, frame, hole, "open")

    def _late(self, row: Trade, frame: Frame) -> list[Row]:
        """A trade of an id that is not new: one that was missing, or a repeat."""
        gap = self._missing.take(row.trade_id)
        if gap is None:
            self.repeats += 1
            return []
        self._insert(row)
        return [row] if gap.left else [row, self._row(row, frame, gap.hole, "healed")]

    def _insert(self, row: Trade) -> None:
        """Among the recent trades, unless it is older than all that are kept. Those of an earlier
        numbering are behind the first of this one, which no late id is below."""
        recent = self.recent
        at = len(recent)
        while at and recent[at - 1].trade_id > row.trade_id:
            at -= 1
        if len(recent) == TRADES_KEPT:
            if at == 0:
                return
            recent.popleft()
            at -= 1
        recent.insert(at, row)

    def _row(self, row: Trade, frame: Frame, hole: Hole, state: str) -> Gap:
        ending = Ending(state, Seen.at(frame, row.trade_id, row.ts_engine))
        return gap_row(Place(frame, self.topic, row.ts_event), hole, ending)

    def shed(self, frame: Frame, cause: str = LOSS) -> list[Row]:
        """Frames that arrived are not on the tape, or made no rows, of this stream perhaps."""
        del frame
        self._shed = cause
        return []

    def unsubscribed(self, frame: Frame) -> list[Row]:
        """Nobody asks for the stream any more: what comes of it later begins anew."""
        del frame
        repeats = self.repeats
        self.reset()
        self.repeats = repeats
        return []

    def _cause(self, frame: Frame, backwards: bool) -> str:
        if backwards:
            return "ids_backwards"
        if self._shed:
            return self._shed
        return "trade_ids" if frame.conn == self.conn else "disconnect"

    def export(self) -> bytes:
        """Keyframe of this stream."""
        return msgspec.json.encode(
            TradeState(
                self.conn, self.seen, self.ts_engine, self.repeats,
                shed_state(self._shed), self._missing.gaps, list(self.recent),
            )
        )  # fmt: skip

    def restore(self, frame: Frame, payload: bytes) -> list[Row]:
        """Become what a keyframe says; raises MsgspecError if it cannot be read."""
        del frame
        saved = msgspec.json.decode(payload, type=TradeState)
        self.conn = saved.conn
        self.seen = saved.seen
        self.ts_engine = saved.ts_engine
        self.repeats = saved.repeats
        self._shed = shed_cause(saved.shed)
        self._missing.gaps = saved.missing
        self.recent = deque(saved.recent, TRADES_KEPT)
        return []
