"""Which topics are asked for: patterns over stream names."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from schemas import wire
from schemas.errors import TopicError
from schemas.frames import Frame, Kind
from schemas.requests import depth_symbol
from schemas.rows import BookKeyframe, Depth, Row
from schemas.topics import WINDOWS, depth_topic

_SHOWN = 5
_REST = frozenset({Kind.REQUEST, Kind.REPLY, Kind.FAILED})


_decode_name = wire.decoder(wire.StreamName).decode


class Selection:
    """Topics by pattern (``depth.*``, ``*.SOL_USDC``); no pattern selects everything.

    What is about no topic in particular belongs to every selection: connections, error replies
    of the venue, texts that could not be read.
    """

    def __init__(self, patterns: Iterable[str] | None) -> None:
        self.patterns = (patterns,) if isinstance(patterns, str) else tuple(patterns or ())
        # As many as the engine follows at most, so that topics are matched once.
        self.wants = lru_cache(maxsize=32_768)(self._wants)

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.patterns

    def check(self, topics: Iterable[str]) -> None:
        """Raise TopicError for a pattern that matches none of the topics of a recording."""
        known = sorted(topics)
        for pattern in self.patterns:
            if not any(fnmatchcase(topic, pattern) for topic in known):
                raise TopicError(
                    f"no topic of this recording matches {pattern!r}; {nearest(pattern, known)}"
                )

    def frame(self, frame: Frame) -> bool:
        """Whether a frame is asked for. Of a DATA frame, only the stream's name is decoded."""
        if frame.kind is Kind.DATA:
            stream = _stream(frame.payload)
            return stream is None or self.wants(stream)
        if frame.kind is Kind.KEYFRAME:
            return self.wants(frame.topic)
        symbol = depth_symbol(frame.topic) if frame.kind in _REST else None
        return symbol is None or self.book(symbol)

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """Of the rows of a frame other than DATA, those asked for."""
        return [row for row in rows if self._row(row)]

    def book(self, symbol: str) -> bool:
        """Whether a depth stream of a market is asked for."""
        return any(self.wants(depth_topic(symbol, window)) for window in ("", *WINDOWS))

    def _row(self, row: Row) -> bool:
        """A connection that ends makes rows for the books of all its markets."""
        if isinstance(row, Depth | BookKeyframe):
            return self.wants(depth_topic(row.symbol or "", row.window))
        return True

    def _wants(self, topic: str) -> bool:
        return self.everything or any(fnmatchcase(topic, p) for p in self.patterns)


def _stream(payload: bytes) -> str | None:
    try:
        name: str | None = _decode_name(payload).stream
        return name
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def nearest(name: str, known: Iterable[str]) -> str:
    """``nearest: depth.SOL_USDC, ..``: what there is that looks like a name, for a message."""
    names = sorted(known)
    near = get_close_matches(name, names, _SHOWN, cutoff=0.4) or names[:_SHOWN]
    more = f" and {len(names) - len(near)} more" if len(names) > len(near) else ""
    return f"nearest: {', '.join(near)}{more}" if near else "there is none at all"
