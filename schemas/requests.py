"""What the engine asks of the world, by value. The live door carries it out; replay drops it."""

from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

DEPTH_PATH = "/api/v1/depth"
MARKETS_PATH = "/api/v1/markets"


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
