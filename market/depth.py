"""Depth frames and snapshot replies to rows, through the book sync of their stream."""

from collections import deque

import msgspec

from market.audit import REST, Finding, audit_row
from market.audits import Audits, AuditState
from market.deltas import Snapshot, read_levels
from market.depth_rows import apply_delta, clear_row, keyframe_rows, snapshot_rows
from market.gaps import LOSS, Ending, Hole, Outage, Place, Seen, gap_row, shed_cause, shed_state
from market.heard import Heard
from market.held import Held, Span, Waiting
from market.sync import BookSync, SyncState
from market.sync_states import Event, State
from schemas import wire
from schemas.columns import Count
from schemas.errors import InexactNumber
from schemas.frames import Frame
from schemas.requests import Request
from schemas.rows import BookTicker, Row
from schemas.topics import Topic


class DepthState(msgspec.Struct):
    """Keyframe of a depth stream. What has a default is not in those of format 1."""

    conn: Count
    fresh: bool
    repeats: Count
    seen: Seen | None
    joined: Seen | None
    sync: SyncState
    shed: bool | str = False
    outage: Hole | None = None
    audits: AuditState = msgspec.field(default_factory=AuditState)
    held: list[Held[wire.Depth]] | msgspec.UnsetType = msgspec.UNSET


