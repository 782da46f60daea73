"""What the venue says to a client's text: mostly nothing (protocol section 1, Replies)."""

from collections.abc import Container
from dataclasses import dataclass

import msgspec

from market.control import UNREADABLE
from market.streams import PUBLIC
from schemas.nesting import too_deep
from schemas.topics import ACCOUNT, INTERVALS, WINDOWS, Topic

KINDS = frozenset(PUBLIC) | {ACCOUNT}
# Kinds whose last part is not a market of the list, so that it cannot be checked against it.
NOT_MARKETS = frozenset({ACCOUNT, "stockPrice", "stockIndicativeQuote"})
ALL_MARKETS = "liquidation"  # the one kind that may name no market

MOST_NAMES = 10_000  # of a request, and of a connection
LONGEST_TOPIC = 128  # characters; symbols of the venue have up to 30

PARSE_ERROR = (4002, "Parse error")
INVALID_SIGNATURE = (4003, "Invalid signature")
INVALID_STREAM = (4006, "Invalid stream")
INVALID_WINDOW = (4008, "Invalid depth window")

_SIGNATURE_PARTS = 4  # key, signature, timestamp, window (protocol section 5)


@dataclass(frozen=True, slots=True)
class Answer:
    """Topics a client text adds and removes, and the error frames it gets."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


class _Request(msgspec.Struct):
    """What counts of a request; an ``id`` is accepted and ignored."""

    method: str
    params: list[str]
    signature: msgspec.Raw = msgspec.Raw()


_decode_request = msgspec.json.Decoder(_Request).decode
_decode_signature = msgspec.json.Decoder(list[str]).decode


def error_frame(code: int, message: str) -> str:
    """An error reply; its id is always null, so it cannot be matched to a request."""
    return f'{{"id":null,"error":{{"code":{code},"message":"{message}"}}}}'


def symbol_of(topic: str) -> str | None:
    """The market of a topic, dots included; None if the kind has none (protocol section 2)."""
    kind, _, rest = topic.partition(".")
    return None if kind in NOT_MARKETS or not rest else Topic.parse(topic).symbol


def error_of(topic: str) -> tuple[int, str] | None:
    """The error a topic name earns by its form alone, or None.

    A bad kline interval was measured by nobody; it is answered like an unknown stream here.
    """
    kind, _, rest = topic.partition(".")
    head, dot, tail = rest.partition(".")
    if len(topic) > LONGEST_TOPIC:
        return INVALID_STREAM
    if kind not in KINDS or (not rest and kind != ALL_MARKETS):
        return INVALID_STREAM
    if kind == "depth" and dot and _is_window(head) and head not in WINDOWS:
        return INVALID_WINDOW
    if kind == "kline" and (head not in INTERVALS or not tail):
        return INVALID_STREAM
    return None


def answer(text: str | bytes, recorded: Container[str] = ()) -> Answer:
    """Judge one client text, whatever it is.

    recorded: topics that the venue is known to have, whatever their names look like.

    Whether the good names of a mixed batch count is unknown (protocol section 1); here they do,
    and each bad name gets its own error frame.
    """
    request = _read(text)
    if request is None:
        return Answer(errors=(error_frame(*PARSE_ERROR),))
    names = tuple(request.params[: MOST_NAMES + 1])  # one more than anybody may have
    if request.method == "UNSUBSCRIBE":
        return Answer(remove=names)
    faults = [None if name in recorded else _fault(name, request) for name in names]
    good = tuple(name for name, fault in zip(names, faults, strict=True) if fault is None)
    errors = tuple(error_frame(*fault) for fault in faults if fault is not None)
    return Answer(good, (), errors)


def _read(text: str | bytes) -> _Request | None:
    try:
        data = text.encode() if isinstance(text, str) else text
        request = None if too_deep(data) else _decode_request(data)
    except (*UNREADABLE, UnicodeError):  # a str may hold what no UTF-8 can
        return None
    if request is None or request.method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
        return None
    return request


def _fault(name: str, request: _Request) -> tuple[int, str] | None:
    fault = error_of(name)
    if fault is None and Topic.parse(name).private and not _is_signed(request):
        return INVALID_SIGNATURE
    return fault


def _is_signed(request: _Request) -> bool:
    """Whether a signature of the right form is there: four strings (protocol section 5)."""
    try:
        return len(_decode_signature(request.signature)) == _SIGNATURE_PARTS
    except UNREADABLE:
        return False


def _is_window(part: str) -> bool:
    return part.endswith("ms") and part[:-2].isdigit()
