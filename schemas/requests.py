"""What is asked of the world: by the engine, by value, which the live door carries out and replay
drops; and of the venue's websocket."""

from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

DEPTH_PATH = "/api/v1/depth"
MARKETS_PATH = "/api/v1/markets"
SUBSCRIBE = "SUBSCRIBE"
UNSUBSCRIBE = "UNSUBSCRIBE"


class SnapshotRequest(NamedTuple):
    """Fetch the book of ``symbol`` no earlier than ``delay_ns`` from now.

    A later request for the same symbol with a shorter delay supersedes a waiting one.
    """

    symbol: str
    delay_ns: int

    @property
    def path(self) -> str:
        """REST path and query. No limit: the reply is then the deepest the venue gives
        (protocol section 3.2), and a level missing from the snapshot is one never seen again."""
        return f"{DEPTH_PATH}?symbol={quote(self.symbol, safe='')}"


def is_market_list(path: str) -> bool:
    """Whether a path, with its query, is that of a list of markets."""
    return path.partition("?")[0] == MARKETS_PATH


def depth_symbol(path: str) -> str | None:
    """The symbol of a depth request's path; None for any other path."""
    parts = urlsplit(path)
    if parts.path != DEPTH_PATH:
        return None
    return parse_qs(parts.query).get("symbol", [None])[0]


class _Command(msgspec.Struct):
    method: str = ""
    params: list[str] = []


_decode_command = msgspec.json.Decoder(_Command).decode


def subscribed(text: bytes) -> list[str]:
    """The topics that a request of ours subscribes to; none where it does something else."""
    return _named(text, SUBSCRIBE)


def unsubscribed(text: bytes) -> list[str]:
    """The topics that a request of ours puts an end to; none where it does something else."""
    return _named(text, UNSUBSCRIBE)


def _named(text: bytes, method: str) -> list[str]:
    try:
        command = _decode_command(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return command.params if command.method == method else []
