"""Depth frames and snapshot replies to rows, through the book sync of their stream."""

from collections import deque

import msgspec

from market.book import PriceQty
from market.deltas import Snapshot, read_levels
from market.gaps import Hole, Seen, gap_row
from market.sync import BookSync, SyncState
from market.sync_states import Event, State
from schemas import wire
from schemas.errors import InexactNumber
from schemas.frames import Frame
from schemas.numbers import PRICES, QUANTITIES
from schemas.requests import SnapshotRequest
from schemas.rows import BookKeyframe, Depth, Gap, Row
from schemas.topics import Topic


class DepthState(msgspec.Struct):
    """Keyframe of a depth stream."""

    conn: int
    fresh: bool
    repeats: int
    seen: Seen | None
    joined: Seen | None
    sync: SyncState


class DepthTracker:
    """What the engine keeps of one depth stream: its book sync and what was last seen."""

    __slots__ = (
        "_book",
        "_joined",
        "_last",
        "_last_id",
        "_symbol",
        "_window",
        "conn",
        "fresh",
        "repeats",
        "sync",
        "topic",
    )

    def __init__(self, topic: Topic, outbox: deque[SnapshotRequest]) -> None:
        self.topic = topic
        self.sync = BookSync(topic.symbol, outbox)
        self._book, self._symbol, self._window = self.sync.book, topic.symbol, topic.variant
        self.conn = 0
        self.fresh = True  # no delta on this connection yet
        self._last: Frame | Seen | None = None  # the newest frame that was no repeat..
        self._last_id = 0  # ..and its update id
        self._joined: Seen | None = None  # snapshot that joined since an outage, no delta yet
        self.repeats = 0  # frames ignored, their ids having been seen

    def reset(self) -> None:
        """Back to the beginning."""
        self.sync.reset()
        self.conn = 0
        self.fresh = True
        self._last = None
        self._last_id = 0
        self._joined = None
        self.repeats = 0

    def opened(self, frame: Frame) -> list[Row]:
        """The stream was subscribed on a connection; if on a new one, the old one is over."""
        rows = self.closed(frame) if self.conn != frame.conn else []
        self.conn = frame.conn
        self.sync.opened()
        return rows

    def rows(self, frame: Frame, message: wire.Depth) -> list[Row]:
        """Rows of a depth frame. Raises InexactNumber, after which `unreadable` must follow."""
        # All but one in a million.
        if self.sync.awaits == message.U <= message.u and frame.conn == self.conn:
            rows = self._apply(frame, message)
            self._last, self._last_id = frame, message.u  # after: what cannot be read was not seen
            return rows
        return self._odd_delta(frame, message)

    def unreadable(self, frame: Frame) -> list[Row]:
        """A frame of this stream could not be read: the book cannot be trusted any more."""
        was_live = self.sync.state is State.LIVE
        self.sync.unreadable(frame.ts_mono)
        return [self._clear_row(frame)] if was_live else []

    def closed(self, frame: Frame) -> list[Row]:
        """The connection of this stream ended."""
        was_live = self.sync.state is State.LIVE
        self.sync.closed()
        self.fresh = True
        return [self._clear_row(frame)] if was_live else []

    def snapshot(self, frame: Frame, snapshot: Snapshot) -> list[Row]:
        """A snapshot reply arrived: the whole book in rows if it joined, nothing if not."""
        kept = self.sync.snapshot(snapshot, frame.ts_mono)
        if kept is None:
            return []
        if not kept and not (self._after_outage and snapshot.last >= self._last_id):
            # The stream has to go on from here. (After an outage, its first delta shows the hole.)
            self._last, self._last_id, self.fresh = frame, snapshot.last, False
        elif not kept:
            self._joined = Seen(snapshot.last, frame.seq, frame.ts_recv)
        self._look_out()
        rows: list[Row] = [self._clear_row(frame)]
        for side, levels in (("bid", snapshot.bids), ("ask", snapshot.asks)):
            rows += self._snapshot_rows(frame, snapshot, side, levels)
        for delta in kept:
            rows += self._apply(frame, delta)
        return rows

    def export(self) -> bytes:
        """Keyframe of this stream."""
        return msgspec.json.encode(
            DepthState(
                self.conn, self.fresh, self.repeats, self._seen(), self._joined, self.sync.export()
            )
        )

    def restore(self, frame: Frame, payload: bytes) -> list[Row]:
        """Become what a keyframe says; raises MsgspecError if it cannot be read."""
        saved = msgspec.json.decode(payload, type=DepthState)
        self.conn = saved.conn
        self.fresh = saved.fresh
        self.repeats = saved.repeats
        if saved.seen is not None:
            self._last, self._last_id = saved.seen, saved.seen.id
        self._joined = saved.joined
        self.sync.restore(saved.sync)
        self._look_out()
        last = saved.sync.last_update_id
        return [
            BookKeyframe(
                frame.seq, frame.ts_recv, None, self.topic.symbol,
                side, p, q, last, self.topic.variant,
            )
            for side, levels in (("bid", saved.sync.bids), ("ask", saved.sync.asks))
            for p, q in levels
        ]  # fmt: skip

    def _odd_delta(self, frame: Frame, delta: wire.Depth) -> list[Row]:
        """Anything but the next delta of a live book."""
        if delta.u < delta.U:
            raise InexactNumber(f"update ids run backwards, from {delta.U} to {delta.u}")
        read_levels(delta.b + delta.a)  # what goes into the buffer must be readable later
        rows: list[Row] = []
        if frame.conn != self.conn:  # a new epoch that nobody announced
            rows += self.opened(frame)
        was_live = self.sync.state is State.LIVE
        begins = self.sync.last_id is None  # whatever comes first is taken
        event = self.sync.delta(delta, frame.ts_mono)
        rows += self._missing(frame, delta, event, begins)
        if event is Event.REPEAT:
            self.repeats += 1
        if event is not Event.REPEAT or self.fresh:
            self._last, self._last_id = frame, max(delta.u, self.sync.last_id or 0)
        self.fresh, self._joined = False, None
        if was_live and event is Event.GAP:
            rows.append(self._clear_row(frame))
        if was_live and event is Event.DELTA:
            rows += self._apply(frame, delta)
        return rows

    def _missing(self, frame: Frame, delta: wire.Depth, event: Event, begins: bool) -> list[Row]:
        """A gap row, if the delta shows one: against what came before it or, as the first of its
        connection, against what came before the outage, even if a snapshot has joined since."""
        if self._after_outage and self._missed(delta):
            return [self._gap_row(frame, delta, reconnected=True)]
        if event is Event.GAP or (begins and self._missed(delta)):
            return [self._gap_row(frame, delta, reconnected=False)]
        return []

    @property
    def _after_outage(self) -> bool:
        """Whether the next delta is the first since the stream was interrupted."""
        return self.fresh and self._last is not None

    def _look_out(self) -> None:
        """Keep the first delta of a connection off the fast way: it may show what was missed."""
        if self._after_outage:
            self.sync.awaits = -1

    def _apply(self, frame: Frame, delta: wire.Depth) -> list[Row]:
        """Put a delta into the book and make its rows, in one pass over its levels. If a price
        comes twice, the last wins (section 3.1). A level that cannot be read raises half way
        through, which is as well: it costs the whole book.

        This is the hot path: two loops, rows spelled out and the sync advanced in place take half
        the time of one loop over both sides, unpacked tuples and calls.
        """
        seq, ts_recv, symbol, window = frame.seq, frame.ts_recv, self._symbol, self._window
        ts_event, ts_engine, first, last = delta.E * 1_000, delta.T * 1_000, delta.U, delta.u
        sync, book = self.sync, self._book
        rows: list[Row] = []
        for price, qty in delta.b:
            p, q = PRICES[price], QUANTITIES[qty]
            book.bids.set(p, q)
            row = Depth(
                seq, ts_recv, ts_event, symbol, ts_engine,
                "update", "bid", p, q, first, last, window,
            )  # fmt: skip
            rows.append(row)
        for price, qty in delta.a:
            p, q = PRICES[price], QUANTITIES[qty]
            book.asks.set(p, q)
            row = Depth(
                seq, ts_recv, ts_event, symbol, ts_engine,
                "update", "ask", p, q, first, last, window,
            )  # fmt: skip
            rows.append(row)
        if not rows:  # an empty delta still consumes its ids
            row = Depth(
                seq, ts_recv, ts_event, symbol, ts_engine,
                "update", None, None, None, first, last, window,
            )  # fmt: skip
            rows.append(row)
        book.last_update_id, book.ts_engine, sync.awaits = last, ts_engine, last + 1
        return rows

    def _seen(self) -> Seen | None:
        """What was last seen of the stream, if anything was."""
        last = self._last
        return Seen(self._last_id, last.seq, last.ts_recv) if last else None

    def _missed(self, delta: wire.Depth) -> bool:
        """Whether ids are missing since the connection before."""
        return self._last is not None and self._last_id + 1 < delta.U

    def _gap_row(self, frame: Frame, delta: wire.Depth, reconnected: bool) -> Gap:
        before = self._seen() if reconnected else self._joined or self._seen()
        seen = before or Seen(delta.U - 1, frame.seq, frame.ts_recv)
        hole = Hole(self.topic, delta.E * 1_000, seen, delta.U)
        cause = "ids_backwards" if delta.u <= seen.id else "depth_ids"
        if reconnected:
            cause = "disconnect"
        return gap_row(frame, hole, cause)

    def _snapshot_rows(
        self, frame: Frame, snapshot: Snapshot, side: str, levels: list[PriceQty]
    ) -> list[Row]:
        _, window, symbol = self.topic
        return [
            Depth(
                frame.seq, frame.ts_recv, None, symbol, snapshot.ts_engine,
                "snapshot", side, p, q, None, snapshot.last, window,
            )
            for p, q in levels
        ]  # fmt: skip

    def _clear_row(self, frame: Frame) -> Depth:
        _, window, symbol = self.topic
        return Depth(
            frame.seq, frame.ts_recv, None, symbol, None,
            "clear", None, None, None, None, None, window,
        )  # fmt: skip
