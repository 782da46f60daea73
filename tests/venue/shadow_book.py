"""The venue's own truth about its books: dumb, slow and obviously right.

A dict of `Decimal` per side, fed with the text of every depth frame the venue has emitted. Frames
are kept as text and only parsed when somebody asks over REST, so a fast feed costs nothing here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

EMPTY_BODY = '{"asks":[],"bids":[],"lastUpdateId":"0","timestamp":0}'


def trimmed(number: Decimal) -> str:
    """Write a decimal as REST does: no exponent, no trailing zeros (protocol 3.2)."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class ShadowBook:
    """One market's book: a REST depth body, then every depth frame with u > lastUpdateId.

    Prices and quantities are `Decimal`, `update_id` is the engine's number, `timestamp` engine
    time in microseconds.
    """

    def __init__(self, body: str = EMPTY_BODY) -> None:
        self._origin = body
        self._texts: list[str] = []
        self._applied = 0
        self._start(json.loads(body))

    def _start(self, body: dict[str, Any]) -> None:
        self.bids = {Decimal(price): Decimal(qty) for price, qty in body["bids"]}
        self.asks = {Decimal(price): Decimal(qty) for price, qty in body["asks"]}
        self.update_id = int(body["lastUpdateId"])
        self.timestamp = int(body["timestamp"])

    def note(self, text: str) -> None:
        """Remember one depth frame (envelope text), in the order of emission."""
        self._texts.append(text)

    def catch_up(self) -> ShadowBook:
        """Apply what has been noted since the last call; returns itself."""
        for text in self._texts[self._applied :]:
            self.apply(json.loads(text)["data"])
        self._applied = len(self._texts)
        return self

    def apply(self, data: dict[str, Any]) -> None:
        """Apply the `data` of one depth frame; frames at or below the present id are ignored."""
        if data["u"] <= self.update_id:
            return
        for side, changes in ((self.bids, data["b"]), (self.asks, data["a"])):
            for price, qty in changes:
                if Decimal(qty) == 0:
                    side.pop(Decimal(price), None)
                else:
                    side[Decimal(price)] = Decimal(qty)
        self.update_id = data["u"]
        self.timestamp = data["T"]

    def as_of(self, updates_ago: int) -> ShadowBook:
        """The book without the last `updates_ago` frames noted, rebuilt from its beginning."""
        if updates_ago <= 0:
            return self.catch_up()
        past = ShadowBook(self._origin)
        for text in self._texts[:-updates_ago]:
            past.note(text)
        return past.catch_up()

    def body(self, limit: int | None = None) -> str:
        """The REST depth body: both sides ascending, so the best bid is last (protocol 3.2).

        `limit` keeps the levels nearest the touch on each side.
        """
        bids = sorted(self.bids.items())
        asks = sorted(self.asks.items())
        if limit is not None:
            bids, asks = bids[-limit:], asks[:limit]
        reply = {
            "asks": [[trimmed(price), trimmed(qty)] for price, qty in asks],
            "bids": [[trimmed(price), trimmed(qty)] for price, qty in bids],
            "lastUpdateId": str(self.update_id),
            "timestamp": self.timestamp,
        }
        return json.dumps(reply, separators=(",", ":"))


class Truth:
    """The shadow books of all markets, by symbol."""

    def __init__(self, snapshots: dict[str, str]) -> None:
        self._books = {symbol: ShadowBook(body) for symbol, body in snapshots.items()}

    def book(self, symbol: str) -> ShadowBook:
        """The book of a market; one without a snapshot starts empty at id 0."""
        return self._books.setdefault(symbol, ShadowBook())

    def symbols(self) -> Iterable[str]:
        """The markets that have a book."""
        return self._books.keys()

    def note(self, symbol: str, text: str) -> None:
        """Remember one emitted depth frame of a market."""
        self.book(symbol).note(text)

    def restart(self, snapshots: dict[str, str]) -> None:
        """Start books anew from these bodies, forgetting the frames before: a feed's next round."""
        self._books.update({symbol: ShadowBook(body) for symbol, body in snapshots.items()})
