"""Counts of what came in, for the live view and the summary."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from market.engine import Engine
from market.sync_states import State
from recorder.holes import Absence, Holes
from schemas import wire
from schemas.frames import Frame, Kind
from schemas.numbers import pretty_price, pretty_qty
from schemas.rows import Audit, Depth, Gap, Row, Session
from schemas.topics import Topic

TOPIC_LIMIT = 20_000
ERROR_REPLY = "error"  # event of such a session row
_NOTES = (Gap, Audit, Session)


class TopicCount(msgspec.Struct, gc=False):
    """Frames of a topic so far, and when the last came, in ns."""

    frames: int = 0
    last: int = 0


class TopicLine(NamedTuple):
    """One topic as people want to see it. ``last`` is the receive time of its last frame, in ns."""

    topic: str
    frames: int
    last: int
    state: str
    spread: str
    gaps: int


class Tally:
    """Listens to the intake; ``notice`` hears of what people should know at once.

    mismatches: audits that found a book wrong, per stream.
    """

    def __init__(self, engine: Engine, notice: Callable[[str], None]) -> None:
        self._engine = engine
        self._notice = notice
        self.errors = 0
        self._stream = wire.decoder(wire.StreamName).decode
        self._topics: dict[str, TopicCount] = {}
        self.frames = 0
        self.rows: Counter[str] = Counter()
        self.holes = Holes()
        self.mismatches: Counter[str] = Counter()
        self._absence = Absence(engine)
        self._last_mono = 0

    def __call__(self, frame: Frame, rows: list[Row]) -> None:
        self.frames += 1
        self._last_mono = frame.ts_mono
        if frame.kind is Kind.DATA:
            self._count(frame)
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
                self._notice(_mismatch(row))
            elif isinstance(row, Session) and row.event == ERROR_REPLY:
                self.errors += 1
                self._notice(f"the venue says: {row.detail}")
        self._absence.see(frame, rows)

    def topics(self) -> list[TopicLine]:
        """A line for each stream heard of or waited for, by name."""
        names = sorted({*self._topics, *self._engine.streams})
        return [self._line(name, self._topics.get(name) or TopicCount()) for name in names]

    def followed(self) -> list[TopicLine]:
        """The same, without streams that were unsubscribed."""
        return [line for line in self.topics() if not self._engine.has_ended(line.topic)]

    def _count(self, frame: Frame) -> None:
        try:
            name = self._stream(frame.payload).stream
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return  # the engine has made a reject row of it
        if name is None:
            return
        count = self._topics.get(name)
        if count is None and len(self._topics) < TOPIC_LIMIT:
            count = self._topics[name] = TopicCount()
        if count is not None:
            count.frames += 1
            count.last = frame.ts_recv

    def _line(self, name: str, count: TopicCount) -> TopicLine:
        state, spread = self._book(name)
        return TopicLine(name, count.frames, count.last, state, spread, self.gaps[name])

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
