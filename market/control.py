"""What the engine reads beside market data: names of events, our own requests, failures."""

import msgspec

from schemas import wire
from schemas.errors import InexactNumber
from schemas.frames import RequestFailed

CLIENT_ERROR_PATIENCE_NS = 60_000_000_000  # "no such market" does not change within a minute
_IN_ORDER = 1000

# What a frame of the venue may raise on its way: bad JSON or types, bytes that are no UTF-8,
# numbers that do not fit, nesting too deep for the decoder.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, InexactNumber, RecursionError)


class _EventName(msgspec.Struct):
    e: str = ""


class _End(msgspec.Struct):
    code: int
    stopped: bool | None = None


_decode_event = msgspec.json.Decoder(_EventName).decode
_decode_end = msgspec.json.Decoder(_End).decode
_decode_failure = msgspec.json.Decoder(RequestFailed).decode


def event_name(envelope: wire.Envelope) -> str:
    """The name an event gives itself; empty where it gives none."""
    try:
        return _decode_event(envelope.data).e
    except UNREADABLE:
        return ""


def is_stop(closed: bytes) -> bool:
    """Whether a connection ended as the recorder was told to stop. Format 1 does not say; there it
    may be so where the closing handshake was in order."""
    try:
        end = _decode_end(closed)
    except UNREADABLE:
        return False
    return end.code == _IN_ORDER if end.stopped is None else end.stopped


def patience_ns(failure: bytes) -> int:
    """How long not to ask again after a failed request: a client's error other than "too many"
    will not mend soon."""
    try:
        status = _decode_failure(failure).status
    except UNREADABLE:
        return 0
    return CLIENT_ERROR_PATIENCE_NS if 400 <= status < 500 and status != 429 else 0
