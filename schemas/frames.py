"""The frame: one thing that arrived, was sent or was noted, in order of arrival."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a frame is. Everything that changes the engine's state is one of these."""

    SEGMENT = "segment"  # head of a segment: SegmentHead as JSON
    KEYFRAME = "keyframe"  # state carried over from the segment before, JSON
    OPEN = "open"  # a connection was opened: ConnectionOpened as JSON
    CLOSE = "close"  # it ended: ConnectionClosed as JSON
    SENT = "sent"  # a text we sent on it, signatures redacted
    DATA = "data"  # a websocket text message from the venue, byte for byte
    BINARY = "binary"  # a websocket binary message, byte for byte
    REQUEST = "request"  # a REST request went out; topic is its path and query
    REPLY = "reply"  # its reply body, byte for byte; topic as above
    FAILED = "failed"  # it failed: RequestFailed as JSON; topic as above
    CHECKPOINT = "checkpoint"  # digests of all frames before it: Checkpoint as JSON


class Frame(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One frame. ``seq`` orders, ``ts_recv`` paces (design section 2).

    seq: from 1, +1 for each frame of a session, across its segments.
    ts_recv: wall clock at arrival, ns since the epoch, UTC.
    ts_mono: monotonic clock at the same moment, ns from an arbitrary start.
    conn: number of the connection, from 1; 0 where there is none.
    topic: REST path for the REST kinds, book for keyframes; empty for websocket messages (the
        tape's ``topic`` column is made from their payload when a segment is sealed).
    payload: the untouched bytes.
    """

    seq: int
    ts_recv: int
    ts_mono: int
    conn: int
    kind: Kind
    topic: str
    payload: bytes


class SegmentHead(msgspec.Struct, frozen=True):
    """Payload of a SEGMENT frame: enough to read the segment alone."""

    session: str
    number: int
    format: int
    code: str
    topics: tuple[str, ...]
    ws_url: str
    rest_url: str


class ConnectionOpened(msgspec.Struct, frozen=True):
    """Payload of an OPEN frame."""

    url: str


class ConnectionClosed(msgspec.Struct, frozen=True):
    """Payload of a CLOSE frame. code 1006: no Close frame was received."""

    code: int
    reason: str


class RequestFailed(msgspec.Struct, frozen=True):
    """Payload of a FAILED frame. status 0: no HTTP reply (time-out, refused, cut)."""

    status: int
    error: str
    body: str


class Checkpoint(msgspec.Struct, frozen=True):
    """Payload of a CHECKPOINT frame: digests of all frames of the segment before this one.

    frames, rows: sha256 in hex, see `schemas.digest`.
    end: why the segment ends here (``roll`` or ``stop``); None in mid-segment.
    """

    frames: str
    rows: str
    end: str | None = None


def to_json(payload: msgspec.Struct) -> bytes:
    """A payload struct as the bytes of a frame."""
    return msgspec.json.encode(payload)
