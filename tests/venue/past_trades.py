"""The trades there have been, as REST lists them: from what was posted, lost or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.venue.link import Cue

FARTHEST = 10_000
PREFIX = "trade."


class PastTrades:
    """Members of REST trades by symbol, in the order they were made.

    `forgotten`: ids that REST does not know, by symbol. `lies`: members that it has otherwise, by
    symbol and id.
    """

    def __init__(self) -> None:
        self.forgotten: dict[str, set[int]] = {}
        self.lies: dict[tuple[str, int], dict[str, Any]] = {}
        self._made: dict[str, list[dict[str, Any]]] = {}

    def note(self, cue: Cue) -> None:
        """A trade was made, unless the cue is about something else."""
        if not cue.topic.startswith(PREFIX):
            return
        try:
            data = json.loads(cue.text)["data"]
            made = {
                "id": data["t"],
                "isBuyerMaker": data["m"],
                "price": data["p"],
                "quantity": data["q"],
                "quoteQuantity": "0",
                "timestamp": data["T"] // 1000,
            }
        except (ValueError, KeyError, TypeError):
            return  # a message that is meant to be bad
        self._made.setdefault(cue.topic.removeprefix(PREFIX), []).append(made)

    def page(self, symbol: str, limit: int, offset: int) -> str:
        """The body of a reply, the newest first."""
        known = [
            made | self.lies.get((symbol, made["id"]), {})
            for made in reversed(self._made.get(symbol, []))
            if made["id"] not in self.forgotten.get(symbol, ())
        ]
        return json.dumps(known[offset : offset + limit], separators=(",", ":"))


def bounds(query: dict[str, list[str]]) -> tuple[int, int] | None:
    """Limit and offset of a query; None where they are too large or no numbers."""
    texts: Sequence[str] = (query.get("limit", ["100"])[0], query.get("offset", ["0"])[0])
    if not all(text.isascii() and text.isdigit() for text in texts):
        return None
    limit, offset = map(int, texts)
    return (limit, offset) if 1 <= limit <= 1_000 and limit + offset <= FARTHEST else None
