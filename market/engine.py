"""Frames in, rows out. The same object and the same call live, in replay and in sealing."""

from collections import Counter, deque
from collections.abc import Callable, Iterator

import msgspec

from market.answers import Answers
from market.book import Book
from market.books import Books
from market.connections import Connections, read_loss
from market.control import UNREADABLE, event_name
from market.depth import DepthTracker
from market.gaps import Seen
from market.lanes import ANYWHERE, Lane, Lanes
from market.load import Load
from market.markets import Markets
from market.notes import NOTES, note_rows, reject_row, session_row
from market.state import Channels, State
from market.sync_states import State as BookState
from market.unknown import Unknown
from market.weave import Weave
from schemas import wire
from schemas.digest import state_digest
from schemas.errors import InexactNumber
from schemas.frames import Frame, Kind
from schemas.nesting import SHORT, too_deep
from schemas.requests import Request, is_market_list, subscribed
from schemas.rows import Row
from schemas.topics import Topic

OUTBOX_LIMIT = 10_000
_DATA = Kind.DATA


class Engine:
    """Makes rows of frames and keeps the order books (design section 2).

    ``feed`` never raises for what a venue sent: what cannot be read becomes a reject row.
    state: what else it keeps of the streams, for queries.
    unknown: frames of unknown streams and events, by name; they are kept raw on the tape.
    late: frames of streams that were unsubscribed, by stream; they make no rows.
    load: what is shed, for want of time.
    """

    def __init__(self) -> None:
        self.unknown = Unknown()
        self.late: Counter[str] = Counter()
        # Bounded, as sealing and replay never take from it.
        self._outbox: deque[Request] = deque(maxlen=OUTBOX_LIMIT)
        self._lanes = Lanes(self._outbox, self._came_late)
        self._connections = Connections()
        self._weave = Weave(self._lanes, self._connections)
        self.load = Load(self._lanes, self._weave.released)
        self._books = Books(self._lanes, self._weave, self.load)
        self.state = State(lambda: self.channels)
        self._markets = Markets()
        answers = Answers(self._lanes, self._books, self._markets)
        self._heard: Frame | Seen | None = None  # the newest frame that a connection brought
        self._noted: Frame | None = None  # the newest of all others
        self._envelope = wire.decoder(wire.Envelope).decode
        self._control: dict[Kind, Callable[[Frame], list[Row]]] = {
            Kind.SEGMENT: self._segment,
            Kind.KEYFRAME: self._keyframe,
            Kind.OPEN: self._open,
            Kind.CLOSE: self._close,
            Kind.SENT: self._sent,
            Kind.BINARY: self._binary,
            Kind.REQUEST: answers.requested,
            Kind.REPLY: answers.replied,
            Kind.FAILED: answers.failed,
            Kind.LOSS: self._loss,
            Kind.LOAD: self.load.turned,
            **dict.fromkeys(NOTES, note_rows),
        }

    def feed(self, frame: Frame) -> list[Row]:
        """The rows a frame makes, in order; none for a frame that says nothing new."""
        try:
            if frame.kind is not _DATA:
                rows = [*self._weave.overdue(frame), *self._control[frame.kind](frame)]
                self._noted = frame
                return rows
            self._heard = frame
            if self.load.level and self.load.skips(frame.payload):
                return []
            if len(frame.payload) > SHORT and too_deep(frame.payload):
                return [reject_row(frame, None, "not_json", "nested too deep")]
            envelope = self._envelope(frame.payload)
            lane = self._lanes[envelope.stream]
            if lane is None:
                return self._unknown(frame, envelope)
            message = lane.decode(envelope.data)
            if message.s != lane.symbol and message.s and lane.symbol:
                return self._misnamed(frame, lane, message.s)
            return lane.handle(frame, message)
        except UNREADABLE as error:
            return self._unreadable(frame, error)
        except Exception as error:  # a fault of ours may cost rows, never frames: see the reject
            reject = reject_row(frame, None, "internal", f"{type(error).__name__}: {error}")
            return [*self._half_done(frame), reject]

    def heard(self, frame: Frame) -> None:
        """A DATA frame that is not fed, as nobody asked for its stream, was heard all the same."""
        self._heard = frame

    def take_requests(self) -> list[Request]:
        """What the engine has asked for since the last call. Replay drops it."""
        if not self._outbox:
            return []
        requests = list(self._outbox)
        self._outbox.clear()
        return requests

    def book(self, symbol: str) -> Book | None:
        """The live book of a market, real time before throttled; None while none is live."""
        return self._books.live(symbol)

    def book_state(self, topic: str) -> BookState:
        """Where the book of a depth stream stands."""
        return self._books.state(topic)

    @property
    def repeats(self) -> int:
        """Depth and trade frames of the segment that were ignored, their ids having been seen."""
        return sum(lane.tracker.repeats for lane in self._known())

    @property
    def audited(self) -> int:
        """Comparisons of books with bookTickers and REST snapshots, of the whole session."""
        return sum(tracker.audits.audited for tracker in self._books.trackers())

    @property
    def unaudited(self) -> int:
        """REST snapshots asked for to compare a live book with that came to no comparison: failed,
        older than the book, too far ahead of it, or the book was lost meanwhile."""
        return sum(tracker.audits.unaudited for tracker in self._books.trackers())

    @property
    def held(self) -> int:
        """Bytes, about, of messages that wait for what belongs before them."""
        return self._weave.held

    @property
    def streams(self) -> list[str]:
        """Names of the streams heard of or waited for, but for those that were unsubscribed."""
        return [lane.name for lane in self._known() if lane.name not in self._lanes.ended]

    def has_ended(self, topic: str) -> bool:
        """Whether a stream was unsubscribed, and nobody has heard of it since."""
        return topic in self._lanes.ended

    @property
    def channels(self) -> Channels:
        """The same by channel and name, with all that is kept of them."""
        return self._lanes.channels

    def keyframes(self) -> Iterator[tuple[str, bytes]]:
        """Stream name and state of everything remembered, for the head of the next segment. A list
        of markets has its path for a name, what is about neither has none."""
        noted = self._lanes.ended, self.load.export()
        state = self._connections.export(self._heard, *noted)
        if state:
            yield "", state
        yield from self._lanes.keyframes()
        yield from self._markets.export()

    def digest(self) -> str:
        """Of all that is remembered, see `schemas.digest.state_digest`."""
        return state_digest(self.keyframes())

    def _known(self) -> Iterator[Lane]:
        return (lane for lane in self._lanes.values() if lane is not None)

    def _unknown(self, frame: Frame, envelope: wire.Envelope) -> list[Row]:
        """No stream of ours: an error reply, or something the venue has added."""
        if envelope.stream is not None:
            self.unknown.see(Topic.parse(envelope.stream).channel)
            return []
        if envelope.error:
            return [session_row(frame, "error")]
        return [reject_row(frame, None, "no_stream", "neither a stream nor an error")]

    def _misnamed(self, frame: Frame, lane: Lane, symbol: str) -> list[Row]:
        """The event is about another market than its stream."""
        detail = f"symbol {symbol[:64]!r} on stream {lane.name!r}"
        return [*self._lost(frame, lane), reject_row(frame, lane.topic, "bad_field", detail)]

    def _unreadable(self, frame: Frame, error: Exception) -> list[Row]:
        """A frame that cannot be made into rows. Only here is it taken apart a second time."""
        try:
            envelope = self._envelope(frame.payload)
        except UNREADABLE as refused:
            reason = "bad_field" if isinstance(refused, msgspec.ValidationError) else "not_json"
            return [reject_row(frame, None, reason, str(error))]
        lane = self._lanes[envelope.stream]
        if lane is None:
            return [reject_row(frame, None, "bad_field", str(error))]
        event = event_name(envelope)
        if event and event not in lane.events:
            self.unknown.see(lane.topic.channel, event)
            return []
        reason = "inexact" if isinstance(error, InexactNumber) else "bad_field"
        return [*self._lost(frame, lane), reject_row(frame, lane.topic, reason, str(error))]

    def _half_done(self, frame: Frame) -> list[Row]:
        """After a fault of ours: a book that the frame was changing cannot be trusted."""
        if frame.kind is _DATA:
            return self._lost(frame, self._lanes[self._envelope(frame.payload).stream])
        return [row for book in self._books.of(frame.topic) for row in book.unreadable(frame)]

    def _lost(self, frame: Frame, lane: Lane | None) -> list[Row]:
        """A depth frame was not applied: its book is not the venue's any more."""
        if lane is not None and isinstance(lane.tracker, DepthTracker):
            return lane.tracker.unreadable(frame)
        return []

    def _segment(self, frame: Frame) -> list[Row]:
        """A segment begins: whatever it needs of the past comes as keyframes."""
        for lane in list(self._known()):
            if isinstance(lane.tracker, DepthTracker):  # somebody may hold its book
                lane.tracker.reset()
            else:  # a fresh engine has not heard of it either, and its lanes are counted
                del self._lanes[lane.name]
        self.unknown.clear()
        self.late.clear()
        self._outbox.clear()
        self._lanes.restore({})
        self._weave.reset()
        self.load.restore(msgspec.UNSET)
        self._markets.reset()
        self._heard = None
        return [session_row(frame)]

    def _keyframe(self, frame: Frame) -> list[Row]:
        if not frame.topic or is_market_list(frame.topic):
            return self._restore(frame)
        lane = self._lanes[frame.topic]
        topic = lane.topic if lane else None
        if lane is None:
            return [reject_row(frame, topic, "bad_field", f"keyframe of {frame.topic[:64]!r}")]
        try:
            rows = lane.tracker.restore(frame, frame.payload)
            self._weave.restored(lane)
            return rows
        except UNREADABLE as error:
            return [reject_row(frame, topic, "bad_field", str(error))]

    def _restore(self, frame: Frame) -> list[Row]:
        """What is about no stream."""
        try:
            if frame.topic:
                self._markets.restore(frame.topic, frame.payload)
            else:
                saved = self._weave.restore(frame.payload)
                self._heard = saved.heard
                self.load.restore(saved.load)
        except UNREADABLE as error:
            return [reject_row(frame, None, "bad_field", str(error))]
        return []

    def _open(self, frame: Frame) -> list[Row]:
        self._heard = frame
        return [session_row(frame), *self._weave.opened(frame)]

    def _loss(self, frame: Frame) -> list[Row]:
        """Frames are missing, so no book can be trusted; whatever it is that they say."""
        result: list[Row] = [session_row(frame)]
        lost = None
        known = [before for before in (self._heard, self._noted) if before is not None]
        before = max(known, key=lambda seen: seen.seq, default=frame)
        try:
            lost = read_loss(frame.payload)
        except UNREADABLE as error:
            result.append(reject_row(frame, None, "bad_field", str(error)))
        result += self._connections.lost(frame, before, lost)
        result += self._weave.release(frame)
        if not self._connections.open:
            self._lanes.lost(self._connections.wary)
        for lane in self._known():
            result += lane.tracker.shed(frame)
        return result

    def _close(self, frame: Frame) -> list[Row]:
        rows = self._books.closed(frame)
        return [session_row(frame), *self._weave.closed(frame, self._heard), *rows]

    def _sent(self, frame: Frame) -> list[Row]:
        for name in subscribed(frame.payload):
            self._lanes.begin(name)
        rows = [session_row(frame), *self._books.subscribed(frame)]
        return rows + self._books.unsubscribed(frame)

    def _came_late(self, lane: Lane, frame: Frame, message: object) -> list[Row]:
        """A frame of a stream that has ended; on another connection it is one nobody announced."""
        del message
        conns = self._lanes.ended[lane.name]
        if frame.conn in conns:
            self.late[lane.name] += 1
            return []
        self._lanes.begin(lane.name)
        again = self._connections.heard_again(frame, lane.topic) if ANYWHERE in conns else []
        return [*again, *self.feed(frame)]

    def _binary(self, frame: Frame) -> list[Row]:
        self._heard = frame
        detail = f"binary message of {len(frame.payload)} bytes"
        return [reject_row(frame, None, "binary", detail)]