class DepthTracker:
    """What the engine keeps of one depth stream: its book sync, what was last seen, its audits.

    held: deltas that wait, see `market.ordered`.
    """

    __slots__ = (
        "_heard", "_outage", "audits", "conn", "held", "repeats", "sync", "topic",
    )  # fmt: skip

    def __init__(self, topic: Topic, outbox: deque[Request]) -> None:
        self.topic = topic
        self.sync = BookSync(topic.symbol, outbox)
        self.audits = Audits(self.sync.book, self.sync.ask)
        self._heard = Heard()
        self._outage = Outage()
        self.held: Waiting[wire.Depth] = Waiting()
        self.conn = 0
        self.repeats = 0  # frames ignored, their ids having been seen

    def reset(self) -> None:
        """Back to the beginning."""
        self.sync.reset()
        self.audits.restore(AuditState())
        self._heard.reset()
        self._outage.hole = None
        self.held.load(msgspec.UNSET)
        self.conn = self.repeats = 0

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
            rows = apply_delta(frame, self.topic, message, self.sync)
            heard = self._heard
            heard.frame, heard.delta = frame, message  # after: what cannot be read was not seen
            touches = self.audits.touches
            if touches is not None:
                row, last = rows[0], message.u
                if last != message.U:
                    touches.since = last
                if (
                    last >= touches.next
                    or len(rows) > 1
                    or row.price is None
                    or (row.price >= touches.bid if row.side == "bid" else row.price <= touches.ask)
                ):
                    rows += self._touched(frame, message)
            return rows
        return self._odd_delta(frame, message)

    @property
    def last_id(self) -> int | None:
        """What the next delta is to follow; None where any may be the first."""
        return self._heard.last_id

    @staticmethod
    def span(message: wire.Depth) -> Span:
        """First and last id of a delta."""
        return message.U, message.u

    @staticmethod
    def check(message: wire.Depth) -> None:
        """Raises InexactNumber where `rows` would."""
        if message.u < message.U:
            raise InexactNumber(f"update ids run backwards, from {message.U} to {message.u}")
        read_levels(message.b + message.a)

    def moved(self, conn: int) -> None:
        """The stream goes on on another connection."""
        self.conn = conn
        self.sync.spliced()

    def spliced(self, frame: Frame, message: wire.Depth) -> list[Row]:
        """Rows of a delta of another connection than the one before."""
        self.moved(frame.conn)
        return self.rows(frame, message)

    def quoted(self, frame: Frame, row: BookTicker) -> list[Row]:
        """A bookTicker of this market."""
        found = self.audits.quoted(row, frame.ts_mono, self.sync.state is State.LIVE)
        return self._found(Place(frame, self.topic, row.ts_event), found) if found else []

    def unreadable(self, frame: Frame) -> list[Row]:
        """A frame of this stream could not be read: the book cannot be trusted any more."""
        rows: list[Row] = []
        if self.sync.state is State.LIVE:
            since = self._heard.known or Seen.at(frame)
            hole = Hole("unreadable", since, since.id + 1)
            rows.append(self._outage.show(Place(frame, self.topic), hole))
        rows += self._ended(frame)
        self.sync.doubted(frame.ts_mono)
        return rows

    def closed(self, frame: Frame) -> list[Row]:
        """The connection of this stream ended."""
        rows = self._ended(frame)
        self.sync.closed()
        self._heard.fresh = True
        return rows

    def unsubscribed(self, frame: Frame) -> list[Row]:
        """Nobody asks for the stream any more. What is missing ends here, and is not looked for
        from the ids of before when it is subscribed again."""
        rows: list[Row] = [
            *self._outage.end(Place(frame, self.topic), Ending("unsubscribed", Seen.at(frame)))
        ]
        rows += self._ended(frame)
        self.sync.closed()
        self._heard.reset()
        self.conn = 0
        return rows

    def shed(self, frame: Frame, cause: str = LOSS) -> list[Row]:
        """Frames that arrived are not on the tape, or made no rows, of this stream perhaps."""
        rows = self._ended(frame)
        self.sync.shed(frame.ts_mono)
        self._heard.fresh, self._heard.shed = True, cause
        return rows

    def muted(self, frame: Frame) -> list[Row]:
        """What comes of this stream from here on is skipped, until `shed`."""
        rows = self._ended(frame)
        self.sync.muted()
        return rows

    def requested(self) -> None:
        """A snapshot is asked for. If the book is live, it is to be compared with it."""
        if self.sync.state is State.LIVE:
            self.audits.asked(self.sync.in_flight)
            self._aim()
        self.sync.requested()

    def failed(self, frame: Frame, patience_ns: int = 0) -> None:
        """The request failed, or its reply cannot be read."""
        self.sync.failed(patience_ns)
        self.audits.answered(None, frame.ts_mono)
        self._aim()

    def snapshot(self, frame: Frame, snapshot: Snapshot) -> list[Row]:
        """A snapshot reply arrived: the whole book in rows if it joined, what a comparison came to
        if the book was live, or nothing."""
        was_live = self.sync.state is State.LIVE
        kept = self.sync.snapshot(snapshot, frame.ts_mono, self._heard.newest)
        if was_live:
            rows = self._found(
                Place(frame, self.topic), self.audits.answered(snapshot, frame.ts_mono)
            )
            self._aim()
            return rows
        return [] if kept is None else self._join(frame, snapshot, kept)

    def export(self) -> bytes:
        """Keyframe of this stream."""
        heard = self._heard
        return msgspec.json.encode(
            DepthState(
                self.conn, heard.fresh, self.repeats, heard.newest, heard.joined,
                self.sync.export(), shed_state(heard.shed), self._outage.hole,
                self.audits.export(), self.held.export(),
            )
        )  # fmt: skip

    def restore(self, frame: Frame, payload: bytes) -> list[Row]:
        """Become what a keyframe says; raises MsgspecError or InexactNumber if it cannot be."""
        saved, heard = msgspec.json.decode(payload, type=DepthState), self._heard
        for delta in (*saved.sync.buffer, *(one.message for one in saved.held or ())):
            self.check(delta)
        self.conn, self.repeats = saved.conn, saved.repeats
        heard.frame, heard.delta, heard.joined = saved.seen, None, saved.joined
        heard.fresh, heard.shed = saved.fresh, shed_cause(saved.shed)
        self._outage.hole = saved.outage
        self.held.load(saved.held)
        self.sync.restore(saved.sync)
        self.audits.restore(saved.audits)
        self._aim()
        return keyframe_rows(frame, self.topic, saved.sync)

    def _join(self, frame: Frame, snapshot: Snapshot, kept: list[wire.Depth]) -> list[Row]:
        until = Seen.at(frame, snapshot.last, snapshot.ts_engine)
        self._heard.join(until, kept)
        self._aim()
        rows: list[Row] = [clear_row(frame, self.topic)]
        rows += snapshot_rows(frame, self.topic, snapshot)
        for delta in kept:
            rows += apply_delta(frame, self.topic, delta, self.sync)
        self.audits.joined(snapshot)
        ending = Ending("resynced", until, snapshot.last)
        return [*self._outage.end(Place(frame, self.topic), ending), *rows]

    def _odd_delta(self, frame: Frame, delta: wire.Depth) -> list[Row]:
        """Anything but the next delta of a live book."""
        self.check(delta)  # what goes into the buffer must be readable later
        rows: list[Row] = []
        if frame.conn != self.conn:  # a new epoch that nobody announced
            rows += self.opened(frame)
        was_live = self.sync.state is State.LIVE
        event = self.sync.delta(delta, frame.ts_mono)
        rows += self._missing(frame, delta, self._heard.hole(delta, event, was_live), event)
        self._heard.see(frame, delta)
        if event is Event.REPEAT:
            self.repeats += 1
        if was_live and event is Event.GAP:
            self._lose()
            rows.append(clear_row(frame, self.topic))
        if was_live and event is Event.DELTA:
            rows += apply_delta(frame, self.topic, delta, self.sync)
            rows += self._touched(frame, delta)
            place = Place(frame, self.topic, delta.E * 1_000)
            rows += self._found(place, self.audits.followed(delta, frame.ts_mono))
        self._aim()
        return rows

    def _missing(
        self, frame: Frame, delta: wire.Depth, hole: Hole | None, event: Event
    ) -> list[Row]:
        """The row of a hole that a delta shows. If a snapshot has joined since and the book goes
        on, that has made up for it."""
        if hole is None:
            return []
        place, joined = Place(frame, self.topic, delta.E * 1_000), self._heard.joined
        if joined is None or event is Event.GAP:
            return [self._outage.show(place, hole)]
        return [gap_row(place, hole, Ending("resynced", joined, joined.id))]

    def _touched(self, frame: Frame, delta: wire.Depth) -> list[Row]:
        """The touch of the book may have moved, or bookTickers may have waited for its id."""
        found = self.audits.moved(delta)
        return self._found(Place(frame, self.topic, delta.E * 1_000), found) if found else []

    def _found(self, place: Place, findings: list[Finding]) -> list[Row]:
        """Rows of comparisons. The first that differs costs the book."""
        rows: list[Row] = []
        for finding in findings:
            differs = finding.difference.levels > 0
            if differs or finding.source == REST:
                rows.append(audit_row(place, finding))
            if differs:
                since = self._heard.known or Seen.at(place.frame)
                rows.append(self._outage.show(place, Hole("audit", since)))
                rows += self._ended(place.frame)
                self.sync.doubted(place.frame.ts_mono)
                break
        return rows

    def _ended(self, frame: Frame) -> list[Row]:
        """The book, if it is live, is about to be lost."""
        self._lose()
        return [clear_row(frame, self.topic)] if self.sync.state is State.LIVE else []

    def _lose(self) -> None:
        self.audits.clear()
        self._heard.joined = None

    def _aim(self) -> None:
        """Keep off the fast way what is to be looked at: deltas up to the first beyond a snapshot,
        which may show what was missed, and those during a comparison with a snapshot."""
        watch = self._heard.joined is not None or self.audits.rest is not None
        self.sync.aim(watch)
