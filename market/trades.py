"""Trades to rows. Their ids are sequential per symbol, so a hole shows (protocol section 2.4)."""

from collections import deque
from operator import attrgetter

import msgspec

from market.control import UNREADABLE, patience_ns
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
from market.healing import Healing
from market.held import Held, Span, Waiting
from market.memory import TRADES_KEPT
from market.missing import Missing, MissingIds
from market.notes import reject_row
from market.rest_trades import contradiction, read_trades, rest_row
from schemas import wire
from schemas.columns import Count, Time
from schemas.errors import InexactNumber
from schemas.frames import Frame, Kind
from schemas.numbers import price, qty
from schemas.requests import Request
from schemas.rows import Gap, Row, Trade
from schemas.topics import Topic


class TradeState(msgspec.Struct):
    """Keyframe of a trade stream. What has a default is not in those of format 1."""

    conn: Count
    seen: Seen | None
    ts_engine: Time
    repeats: Count
    shed: bool | str = False
    missing: list[Missing] = []
    recent: list[Trade] = []
    asked: Count = 0
    held: list[Held[wire.Trade]] | msgspec.UnsetType = msgspec.UNSET


class TradeTracker:
    """What the engine keeps of one trade stream: the newest id, across connections, and which ids
    below it have not come. Those are asked for by REST (`market.healing`).

    repeats: frames ignored, their ids having been seen.
    recent: the newest trades by id, or by numbering where that began again.
    held: trades that wait, see `market.ordered`.
    """

    __slots__ = (
        "_healing", "_missing", "_shed",
        "conn", "held", "recent", "repeats", "seen", "topic", "ts_engine",
    )  # fmt: skip

    def __init__(self, topic: Topic, outbox: deque[Request]) -> None:
        self.topic = topic
        self._healing = Healing(topic.symbol, outbox)
        self.reset()

    def reset(self) -> None:
        """Back to the beginning."""
        self.conn = 0
        self.seen: Seen | None = None
        self.ts_engine = 0
        self.repeats = 0
        self._shed = ""  # why frames of ours were lost since the newest trade
        self._missing = MissingIds()
        self._healing.asked = 0
        self.recent: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.held: Waiting[wire.Trade] = Waiting()

    @property
    def last_id(self) -> int | None:
        """What the next trade is to follow; None where any may be the first."""
        return None if self.seen is None or self._shed else self.seen.id

    @staticmethod
    def span(message: wire.Trade) -> Span:
        """A trade has one id."""
        return message.t, message.t

    @staticmethod
    def check(message: wire.Trade) -> None:
        """Raises InexactNumber where `rows` would."""
        price(message.p)
        qty(message.q)

    def moved(self, conn: int) -> None:
        """The stream goes on on another connection."""
        self.conn = conn

    def spliced(self, frame: Frame, message: wire.Trade) -> list[Row]:
        """Rows of a trade of another connection than the one before, which may have overtaken it,
        though it was the first."""
        self.moved(frame.conn)
        return self._early(frame, message) or self.rows(frame, message)

    def waited(self, held: Held[wire.Trade]) -> None:
        """A trade was let go. What is missing after it begins with the frame that brought it: one
        frame may let several go, and gaps are told apart by what they begin with."""
        seen = self.seen
        if seen is not None and seen.id == held.message.t:
            self.seen = Seen(seen.id, held.seq, held.ts_recv, held.ts_mono, seen.ts_engine)

    def rows(self, frame: Frame, message: wire.Trade) -> list[Row]:
        """Rows of a trade frame: none for a repeat; a gap row first where ids are missing, or last
        where the last of those that were has come."""
        row = self._told(frame, message)
        ts_engine = row.ts_engine
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

    def _told(self, frame: Frame, message: wire.Trade) -> Trade:
        return Trade(
            frame.seq, frame.ts_recv, message.E * 1_000, self.topic.symbol, message.T * 1_000,
            message.t, price(message.p), qty(message.q), "sell" if message.m else "buy",
            message.b, message.a,
        )  # fmt: skip

    def _early(self, frame: Frame, message: wire.Trade) -> list[Row]:
        """Rows of a trade of before the first that came: that it is no repeat is known as long as
        all that came is remembered. Ids between the two are missing."""
        recent = self.recent
        if not 0 < len(recent) < TRADES_KEPT:
            return []
        first = min(recent, key=attrgetter("trade_id"))
        is_back = self.ts_engine + BACKWARDS_NS < message.T * 1_000
        if message.t >= first.trade_id or is_back:
            return []
        row = self._told(frame, message)
        self._insert(row)
        if row.trade_id + 1 == first.trade_id:
            return [row]
        since = Seen.at(frame, row.trade_id, row.ts_engine)
        hole = Hole.of_ids("trade_ids", since, first.trade_id)
        self._missing.add(hole)
        self._healing.ask(self._missing, self._newest)
        ending = Ending("open", Seen.at(frame, first.trade_id, first.ts_engine))
        return [row, gap_row(Place(frame, self.topic, row.ts_event), hole, ending)]

    def _gap(self, row: Trade, frame: Frame, backwards: bool, seen: Seen) -> Gap:
        """Ids are missing before a trade; or it begins a numbering, of which none is."""
        hole = Hole.of_ids(self._cause(frame, backwards), seen, row.trade_id)
        if backwards:
            self._missing = MissingIds()
        self._missing.add(hole)
        self._healing.ask(self._missing, row.trade_id)
        return self._row(row, frame, hole, "open")

    def _late(self, row: Trade, frame: Frame) -> list[Row]:
        """A trade of an id that is not new: one that was missing, or a repeat."""
        gap = self._missing.take(row.trade_id)
        if gap is None:
            self.repeats += 1
            return self._denied(row, frame)
        return self._found(row, frame, gap)

    def _found(self, row: Trade, frame: Frame, gap: Missing) -> list[Row]:
        """A trade that was missing."""
        self._insert(row)
        return [row] if gap.left else [row, self._row(row, frame, gap.hole, "healed")]

    def _denied(self, row: Trade, frame: Frame) -> list[Row]:
        """A trade that is known: where one of stream and REST says it is another, the stream is
        believed, and somebody has to hear of it."""
        for known in reversed(self.recent):
            if known.trade_id == row.trade_id and known.source != row.source:
                said = contradiction(row, known)
                return [reject_row(frame, self.topic, "bad_reply", said)] if said else []
        return []

    def replied(self, frame: Frame) -> list[Row]:
        """What REST says of trades: a row for each that was missing, and where a gap is over."""
        try:
            found = read_trades(frame.payload)
        except UNREADABLE as error:
            self.failed(frame)
            return [reject_row(frame, self.topic, "bad_reply", str(error))]
        known = {row.trade_id for row in self.recent}
        rows: list[Row] = []
        for said in found:
            gap = self._missing.of(said.id)
            if gap is not None or said.id in known:
                rows += self._said(frame, said, gap)
        came = any(isinstance(row, Trade) for row in rows)
        self._healing.answered(self._missing, self._newest, came)
        return rows

    @property
    def _newest(self) -> int:
        return 0 if self.seen is None else self.seen.id

    def failed(self, frame: Frame) -> None:
        """What was asked for will not come."""
        patience = patience_ns(frame.payload) if frame.kind is Kind.FAILED else 0
        self._healing.answered(self._missing, self._newest, False, patience)

    def _said(self, frame: Frame, said: wire.RestTrade, gap: Missing | None) -> list[Row]:
        """One trade of a reply, which was missing in a gap, or is known."""
        try:
            row = rest_row(frame, self.topic.symbol, said)
        except InexactNumber as error:
            return [reject_row(frame, self.topic, "inexact", f"trade {said.id}: {error}")]
        if gap is None:
            return self._denied(row, frame)
        since = gap.hole.since.ts_engine
        if since is not None and row.ts_engine + BACKWARDS_NS < since:
            detail = f"trade {said.id} was before those that it is between: of another numbering"
            return [reject_row(frame, self.topic, "bad_reply", detail)]
        self._missing.take(said.id)
        return self._found(row, frame, gap)

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
                self.conn, self.seen, self.ts_engine, self.repeats, shed_state(self._shed),
                self._missing.gaps, list(self.recent), self._healing.asked,
                self.held.export(),
            )
        )  # fmt: skip

    def restore(self, frame: Frame, payload: bytes) -> list[Row]:
        """Become what a keyframe says; raises MsgspecError or InexactNumber if it cannot be."""
        del frame
        saved = msgspec.json.decode(payload, type=TradeState)
        for one in saved.held or ():
            self.check(one.message)
        self.conn = saved.conn
        self.seen = saved.seen
        self.ts_engine = saved.ts_engine
        self.repeats = saved.repeats
        self._shed = shed_cause(saved.shed)
        self._missing.gaps = saved.missing
        self.recent = deque(saved.recent, TRADES_KEPT)
        self.held.load(saved.held)
        self._healing.asked = saved.asked
        return []
