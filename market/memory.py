"""What is kept of a stream beside the rows it makes: what a client would ask for later.

Each kind of memory is a fold of rows, and its keyframe is rows again: those that, kept once more,
make the same memory. Bounds are part of what is proven, so they are constants.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from schemas import account_rows, rows
from schemas.columns import Count
from schemas.frames import Frame
from schemas.rows import Row
from schemas.topics import Topic

TRADES_KEPT = 80  # of a market
LIQUIDATIONS_KEPT = 16  # of a stream
POSITIONS_KEPT = BALANCES_KEPT = 1_000  # markets, assets
RFQS_KEPT = 256

Handle = Callable[[Frame, Any], list[Row]]
R = TypeVar("R", bound=Row)
KeptRow = (
    rows.BookTicker
    | rows.Ticker
    | rows.Kline
    | rows.MarkPrice
    | rows.OpenInterest
    | rows.Liquidation
    | rows.ExternalTicker
    | rows.StockPrice
    | rows.StockIndicativeQuote
    | account_rows.Position
    | account_rows.Balance
    | account_rows.Rfq
)


class MemoryState(msgspec.Struct):
    """Keyframe of most memories."""

    conn: Count
    rows: list[KeptRow] = []


_decode = msgspec.json.Decoder(MemoryState).decode


class Memory:
    """Keeps rows of one stream. What it makes of them, each kind says: ``keep`` and ``kept``.

    table: class of the rows. handle: makes them.
    conn: connection that the stream is on, 0 if none is known.
    """

    __slots__ = ("_handle", "conn", "table", "topic")
    repeats = 0  # of frames: only trackers know of any

    def __init__(self, topic: Topic, table: type[Row], handle: Handle) -> None:
        self.topic = topic
        self.table = table
        self._handle = handle
        self.reset()

    def rows(self, frame: Frame, message: Any) -> list[Row]:
        """Rows of a frame, as the handler makes them; they are kept."""
        made = self._handle(frame, message)
        self.conn = frame.conn
        self.keep(made)
        return made

    def moved(self, conn: int) -> None:
        """The stream goes on on another connection."""
        self.conn = conn

    def spliced(self, frame: Frame, message: Any) -> list[Row]:
        """Rows of a frame of another connection than the one before.
        What is newer stays, and so does the connection that brought it."""
        made = self._handle(frame, message)
        newest = [row for row in made if not is_older(row, self.known(row))]
        if newest:
            self.conn = frame.conn
            self.keep(newest)
        return made

    def known(self, row: Row) -> Row | None:
        """What is kept in the place that a row would take."""
        del row
        return None

    def keep(self, made: Sequence[Row]) -> None:
        """Take rows in, in the order they came."""
        raise NotImplementedError

    def kept(self) -> Iterable[Row]:
        """Rows that make this memory when kept in this order; oldest first."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget everything."""
        self.conn = 0

    def lost(self) -> None:
        """Something of the stream may have been missed, or will be from here on."""

    def opened(self, frame: Frame) -> None:
        """The stream was subscribed on a connection; if on a new one, the old one is over."""
        if self.conn != frame.conn:
            self.lost()
        self.conn = frame.conn

    def closed(self, frame: Frame) -> None:
        """A connection ended."""
        if self.conn == frame.conn:
            self.lost()

    def unsubscribed(self, frame: Frame) -> list[Row]:
        """Nobody asks for the stream any more, so nobody is told of it."""
        del frame
        self.reset()
        return []

    def shed(self, frame: Frame, cause: str = "") -> list[Row]:
        """Frames that arrived are not on the tape, or made no rows, of this stream perhaps."""
        del frame, cause
        self.lost()
        return []

    def export(self) -> bytes:
        """Keyframe of this stream."""
        return msgspec.json.encode(MemoryState(self.conn, list(self.kept())))  # type: ignore[arg-type]

    def restore(self, frame: Frame, payload: bytes) -> list[Row]:
        """Become what a keyframe says; raises MsgspecError if it cannot be read."""
        del frame
        saved = _decode(payload)
        if not all(isinstance(row, self.table) for row in saved.rows):
            raise msgspec.ValidationError(f"not rows of the table {self.table.TABLE}")
        self.reset()
        self.conn = saved.conn
        self.keep(saved.rows)
        return []


class Last(Memory):
    """The last row."""

    __slots__ = ("row",)

    def reset(self) -> None:
        super().reset()
        self.row: Row | None = None

    def keep(self, made: Sequence[Row]) -> None:
        if made:
            self.row = made[-1]

    def known(self, row: Row) -> Row | None:
        del row
        return self.row

    def kept(self) -> Iterable[Row]:
        return [] if self.row is None else [self.row]


class Recent(Memory):
    """The last few rows."""

    __slots__ = ("_rows",)

    def reset(self) -> None:
        super().reset()
        self._rows: deque[Row] = deque(maxlen=LIQUIDATIONS_KEPT)

    def keep(self, made: Sequence[Row]) -> None:
        self._rows.extend(made)

    def kept(self) -> Iterable[Row]:
        return self._rows


class Each(Memory):
    """The last row about each thing there is; of too many, those heard of last."""

    __slots__ = ("by",)
    most = 1

    def reset(self) -> None:
        super().reset()
        self.by: dict[object, Row] = {}

    def keep(self, made: Sequence[Row]) -> None:
        for row in made:
            put_last(self.by, self.thing(row), row, self.most)

    def known(self, row: Row) -> Row | None:
        return self.by.get(self.thing(row))

    def kept(self) -> Iterable[Row]:
        return self.by.values()

    def thing(self, row: Any) -> object:
        """What a row is about."""
        raise NotImplementedError


class Positions(Each):
    """By market, closed ones as well."""

    __slots__ = ()
    most = POSITIONS_KEPT

    def thing(self, row: Any) -> object:
        return row.symbol


class Balances(Each):
    """By asset."""

    __slots__ = ()
    most = BALANCES_KEPT

    def thing(self, row: Any) -> object:
        return row.asset


class Rfqs(Each):
    """By request, and by quote for one."""

    __slots__ = ()
    most = RFQS_KEPT

    def thing(self, row: Any) -> object:
        return row.rfq_id, row.quote_id


def is_older(row: Row, known: Row | None) -> bool:
    """Whether a row tells of an earlier moment than one that is known: by the matching engine's
    time, else by the venue's; of one moment by its id."""
    if known is None:
        return False
    for name in ("ts_engine", "ts_event"):
        ours, theirs = getattr(row, name, None), getattr(known, name, None)
        if ours is not None and theirs is not None and ours != theirs:
            return bool(ours < theirs)
    return bool(getattr(row, "update_id", 0) < getattr(known, "update_id", 0))


K = TypeVar("K")
V = TypeVar("V")


def put_last(by: dict[K, V], key: K, value: V, most: int) -> None:
    """Put a value behind all others; of more than ``most``, the first goes."""
    by.pop(key, None)
    by[key] = value
    if len(by) > most:
        del by[next(iter(by))]
