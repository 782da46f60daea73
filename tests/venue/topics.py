"""What the venue says to a client's text: mostly nothing (protocol section 1, Replies)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

KINDS = frozenset(
    {
        "account",
        "bookTicker",
        "depth",
        "externalTicker",
        "kline",
        "liquidation",
        "markPrice",
        "openInterest",
        "stockIndicativeQuote",
        "stockPrice",
        "ticker",
        "trade",
    }
)
WINDOWS = frozenset({"200ms", "600ms", "1000ms"})
SHORT_INTERVALS = frozenset({"1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h"})
INTERVALS = SHORT_INTERVALS | {"8h", "12h", "1d", "3d", "1w", "1month"}
# Kinds whose last part is not a market of the list, so that it cannot be checked against it.
NOT_MARKETS = frozenset({"account", "stockPrice", "stockIndicativeQuote"})

PARSE_ERROR = (4002, "Parse error")
INVALID_SIGNATURE = (4003, "Invalid signature")
INVALID_STREAM = (4006, "Invalid stream")
INVALID_WINDOW = (4008, "Invalid depth window")


@dataclass(frozen=True, slots=True)
class Answer:
    """Topics a client text adds and removes, and the error frames it gets."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def error_frame(code: int, message: str) -> str:
    """An error reply; its id is always null, so it cannot be matched to a request."""
    return f'{{"id":null,"error":{{"code":{code},"message":"{message}"}}}}'


def symbol_of(topic: str) -> str | None:
    """The market of a topic, dots included; None if the kind has none (protocol section 2)."""
    kind, _, rest = topic.partition(".")
    if kind in NOT_MARKETS or not rest:
        return None
    head, _, tail = rest.partition(".")
    if kind == "kline" or (kind == "depth" and head in WINDOWS):
        return tail
    return rest


def _is_window(part: str) -> bool:
    return part.endswith("ms") and part[:-2].isdigit()


def error_of(topic: str) -> tuple[int, str] | None:
    """The error a topic name earns by its form alone, or None.

    A bad kline interval was measured by nobody; it is answered like an unknown stream here.
    """
    kind, _, rest = topic.partition(".")
    head, dot, tail = rest.partition(".")
    if kind not in KINDS or (not rest and kind != "liquidation"):
        return INVALID_STREAM
    if kind == "depth" and dot and _is_window(head) and head not in WINDOWS:
        return INVALID_WINDOW
    if kind == "kline" and (head not in INTERVALS or not tail):
        return INVALID_STREAM
    return None


def _signed(request: dict[str, Any]) -> bool:
    """Whether a signature of the right form is there: four strings (protocol section 5)."""
    parts = request.get("signature")
    return isinstance(parts, list) and len(parts) == 4 and all(isinstance(x, str) for x in parts)


def _request(text: str | bytes) -> dict[str, Any] | None:
    try:
        request = json.loads(text)
    except ValueError:
        return None
    if not isinstance(request, dict) or request.get("method") not in ("SUBSCRIBE", "UNSUBSCRIBE"):
        return None
    names = request.get("params")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return request


def answer(text: str | bytes) -> Answer:
    """Judge one client text.

    Whether the good names of a mixed batch count is unknown (protocol section 1); here they do,
    and each bad name gets its own error frame.
    """
    request = _request(text)
    if request is None:
        return Answer(errors=(error_frame(*PARSE_ERROR),))
    names: list[str] = request["params"]
    if request["method"] == "UNSUBSCRIBE":
        return Answer(remove=tuple(names))
    good, errors = [], []
    for name in names:
        fault = error_of(name)
        if fault is None and name.startswith("account.") and not _signed(request):
            fault = INVALID_SIGNATURE
        if fault is None:
            good.append(name)
        else:
            errors.append(error_frame(*fault))
    return Answer(add=tuple(good), errors=tuple(errors))
