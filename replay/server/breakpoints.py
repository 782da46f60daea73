"""Where the replay is to stop by itself: at a gap, a crossed or wide book, a large trade.

Conditions: ``gap``, ``crossed``, ``spread>0.05``, ``trade>250``; each of one market or of all.
"""

import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from market.book import Book
from market.control import UNREADABLE
from schemas import wire
from schemas.errors import InexactNumber, UsageError
from schemas.frames import Frame, Kind
from schemas.numbers import PRICES, QUANTITIES, pretty_price, pretty_qty, price, qty
from schemas.rows import Gap
from schemas.topics import Topic
from tape.history import BookAt, Mark

_FORM = re.compile(r"(gap|crossed)|(spread|trade)\s*>\s*([0-9.]+)", re.ASCII)
MOST = 100  # conditions at the same time
_FORMS = "gap, crossed, spread>0.05 or trade>250"

_Event = TypeVar("_Event", bound=wire.Event)
BookOf = Callable[[str, Mark], BookAt | None]


class Hit(NamedTuple):
    """Why the replay stopped."""

    condition: str
    symbol: str
    detail: str


class Condition(NamedTuple):
    """kind: ``gap``, ``crossed``, ``spread`` or ``trade``. limit: price or quantity, scaled.

    symbol: of one market; empty: any.
    """

    text: str
    kind: str
    limit: int
    symbol: str

    @classmethod
    def parse(cls, text: str, symbol: str = "") -> "Condition":
        """Raises UsageError that says what there is."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise UsageError(f"no condition {text!r}: give {_FORMS}")
        kind, number = match[1] or match[2], match[3]
        try:
            limit = 0 if number is None else (price if kind == "spread" else qty)(number)
        except InexactNumber as error:
            raise UsageError(f"condition {text!r}: {error}") from None
        return cls(text.strip(), kind, limit, symbol)

    @property
    def channel(self) -> str:
        """The streams that it looks at; empty: none, it looks at rows of gaps."""
        return {"gap": "", "trade": "trade"}.get(self.kind, "depth")

    def concerns(self, topic: Topic) -> bool:
        """Whether it looks at a stream."""
        return (
            topic.channel == self.channel
            and not topic.variant
            and self.symbol in ("", topic.symbol)
        )


class TradeWatch:
    """Sees the trades of a market."""

    def __init__(self, condition: Condition, symbol: str) -> None:
        self._condition = condition
        self._symbol = symbol
        self._decode = _data_of(wire.Trade)

    def take(self, payload: bytes, mark: Mark) -> Hit | None:
        """A frame of the stream; whether it is what is waited for."""
        del mark
        try:
            message = self._decode(payload)
            size = QUANTITIES[message.q]
        except UNREADABLE:
            return None
        if size <= self._condition.limit:
            return None
        detail = f"{pretty_qty(size)} at {message.p}"
        return Hit(self._condition.text, self._symbol, detail)


class BookWatch:
    """Keeps the book of a market. It begins with what the recording says it was at some position,
    and again whenever ids do not chain. It hits when the condition becomes true, not while it
    stays so."""

    def __init__(self, condition: Condition, symbol: str, book_of: BookOf) -> None:
        self._condition = condition
        self._symbol = symbol
        self._book_of = book_of
        self._book: Book | None = None
        self._held = False
        self._decode = _data_of(wire.Depth)

    def take(self, payload: bytes, mark: Mark) -> Hit | None:
        """A frame of the stream; whether it made the condition true."""
        try:
            message = self._decode(payload)
            book = self._next(message, mark)
        except UNREADABLE:
            self._book = None
            return None
        if book is None:
            return None
        detail = self._met(book)
        hit = bool(detail) and not self._held
        self._held = bool(detail)
        return Hit(self._condition.text, self._symbol, detail) if hit else None

    def _next(self, message: wire.Depth, mark: Mark) -> Book | None:
        book = self._book
        if book is None or book.last_update_id + 1 != message.U:
            self._book = book = self._begin(mark)
            return book
        for side, levels in ((book.bids, message.b), (book.asks, message.a)):
            for level, size in levels:
                side.set(PRICES[level], QUANTITIES[size])
        book.last_update_id = message.u
        return book

    def _begin(self, mark: Mark) -> Book | None:
        """The book after the frame at a position."""
        at = self._book_of(self._symbol, mark)
        if at is None:
            return None
        book = Book()
        book.bids.load(at.bids)
        book.asks.load(at.asks)
        book.last_update_id = at.update_id
        return book

    def _met(self, book: Book) -> str:
        """How the book meets the condition; empty: it does not."""
        bid, ask = book.best_bid, book.best_ask
        if bid is None or ask is None:
            return ""
        spread = ask.price - bid.price
        met = spread <= 0 if self._condition.kind == "crossed" else spread > self._condition.limit
        return f"{pretty_price(bid.price)} bid, {pretty_price(ask.price)} ask" if met else ""


Watch = TradeWatch | BookWatch


def watch(condition: Condition, topic: Topic, book_of: BookOf) -> Watch:
    """What looks at a stream for a condition that concerns it."""
    if condition.kind == "trade":
        return TradeWatch(condition, topic.symbol)
    return BookWatch(condition, topic.symbol, book_of)


class Breakpoints:
    """All conditions at which the replay is to stop, and what looks out for them.

    conditions: in the order in which they were added.
    """

    def __init__(self, book_of: BookOf, gaps_in: Callable[[int], dict[int, Gap]]) -> None:
        self.conditions: list[Condition] = []
        self._book_of = book_of
        self._gaps_in = gaps_in
        self._watches: dict[str, list[Watch]] = {}  # by topic, each made when it first passes
        self._gaps: tuple[int, dict[int, Gap]] = (-1, {})  # of one segment, by frame

    def arm(self, condition: Condition) -> None:
        """Stop where this becomes true. Raises UsageError where there are too many."""
        if len(self.conditions) >= MOST:
            raise UsageError(f"there are {MOST} breakpoints already: clear them first")
        self.conditions.append(condition)
        self.restart()

    def disarm(self) -> None:
        """Stop nowhere."""
        self.conditions.clear()
        self.restart()

    def restart(self) -> None:
        """The replay is elsewhere: books are not what they were."""
        self._watches.clear()

    def passed(self, topic: str | None, frame: Frame, segment: int) -> Hit | None:
        """A frame of any kind; why to stop behind it, if at all."""
        if not self.conditions:
            return None
        hit = self._gap(frame, segment)
        if topic is not None and frame.kind is Kind.DATA:
            for each in self._watching(topic):
                found = each.take(frame.payload, Mark(segment, frame.seq))
                hit = hit or found
        return hit

    def _watching(self, topic: str) -> list[Watch]:
        watches = self._watches.get(topic)
        if watches is None:
            parsed = Topic.parse(topic)
            concerned = [each for each in self.conditions if each.concerns(parsed)]
            watches = [watch(condition, parsed, self._book_of) for condition in concerned]
            self._watches[topic] = watches
        return watches

    def _gap(self, frame: Frame, segment: int) -> Hit | None:
        wanted = [condition for condition in self.conditions if condition.kind == "gap"]
        if not wanted:
            return None
        if self._gaps[0] != segment:
            self._gaps = segment, self._gaps_in(segment)
        gap = self._gaps[1].get(frame.seq)
        if gap is None:
            return None
        detail = f"{gap.cause} on {gap.topic or 'all streams'} ({gap.state})"
        symbol = gap.symbol or ""
        hits = (Hit(c.text, symbol, detail) for c in wanted if c.symbol in ("", symbol))
        return next(hits, None)


def _data_of(event: type[_Event]) -> Callable[[bytes], _Event]:
    """Decodes the data of an envelope."""
    envelope = wire.decoder(wire.Envelope).decode
    data: msgspec.json.Decoder[_Event] = wire.decoder(event)
    return lambda payload: data.decode(envelope(payload).data)
