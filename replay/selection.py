"""Which topics are asked for: patterns over stream names."""

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from functools import lru_cache

import msgspec

from schemas import wire
from schemas.check_rows import Audit
from schemas.frames import Frame, Kind
from schemas.requests import is_market_list
from schemas.rows import BookKeyframe, Depth, Gap, Row
from schemas.topics import Topic, depth_topic
from tape.patterns import Patterns

_REST = frozenset({Kind.REQUEST, Kind.REPLY, Kind.FAILED})
_QUOTES = "bookTicker"  # the channel that books are compared with

_decode_name = wire.decoder(wire.StreamName).decode


class Role(Enum):
    """What a frame is to a selection."""

    LEFT_OUT = auto()
    PLAYED = auto()  # asked for
    QUOTE = auto()  # asked for, and compared with a book, which may not be
    AUDITS = auto()  # compared with a book that is asked for, without being so itself


class Selection(Patterns):
    """Topics by pattern (``depth.*``, ``*.SOL_USDC``); no pattern selects everything.

    What is about no topic in particular belongs to every selection: connections, error replies
    of the venue, texts that could not be read.
    """

    def __init__(self, patterns: Iterable[str] | None) -> None:
        super().__init__(patterns)
        self._role_of = lru_cache(maxsize=32_768)(self._plain_role)

    def role(self, frame: Frame) -> Role:
        """Whether a frame is asked for. Of a DATA frame, only the stream's name is decoded."""
        if frame.kind is Kind.DATA:
            return self._role_of(_stream(frame.payload))
        if frame.kind is Kind.KEYFRAME:
            about_no_stream = not frame.topic or is_market_list(frame.topic)
            wanted = about_no_stream or self.wants(frame.topic)
        else:
            wanted = frame.kind not in _REST or self.path(frame.topic)
        return Role.PLAYED if wanted else Role.LEFT_OUT

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """Of rows that need not be about the stream of their frame, those asked for."""
        return [row for row in rows if self._row(row)]

    def rows_beside(self, rows: Sequence[Row]) -> list[Row]:
        """Of the rows of a frame that is not asked for, those about a book that is."""
        return [row for row in rows if isinstance(row, Depth | Gap | Audit) and self._row(row)]

    def _row(self, row: Row) -> bool:
        """A connection that ends makes rows for the books of all its markets."""
        if isinstance(row, Depth | BookKeyframe):
            return self.wants(depth_topic(row.symbol or "", row.window))
        if isinstance(row, Gap | Audit):
            return row.topic is None or self.wants(row.topic)
        return True

    def _plain_role(self, stream: str | None) -> Role:
        """Of a DATA frame, by its stream; one that cannot be read belongs to every selection."""
        wanted = stream is None or self.wants(stream)
        topic = None if stream is None else Topic.parse(stream)
        if topic is not None and topic.channel == _QUOTES:
            if wanted:
                return Role.QUOTE
            return Role.AUDITS if self.wants(depth_topic(topic.symbol)) else Role.LEFT_OUT
        return Role.PLAYED if wanted else Role.LEFT_OUT


def _stream(payload: bytes) -> str | None:
    try:
        name: str | None = _decode_name(payload).stream
        return name
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
