"""Patterns over names of streams: what of a recording is asked for."""

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache

from schemas.errors import TopicError
from schemas.requests import depth_symbol, trades_symbol
from schemas.topics import WINDOWS, depth_topic

_SHOWN = 5


class Patterns:
    """Names by pattern (``depth.*``, ``*.SOL_USDC``); no pattern selects everything."""

    def __init__(self, patterns: Iterable[str] | None) -> None:
        self.patterns = (patterns,) if isinstance(patterns, str) else tuple(patterns or ())
        # As many as the engine follows at most, so that topics are matched once.
        self.wants = lru_cache(maxsize=32_768)(self._wants)

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.patterns

    def check(self, topics: Iterable[str]) -> None:
        """Raise TopicError for a pattern that matches none of the topics of a recording."""
        known = sorted(topics)
        for pattern in self.patterns:
            if not any(fnmatchcase(topic, pattern) for topic in known):
                raise TopicError(
                    f"no topic of this recording matches {pattern!r}; {nearest(pattern, known)}"
                )

    def book(self, symbol: str) -> bool:
        """Whether a depth stream of a market is asked for."""
        return any(self.wants(depth_topic(symbol, window)) for window in ("", *WINDOWS))

    def path(self, path: str) -> bool:
        """Whether what a request is about is asked for; one that is about no market is."""
        symbol = trades_symbol(path)
        if symbol is not None:
            return self.wants(f"trade.{symbol}")
        symbol = depth_symbol(path)
        return symbol is None or self.book(symbol)

    def _wants(self, topic: str) -> bool:
        return self.everything or any(fnmatchcase(topic, p) for p in self.patterns)


def nearest(name: str, known: Iterable[str]) -> str:
    """``nearest: depth.SOL_USDC, ..``: what there is that looks like a name, for a message."""
    names = sorted(known)
    near = get_close_matches(name, names, _SHOWN, cutoff=0.4) or names[:_SHOWN]
    more = f" and {len(names) - len(near)} more" if len(names) > len(near) else ""
    return f"nearest: {', '.join(near)}{more}" if near else "there is none at all"
