"""The way back: depth frames that lead a feed's last book to its first one, with the next ids.

Deletes come before additions, so that the book never crosses on the way. A realtime topic walks
one level per frame; a throttled one gets everything in one frame, as at the end of a window.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.venue.feed import Feed
from tests.venue.link import Cue, depth_symbol
from tests.venue.shadow_book import EMPTY_BODY, ShadowBook

Change = tuple[str, Decimal, Decimal]  # side ("a" or "b"), price, new quantity


@dataclass(frozen=True, slots=True)
class Stretch:
    """The update ids of one market in a feed: those in (`before`, `last`] occur in it.

    `steps` further ids are used for the way back.
    """

    before: int
    last: int
    steps: int

    @property
    def length(self) -> int:
        """How far ids move from one round to the next."""
        return self.last + self.steps - self.before


def _places(levels: list[Any], column: int) -> int:
    return max((len(level[column].partition(".")[2]) for level in levels), default=0)


class TopicEnd:
    """One depth topic at the end of a feed: its last id, its book, and how it pads numbers."""

    def __init__(self, topic: str, start: str, frames: list[dict[str, Any]]) -> None:
        self.topic = topic
        self.book = ShadowBook(start)
        self.first = ShadowBook(start)
        for data in frames:
            self.book.apply(data)
        self.last_id: int = frames[-1]["u"]
        self.time: int = frames[-1]["E"]
        levels = [level for data in frames[:500] for level in data["a"] + data["b"]]
        self._places = (_places(levels, 0), _places(levels, 1))

    def changes(self) -> list[Change]:
        """What leads from the last book to the first one: deletes, then additions."""
        gone: list[Change] = []
        back: list[Change] = []
        sides = (("a", self.book.asks, self.first.asks), ("b", self.book.bids, self.first.bids))
        for side, now, then in sides:
            gone += [(side, price, Decimal(0)) for price in now if price not in then]
            back += [(side, p, qty) for p, qty in then.items() if now.get(p) != qty]
        return gone + back

    def text(self, changes: list[Change], ids: tuple[int, int], time_us: int) -> str:
        """One depth frame with these changes and the ids (U, u)."""
        sides: dict[str, list[list[str]]] = {"a": [], "b": []}
        for side, price, qty in sorted(changes):
            sides[side].append([self._pad(price, 0), self._pad(qty, 1)])
        first, last = ids
        data = {"E": time_us, "T": time_us, "U": first, **sides, "e": "depth"}
        data |= {"s": depth_symbol(self.topic), "u": last}
        return json.dumps({"data": data, "stream": self.topic}, separators=(",", ":"))

    def _pad(self, number: Decimal, column: int) -> str:
        return f"{number:.{self._places[column]}f}"


def _start_body(snapshot: str | None, frames: list[dict[str, Any]]) -> str:
    """The snapshot, or an empty book just before the first frame."""
    if snapshot is not None:
        return snapshot
    return json.dumps(json.loads(EMPTY_BODY) | {"lastUpdateId": str(frames[0]["U"] - 1)})


class WayBack:
    """The way back of one market: its id `stretch`, and `cues` that undo the whole feed."""

    def __init__(self, symbol: str, feed: Feed, ids: list[int]) -> None:
        self._symbol = symbol
        self._feed = feed
        self._ends = list(self._topic_ends())
        live = [end for end in self._ends if end.topic == f"depth.{symbol}"]
        self._walk = live[0].changes() if live else []
        before = int(self._ends[0].first.update_id) if self._ends else min(ids) - 1
        steps = max(1, len(self._walk)) if self._ends else 0
        self.stretch = Stretch(before, max(ids), steps)

    def _topic_ends(self) -> Iterator[TopicEnd]:
        for topic in sorted(self._feed.topics):
            if depth_symbol(topic) == self._symbol:
                texts = [cue.text for cue in self._feed.cues if cue.topic == topic]
                frames = [json.loads(text)["data"] for text in texts]
                start = _start_body(self._feed.snapshots.get(self._symbol), frames)
                yield TopicEnd(topic, start, frames)

    def start_body(self, number: int) -> str | None:
        """The REST depth body at the beginning of round `number`, with its shifted id."""
        if not self._ends:
            return None
        body = json.loads(self._ends[0].first.body())
        body["lastUpdateId"] = str(self.stretch.before + number * self.stretch.length)
        return json.dumps(body, separators=(",", ":"))

    def cues(self) -> Iterator[Cue]:
        """The frames of the way back, realtime first, each 1 us after the other."""
        end_ns = self._feed.cues[-1].t_ns
        for end in self._ends:
            texts = self._walked(end) if end.topic == f"depth.{self._symbol}" else [self._all(end)]
            for step, text in enumerate(texts, 1):
                yield Cue(end_ns + step * 1000, end.topic, text, self._symbol)
        if self._ends and f"bookTicker.{self._symbol}" in self._feed.topics:
            yield from self._touch(end_ns + (self.stretch.steps + 1) * 1000)

    def _walked(self, end: TopicEnd) -> Iterator[str]:
        first = end.last_id + 1
        for step in range(self.stretch.steps):
            last = self.stretch.last + step + 1
            yield end.text(self._walk[step : step + 1], (first, last), end.time + step + 1)
            first = last + 1

    def _all(self, end: TopicEnd) -> str:
        ids = (end.last_id + 1, self.stretch.last + self.stretch.steps)
        return end.text(end.changes(), ids, end.time + self.stretch.steps + 1)

    def _touch(self, t_ns: int) -> Iterator[Cue]:
        end = self._ends[0]
        if not end.first.bids or not end.first.asks:
            return
        bid, ask = max(end.first.bids), min(end.first.asks)
        time_us = end.time + self.stretch.steps + 1
        data = {
            "A": end._pad(end.first.asks[ask], 1),
            "B": end._pad(end.first.bids[bid], 1),
            "E": time_us,
            "T": time_us,
            "a": end._pad(ask, 0),
            "b": end._pad(bid, 0),
            "e": "bookTicker",
            "s": self._symbol,
            "u": self.stretch.last + self.stretch.steps,
        }
        topic = f"bookTicker.{self._symbol}"
        text = json.dumps({"data": data, "stream": topic}, separators=(",", ":"))
        yield Cue(t_ns, topic, text, None)
