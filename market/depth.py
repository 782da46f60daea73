"""Depth frames and snapshot replies to rows, through the book sync of their stream."""

import msgspec

from market.book import PriceQty
from market.deltas import Delta, Snapshot, read_delta
from market.gaps import Hole, Seen, gap_row
from market.sync import BookSync, Event, State, SyncState
from schemas import wire
from schemas.frames import Frame
from schemas.requests import SnapshotRequest
from schemas.rows import BookKeyframe, Depth, Gap, Row
from schemas.topics import Topic


class DepthState(msgspec.Struct):
    """Keyframe of a depth stream."""

    conn: int
    seen: Seen | None
    sync: SyncState


class DepthTracker:
    """What the engine keeps of one depth stream: its book sync and what was last seen."""

    __slots__ = ("conn", "seen", "sync", "topic")

    def __init__(self, topic: Topic, outbox: list[SnapshotRequest]) -> None:
        self.topic = topic
        self.sync = BookSync(topic.symbol, outbox)
        self.conn = 0
        self.seen: Seen | None = None

    def reset(self) -> None:
        """Back to the beginning."""
        self.sync.reset()
        self.conn = 0
        self.seen = None

    def opened(self, conn: int) -> None:
        """The stream was subscribed on a connection."""
        if self.conn != conn:
            self.sync.closed()
        self.conn = conn
        self.sync.opened()

    def rows(self, frame: Frame, message: wire.Depth) -> list[Row]:
        """Rows of a depth frame; raises InexactNumber before anything has changed."""
        delta = read_delta(message)
        sync = self.sync
        if sync.follows(delta) and frame.conn == self.conn:
            sync.apply(delta)
            self.seen = Seen(delta.last, frame.seq, frame.ts_recv)
            return self._update_rows(frame, delta)
        return self._odd_delta(frame, delta)

    def unreadable(self, frame: Frame) -> list[Row]:
        """A frame of this stream could not be read: the book cannot be trusted any more."""
        was_live = self.sync.state is State.LIVE
        self.sync.unreadable(frame.ts_mono)
        return [self._clear_row(frame)] if was_live else []

    def closed(self, frame: Frame) -> list[Row]:
        """The connection of this stream ended."""
        was_live = self.sync.state is State.LIVE
        self.sync.closed()
        return [self._clear_row(frame)] if was_live else []

    def snapshot(self, frame: Frame, snapshot: Snapshot) -> list[Row]:
        """A snapshot reply arrived: the whole book in rows if it joined, nothing if not."""
        kept = self.sync.snapshot(snapshot, frame.ts_mono)
        if kept is None:
            return []
        rows: list[Row] = [self._clear_row(frame)]
        for side, levels in (("bid", snapshot.bids), ("ask", snapshot.asks)):
            rows += self._snapshot_rows(frame, snapshot, side, levels)
        for delta in kept:
            rows += self._update_rows(frame, delta)
        return rows

    def export(self) -> bytes:
        """Keyframe of this stream."""
        return msgspec.json.encode(DepthState(self.conn, self.seen, self.sync.export()))

    def restore(self, frame: Frame, payload: bytes) -> list[Row]:
        """Become what a keyframe says; raises MsgspecError if it cannot be read."""
        saved = msgspec.json.decode(payload, type=DepthState)
        self.conn = saved.conn
        self.seen = saved.seen
        self.sync.restore(saved.sync)
        last = saved.sync.last_update_id
        return [
            BookKeyframe(
                frame.seq, frame.ts_recv, None, self.topic.symbol,
                side, p, q, last, self.topic.variant,
            )
            for side, levels in (("bid", saved.sync.bids), ("ask", saved.sync.asks))
            for p, q in levels
        ]  # fmt: skip

    def _odd_delta(self, frame: Frame, delta: Delta) -> list[Row]:
        """Anything but the next delta of a live book."""
        rows: list[Row] = []
        if frame.conn != self.conn:  # a new epoch that nobody announced
            rows += self.closed(frame)
            self.opened(frame.conn)
        was_live = self.sync.state is State.LIVE
        epoch_begins = self.sync.last_id is None
        event = self.sync.delta(delta, frame.ts_mono)
        if event is Event.REPEAT:
            return rows
        if event is Event.GAP or (epoch_begins and self._missed(delta)):
            rows.append(self._gap_row(frame, delta, "disconnect" if epoch_begins else None))
        if was_live and event is Event.GAP:
            rows.append(self._clear_row(frame))
        if was_live and event is Event.DELTA:
            rows += self._update_rows(frame, delta)
        self.seen = Seen(delta.last, frame.seq, frame.ts_recv)
        return rows

    def _missed(self, delta: Delta) -> bool:
        """Whether ids are missing since the connection before."""
        return self.seen is not None and delta.first > self.seen.id + 1

    def _gap_row(self, frame: Frame, delta: Delta, cause: str | None) -> Gap:
        seen = self.seen or Seen(delta.first - 1, frame.seq, frame.ts_recv)
        hole = Hole(self.topic, delta.ts_event, seen, delta.first)
        return gap_row(
            frame, hole, cause or ("ids_backwards" if delta.last <= seen.id else "depth_ids")
        )

    def _update_rows(self, frame: Frame, delta: Delta) -> list[Row]:
        seq, ts_recv = frame.seq, frame.ts_recv
        ts_event, ts_engine = delta.ts_event, delta.ts_engine
        _, window, symbol = self.topic
        first, last = delta.first, delta.last
        rows: list[Row] = []
        # Spelled out, as unpacking tuples into the row costs as much again as the row itself.
        for side, levels in (("bid", delta.bids), ("ask", delta.asks)):
            for p, q in levels:
                rows.append(
                    Depth(
                        seq, ts_recv, ts_event, symbol, ts_engine,
                        "update", side, p, q, first, last, window,
                    )
                )  # fmt: skip
        if not rows:  # an empty delta still consumes its ids
            row = Depth(
                seq, ts_recv, ts_event, symbol, ts_engine,
                "update", None, None, None, first, last, window,
            )  # fmt: skip
            rows.append(row)
        return rows

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
