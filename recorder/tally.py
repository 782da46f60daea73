"""Counts frames, rows, gaps and rejects, for the live view and the summary."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from market.engine import Engine
from market.sync_states import State
from recorder.holes import Absence, Holes
from recorder.messages import Level, Message
from recorder.silences import Silences
from recorder.traffic import Traffic
from schemas import wire
from schemas.check_rows import Audit, Clock, Silence
from schemas.frames import Frame, Kind
from schemas.numbers import pretty_price, pretty_qty
from schemas.rows import Depth, Gap, Reject, Row, Session
from schemas.shedding import stream_of
from schemas.topics import Topic

ERROR_REPLY = "error"  # event of such a session row
_NOTES = frozenset((Gap, Audit, Session, Reject, Clock, Silence))


class TopicLine(NamedTuple):
    """One topic as people want to see it. ``last`` is the receive time of its last frame, in ns;
    ``silence`` what it is taken for while it says nothing, empty else."""

    topic: str
    frames: int
    last: int
    state: str
    spread: str
    gaps: int
    silence: str = ""


class Tally:
    """Listens to the intake; ``notice`` hears of what people should know at once.

    mismatches: audits that found a book wrong, per stream. rejects: by reason. traffic: messages by
    channel. events: what happened to the recording, by kind, such as connections opened.
    """

    def __init__(self, engine: Engine, notice: Callable[[str], None]) -> None:
        self._engine = engine
        self._notice = notice
        self.errors = 0
        self._stream = wire.decoder(wire.StreamName).decode
        self.frames = 0
        self.rows: Counter[str] = Counter()
        self.holes = Holes()
        self.mismatches: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.traffic = Traffic()
        self.silences = Silences()
        self._absence = Absence(engine)
        self._last_mono = 0

    def __call__(self, frame: Frame, rows: list[Row]) -> None:
        self.frames += 1
        self._last_mono = frame.ts_mono
        if frame.kind is Kind.DATA:
            self.traffic.see(self._stream_of(frame), frame, rows)
        elif frame.kind is Kind.BINARY:
            self.traffic.see(None, frame, rows)
        for row in rows:
            self.rows[row.TABLE] += 1
        if rows and (_is_notable(rows[0]) or _is_notable(rows[-1])):
            self._look(frame, rows)

    @property
    def gaps(self) -> Counter[str]:
        """Gaps per stream."""
        return self.holes.counts

    @property
    def without_book_ns(self) -> int:
        """For how long books were not live that had been, so far; over all streams."""
        return self._absence.total(self._last_mono)

    def _look(self, frame: Frame, rows: list[Row]) -> None:
        """Rows of a frame of which some are no market data."""
        for row in rows:
            if isinstance(row, Gap):
                self.holes.see(row)
            elif isinstance(row, Audit) and row.levels:
                self.mismatches[row.topic] += 1
                text = _mismatch(row)
                self._notice(Message(text, "audit_mismatch", Level.ERROR, topic=row.topic))
            elif isinstance(row, Session):
                self._see_event(row)
            elif isinstance(row, Reject):
                self.rejects[row.reason] += 1
            elif isinstance(row, Clock):
                self.traffic.compare(row)
            elif isinstance(row, Silence):
                self.silences.see(row)
        self._absence.see(frame, rows)

    def _see_event(self, row: Session) -> None:
        self.events[row.event] += 1
        if row.event == ERROR_REPLY:
            self.errors += 1
            text = f"the venue says: {row.detail}"
            self._notice(Message(text, "error_reply", Level.WARNING))

    def topics(self) -> list[TopicLine]:
        """A line for each stream heard of or waited for, by name."""
        return [self._line(name) for name in sorted({*self.traffic.streams, *self._engine.streams})]

    def last(self, name: str) -> int:
        """When the last message of a stream came, ns; 0 before the first."""
        stream = self.traffic.streams.get(name)
        return 0 if stream is None else stream.last

    def followed(self) -> list[TopicLine]:
        """The same, without streams that were unsubscribed."""
        return [line for line in self.topics() if not self._engine.has_ended(line.topic)]

    def _stream_of(self, frame: Frame) -> str | None:
        if (stream := stream_of(frame.payload)) is not None:
            return stream.name
        try:
            name: str | None = self._stream(frame.payload).stream
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None  # the engine has made a reject row of it
        return name

    def _line(self, name: str) -> TopicLine:
        stream = self.traffic.streams.get(name)
        frames, last = (stream.frames, stream.last) if stream is not None else (0, 0)
        state, spread = self._book(name)
        silence = self.silences.verdict(name)
        return TopicLine(name, frames, last, state, spread, self.gaps[name], silence)

    def _book(self, name: str) -> tuple[str, str]:
        topic = Topic.parse(name)
        if topic.channel != "depth":
            return "", ""
        state = self._engine.book_state(name)
        book = self._engine.book(topic.symbol) if state is State.LIVE else None
        spread = book.spread if book else None
        return state.value, "" if spread is None else pretty_price(spread)


def _is_notable(row: Row) -> bool:
    """Whether a row is no market data. They stand before and behind the rows that are."""
    return row.action != "update" if type(row) is Depth else type(row) in _NOTES


def _mismatch(row: Audit) -> str:
    """The two sides of an audit that found a book wrong."""
    ours = _touch(row.bid_price, row.bid_qty), _touch(row.ask_price, row.ask_qty)
    venue = (
        _touch(row.venue_bid_price, row.venue_bid_qty),
        _touch(row.venue_ask_price, row.venue_ask_qty),
    )
    return (
        f"AUDIT: the book of {row.topic} is not the venue's ({row.source}) at id {row.update_id}:"
        f" {row.levels} levels differ; bid, ask where they do: {', '.join(ours)} here,"
        f" {', '.join(venue)} there"
    )


def _touch(price: int | None, qty: int | None) -> str:
    if price is None:
        return "-"
    return f"{pretty_qty(qty or 0)} at {pretty_price(price)}"
