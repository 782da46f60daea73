"""A feed played round after round: update ids, trade ids and times go on without a hole.

Each round ends with the way back (`tests.venue.rewind`) to the books the feed began with. Further
rounds repeat the frames behind the snapshots with all numbers shifted; the text is otherwise
untouched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.venue.feed import Feed
from tests.venue.link import Cue
from tests.venue.rewind import WayBack
from tests.venue.topics import symbol_of

NUMBER = re.compile(r'"(E|T|U|u|t|timestamp)":(\d+)')
CANDLE = re.compile(r'(?<="[tT]":")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)')
MINUTE_NS = 60_000_000_000
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Shifts:
    """What one round adds: to time (ns), to update ids and to trade ids of one frame's market."""

    span_ns: int
    update_id: int
    trade_id: int

    def of(self, key: str) -> int:
        """The growth of one numbered key in its own unit (protocol sections 2.1 to 2.9)."""
        if key in "ET":
            return self.span_ns // 1000
        if key == "timestamp":
            return self.span_ns // 1_000_000
        return self.trade_id if key == "t" else self.update_id


class Template:
    """One frame with its numbers taken out, to be filled in for any round."""

    def __init__(self, cue: Cue, shifts: Shifts) -> None:
        found = NUMBER.findall(cue.text)
        self._cue = cue
        self._text = NUMBER.sub(r'"\1":%d', cue.text.replace("%", "%%"))
        self._values = tuple(int(value) for _, value in found)
        self._shifts = tuple(shifts.of(key) for key, _ in found)
        self._span_ns = shifts.span_ns
        self._candle = cue.topic.startswith("kline.")

    def cue_at(self, number: int) -> Cue:
        """The frame as of round `number`; round 0 is the frame itself."""
        pairs = zip(self._values, self._shifts, strict=True)
        text = self._text % tuple([value + number * shift for value, shift in pairs])
        if self._candle:
            text = self._moved_candle(text, number)
        _, topic, _, book = self._cue
        return Cue(self._cue.t_ns + number * self._span_ns, topic, text, book)

    def _moved_candle(self, text: str, number: int) -> str:
        move = timedelta(microseconds=number * self._span_ns // 1000)
        return CANDLE.sub(lambda m: (datetime.fromisoformat(m[1]) + move).isoformat(), text)


class Reel:
    """The endless rounds of a feed; `snapshots(n)` are the books at the beginning of round n."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._trade_ids: dict[str, list[int]] = {}
        self._ways = {s: WayBack(s, feed, ids) for s, ids in self._update_ids().items()}
        back = [cue for way in self._ways.values() for cue in way.cues()]
        back.sort(key=lambda cue: cue.t_ns)
        self._span_ns = self._span()
        self._first = [*feed.cues, *back]
        kept = [again for cue in feed.cues if (again := self._again(cue)) is not None]
        self._templates = [Template(cue, self._shifts(cue)) for cue in [*kept, *back]]

    def snapshots(self, number: int) -> dict[str, str]:
        """REST depth bodies by symbol at the beginning of round `number`."""
        bodies = {symbol: way.start_body(number) for symbol, way in self._ways.items()}
        return {symbol: body for symbol, body in bodies.items() if body is not None}

    def size(self, number: int) -> int:
        """How many frames round `number` has."""
        return len(self._templates) if number else len(self._first)

    def round(self, number: int, start: int = 0, stop: int | None = None) -> Iterator[Cue]:
        """The frames [start, stop) of round `number`."""
        if number == 0:
            return iter(self._first[start:stop])
        return (template.cue_at(number) for template in self._templates[start:stop])

    def _update_ids(self) -> dict[str, list[int]]:
        ids: dict[str, list[int]] = {}
        for cue in self._feed.cues:
            data = json.loads(cue.text).get("data", {}) if cue.topic else {}
            symbol = symbol_of(cue.topic)
            if symbol and isinstance(data.get("u"), int):
                ids.setdefault(symbol, []).append(data["u"])
            if cue.topic.startswith("trade."):
                self._trade_ids.setdefault(cue.topic, []).append(data["t"])
        return ids

    def _span(self) -> int:
        """Whole minutes if there are candles, which can move by minutes only, else seconds."""
        cues = self._feed.cues
        grain = MINUTE_NS if any(cue.topic.startswith("kline.") for cue in cues) else SECOND_NS
        return ((cues[-1].t_ns - cues[0].t_ns) // grain + 1) * grain

    def _shifts(self, cue: Cue) -> Shifts:
        way = self._ways.get(symbol_of(cue.topic) or "")
        trades = self._trade_ids.get(cue.topic, [0])
        length = way.stretch.length if way else 0
        return Shifts(self._span_ns, length, trades[-1] - trades[0] + 1)

    def _again(self, cue: Cue) -> Cue | None:
        """The frame for later rounds: None if older than the snapshot, cut if it straddles it."""
        way = self._ways.get(symbol_of(cue.topic) or "")
        if way is None or not cue.topic.startswith(("depth.", "bookTicker.")):
            return cue
        data: dict[str, Any] = json.loads(cue.text)["data"]
        before = way.stretch.before
        if data["u"] <= before:
            return None
        if data.get("U", data["u"]) <= before:
            return cue._replace(text=re.sub(r'"U":\d+', f'"U":{before + 1}', cue.text))
        return cue
