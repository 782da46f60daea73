"""The frame: one thing that arrived, was sent or was noted, in order of arrival."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.columns import Count, Time
from schemas.wire import Millis

DUMP = "dump: "  # the end of a segment begins so, if nothing behind it was to be kept then

# Numbers that a manifest repeats are bounded as there (`tape.bounds`), others as columns are.
_Exact = Annotated[int, Meta(ge=0, le=2**53)]
_Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Conn = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Late = Annotated[int, Meta(ge=-(2**62), le=2**62)]  # a union adds two of them
_Micros = Annotated[int, Meta(ge=-(2**63) // 1_000 + 1, le=(2**63 - 1) // 1_000)]


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
    CLOCK = "clock"  # our clocks were compared: ClockNoted as JSON
    COPIES = "copies"  # messages that came again on other connections: MessagesCopied as JSON
    SILENCE = "silence"  # a topic is silent, or not any more: SilenceNoted as JSON; topic: its name
    LOSS = "loss"  # frames that arrived are not on the tape: FramesLost as JSON
    LOAD = "load"  # from here on more or less is shed, to keep up: LoadTurned as JSON
    CHECKPOINT = "checkpoint"  # digests of all frames before it: Checkpoint as JSON


class Frame(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One frame. ``seq`` orders, ``ts_recv`` paces.

    seq: from 1, +1 for each frame of a session, across its segments.
    ts_recv: wall clock at arrival, ns since the epoch, UTC.
    ts_mono: monotonic clock at the same moment, ns from an arbitrary start.
    conn: number of the connection, from 1; 0 where there is none.
    topic: REST path for the REST kinds, book for keyframes, stream for silences; empty for
        websocket messages (the
        tape's ``topic`` column is made from their payload when a segment is sealed).
    payload: the untouched bytes.
    """

    seq: Count
    ts_recv: Time
    ts_mono: Count
    conn: _Conn
    kind: Kind
    topic: str
    payload: bytes


class UnionInput(msgspec.Struct, frozen=True):
    """A session of which a union was made.

    segments: how many of it. certified: how many of those are. manifests: sha256, in hex, of the
        manifests of these segments that count, one after another by number.
    """

    session: str
    segments: _Exact
    certified: _Exact
    manifests: str


class SegmentHead(msgspec.Struct, frozen=True):
    """Payload of a SEGMENT frame: enough to read the segment alone.

    rows_schema: of the rows that the recorder's digests are about, see `schemas.rows.SCHEMA`.
    ring: set where segments are written only when something has happened: how far back they are
        kept until then, ns. Those that are not there were not to be kept.
    heals: set where nothing was recorded but what REST said of trades that other sessions lack,
        which the keyframes tell (``bp-tape heal``).
    shard: set where only a share of the markets was recorded, as in ``2/4``, see `schemas.shard`.
    union: set where it was made of other recordings: their sessions.
    """

    session: str
    number: Count
    format: Count
    code: str
    topics: tuple[str, ...]
    ws_url: str
    rest_url: str
    rows_schema: Count = 1
    ring: _Exact | msgspec.UnsetType = msgspec.UNSET
    heals: bool | msgspec.UnsetType = msgspec.UNSET
    shard: str | msgspec.UnsetType = msgspec.UNSET
    union: tuple[UnionInput, ...] | msgspec.UnsetType = msgspec.UNSET


class ConnectionOpened(msgspec.Struct, frozen=True):
    """Payload of an OPEN frame."""

    url: str


class ConnectionClosed(msgspec.Struct, frozen=True):
    """Payload of a CLOSE frame. code 1006: no Close frame was received.

    stopped: we hung up as we were told to stop, so nothing is missing after it.
    """

    code: Count
    reason: str
    stopped: bool = False


class RequestFailed(msgspec.Struct, frozen=True):
    """Payload of a FAILED frame. status 0: no HTTP reply (time-out, refused, cut)."""

    status: Count
    error: str
    body: str


class ClockNoted(msgspec.Struct, frozen=True):
    """Payload of a CLOCK frame, which arrives as the venue's answer does.

    step_ns: how far the wall clock ran from the monotonic one since the CLOCK frame before.
    venue_ms: what ``/api/v1/time`` said; None where it was not asked or did not answer.
    round_trip_ns: from asking to the answer, by the monotonic clock.
    """

    step_ns: Count
    venue_ms: Millis | None = None
    round_trip_ns: Count | None = None


class MessagesCopied(msgspec.Struct, frozen=True):
    """Payload of a COPIES frame: messages that came again on another connection than the one whose
    frame is on the tape, in order of arrival; lists of one length. But for `E` they are that frame.

    seq: of that frame. conn: that brought the copy. late_ns: how long after that frame it came, by
    the monotonic clock. event_us: by how much `E` is later, microseconds; None where it has none.
    """

    seq: list[Count]
    conn: list[Count]
    late_ns: list[_Late]
    event_us: list[_Micros | None]


class Judgement(StrEnum):
    """What a topic that says nothing is taken for. The last two end the silence."""

    UNHEARD = "unheard"  # nothing since it was subscribed, and nothing to tell why
    QUIET = "quiet"  # the venue has nothing to say
    DEAD = "dead"  # the venue has, or had to say something by now
    NO_MARKET = "no_market"  # there is no such market, or it is closed
    UNKNOWN = "unknown"  # it cannot be told
    HEARD = "heard"  # it speaks again
    UNSUBSCRIBED = "unsubscribed"  # nobody asks for it any more


class Moment(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A frame as a bound of time: its number and both clocks, as in `Frame`."""

    seq: Count
    ts_recv: Time
    ts_mono: Count


class SilenceNoted(msgspec.Struct, frozen=True):
    """Payload of a SILENCE frame; its topic is the stream.

    evidence: why it is judged so, in words. action: what is done about it, empty if nothing.
    since: the last message, or the request that subscribed it. until: the message, or the request,
    that ended it; None while it goes on.
    """

    judgement: Judgement
    evidence: str
    action: str
    since: Moment
    until: Moment | None = None


class FramesLost(msgspec.Struct, frozen=True):
    """Payload of a LOSS frame. One is taped when the loss begins, one with all counts at its end.

    cause: ``memory``: the disk could not take them and the memory for them was full; ``damaged``:
        they were in a journal that cannot be read, as found while it was sealed; ``input``: the
        recordings of which a union was made do not have them.
    frames, bytes: that are missing since the loss began, as far as is known.
    """

    cause: str
    frames: _Natural = 0
    bytes: _Natural = 0
    ended: bool = False


class LoadTurned(msgspec.Struct, frozen=True, omit_defaults=True):
    """Payload of a LOAD frame: what is shed from here on, and what was since the LOAD frame before,
    of the same session.

    level: see `schemas.shedding.Level`. lost: messages that are not on the tape, by stream (or by
    kind, where there were too many streams). bytes: of their payloads.
    """

    level: Count
    lost: dict[str, Count] = {}
    bytes: Count = 0


class Checkpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """Payload of a CHECKPOINT frame: digests of all frames of the segment before this one.

    frames, rows: sha256 in hex, see `schemas.digest`.
    end: why the segment ends here (``roll`` or ``stop``, or ``dump: ..`` with what a ring was
        written for: what follows may not be kept); None in mid-segment.
    state: digest of what the engine remembers; where the segment ends only, None in old recordings.
    """

    frames: str
    rows: str
    end: str | None = None
    state: str | None = None


def to_json(payload: msgspec.Struct) -> bytes:
    """A payload struct as the bytes of a frame."""
    return msgspec.json.encode(payload)
