"""Rows about the recording itself: what happened, the clocks, and what could not be read."""

from collections.abc import Callable

import msgspec

from market.control import UNREADABLE
from schemas.check_rows import Clock, Copy, Silence
from schemas.errors import InexactNumber
from schemas.frames import ClockNoted, Frame, Kind, MessagesCopied, SilenceNoted
from schemas.requests import rest_symbol
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
        frame.seq, frame.ts_recv, None, rest_symbol(frame.topic),
        event or frame.kind.value, frame.conn, frame.topic or None, detail,
    )  # fmt: skip


def _clock(frame: Frame) -> list[Row]:
    """Our clocks beside each other and the venue's."""
    noted = msgspec.json.decode(frame.payload, type=ClockNoted)
    ts_venue = None if noted.venue_ms is None else noted.venue_ms * 1_000_000
    offset = None
    if ts_venue is not None and noted.round_trip_ns is not None:
        offset = ts_venue - (frame.ts_recv - noted.round_trip_ns // 2)
    _check(offset)
    numbers = (noted.step_ns, ts_venue, noted.round_trip_ns, offset)
    return [Clock(frame.seq, frame.ts_recv, None, None, frame.ts_mono, *numbers)]


def _copies(frame: Frame) -> list[Row]:
    """Messages that came again."""
    noted = msgspec.json.decode(frame.payload, type=MessagesCopied)
    lists = (noted.seq, noted.conn, noted.late_ns, noted.event_us)
    if len({len(numbers) for numbers in lists}) > 1:
        raise msgspec.ValidationError("lists of several lengths")
    return [_copy(frame, *numbers) for numbers in zip(*lists, strict=True)]


def _copy(frame: Frame, seq: int, conn: int, late_ns: int, event_us: int | None) -> Row:
    event_late_ns = None if event_us is None else event_us * 1_000
    return Copy(frame.seq, frame.ts_recv, None, None, seq, conn, late_ns, event_late_ns)


def _silence(frame: Frame) -> list[Row]:
    """A topic is silent, or not any more."""
    noted = msgspec.json.decode(frame.payload, type=SilenceNoted)
    since, until = noted.since, noted.until
    ts_until = None if until is None else until.ts_recv
    lasted_ns = None if until is None else until.ts_mono - since.ts_mono
    _check(lasted_ns)
    row = Silence(
        frame.seq, frame.ts_recv, None, Topic.parse(frame.topic).symbol or None, frame.topic,
        noted.judgement.value, noted.evidence, noted.action,
        since.seq, since.ts_recv, ts_until, lasted_ns,
    )  # fmt: skip
    return [row]


def _checkpoint(frame: Frame) -> list[Row]:
    del frame  # speaks of rows; makes none
    return []


def _check(difference: int | None) -> None:
    if difference is not None and not -(2**63) <= difference < 2**63:
        raise InexactNumber(f"{difference} does not fit into 64 bits")


# Frames that say something and change nothing. What cannot be read raises as in `market.control`.
NOTES: dict[Kind, Callable[[Frame], list[Row]]] = {
    Kind.CLOCK: _clock,
    Kind.COPIES: _copies,
    Kind.SILENCE: _silence,
    Kind.CHECKPOINT: _checkpoint,
}


def note_rows(frame: Frame) -> list[Row]:
    """What one of `NOTES` says."""
    try:
        return NOTES[frame.kind](frame)
    except UNREADABLE as error:
        return [reject_row(frame, None, "bad_field", str(error))]


def reject_row(frame: Frame, topic: Topic | None, reason: str, detail: str) -> Row:
    """A frame that could not be made into rows, and why."""
    symbol = topic.symbol or None if topic else None
    name = str(topic) if topic else frame.topic or None
    return Reject(
        frame.seq, frame.ts_recv, None, symbol, name, reason, detail[:_REJECT_DETAIL]
    )  # fmt: skip
