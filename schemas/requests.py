"""What is asked of the world: by the engine, by value, which the live door carries out and replay
drops; and of the venue's websocket."""

from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

DEPTH_PATH = "/api/v1/depth"
TRADES_PATH = "/api/v1/trades"
HISTORY_PATH = "/api/v1/trades/history"
MARKETS_PATH = "/api/v1/markets"
LARGEST_PAGE = 1_000  # trades in a reply
DEEPEST = 10_000  # limit and offset of the history together: older trades are out of reach
_MARGIN = 50  # trades made since the newest one we know, or missing from a cached reply
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


class TradesRequest(NamedTuple):
    """Fetch the trades of ``symbol`` from ``first_id`` to ``last_id``, or a part of them, no
    earlier than ``delay_ns`` from now.

    A later request for the same symbol supersedes a waiting one.
    """

    symbol: str
    first_id: int
    last_id: int
    delay_ns: int

    def path(self, newest_id: int) -> str:
        """REST path and query of the page that begins with the first of them, or as far back as can
        be had. REST counts from the newest trade back (protocol section 6), which is about
        ``newest_id``."""
        until = min(max(newest_id - self.first_id, 0) + 1 + _MARGIN, DEEPEST)
        offset = max(min(newest_id - self.last_id, until) - _MARGIN, until - LARGEST_PAGE, 0)
        query = f"symbol={quote(self.symbol, safe='')}&limit={until - offset}"
        return f"{HISTORY_PATH}?{query}&offset={offset}" if offset else f"{TRADES_PATH}?{query}"


Request = SnapshotRequest | TradesRequest


def is_market_list(path: str) -> bool:
    """Whether a path, with its query, is that of a list of markets."""
    return path.partition("?")[0] == MARKETS_PATH


def depth_symbol(path: str) -> str | None:
    """The symbol of a depth request's path; None for any other path."""
    return _symbol(path, DEPTH_PATH)


def trades_symbol(path: str) -> str | None:
    """The symbol of a path that asks for trades; None for any other path."""
    return _symbol(path, TRADES_PATH, HISTORY_PATH)


def rest_symbol(path: str) -> str | None:
    """The symbol that a request of the engine's is about; None for any other path."""
    return _symbol(path, DEPTH_PATH, TRADES_PATH, HISTORY_PATH)


def _symbol(path: str, *known: str) -> str | None:
    try:
        parts = urlsplit(path)
    except ValueError:  # of a bracket that is not closed
        return None
    if parts.path not in known:
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
