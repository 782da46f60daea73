"""Rows about the recording itself: what happened, and what could not be read."""

from schemas.frames import Frame, Kind
from schemas.requests import depth_symbol
from schemas.rows import Reject, Row, Session
from schemas.topics import Topic

_REJECT_DETAIL = 200
_SESSION_DETAIL = 2_000


def session_row(frame: Frame, event: str | None = None) -> Row:
    """A control frame as a row. The body of a reply is not repeated in it."""
    detail = None
    if frame.kind is not Kind.REPLY and frame.payload:
        detail = frame.payload.decode(errors="replace")[:_SESSION_DETAIL]
    return Session(
        frame.seq, frame.ts_recv, None, depth_symbol(frame.topic),
        event or frame.kind.value, frame.conn, frame.topic or None, detail,
    )  # fmt: skip


def reject_row(frame: Frame, topic: Topic | None, reason: str, detail: str) -> Row:
    """A frame that could not be made into rows, and why."""
    symbol = topic.symbol or None if topic else None
    name = str(topic) if topic else frame.topic or None
    return Reject(
        frame.seq, frame.ts_recv, None, symbol, name, reason, detail[:_REJECT_DETAIL]
    )  # fmt: skip
