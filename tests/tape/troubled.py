"""A recording of one market whose books come and go, made of a list of things that happen."""

import json
from collections.abc import Iterable
from pathlib import Path

from tests.tapes import Recording, Setting

SYMBOL = "SOL_USDC"
TOPICS = (f"depth.{SYMBOL}", f"depth.200ms.{SYMBOL}")
SECOND = 1_000_000_000
DAY = 86_400 * SECOND

Levels = list[tuple[str, str]]


class Market:
    """The venue's market and the recorder of it. All that can happen to them is a method."""

    HAPPENINGS = (
        *("delta", "delta", "delta", "delta", "empty_delta", "throttled", "throttled"),
        *("snapshot", "snapshot", "bare_snapshot", "wrong_snapshot", "old_snapshot"),
        *("miss", "spoil", "reconnect", "disconnect", "roll", "roll", "leap", "leap_back"),
    )

    def __init__(self, root: Path, session: str = "20260902T164310Z") -> None:
        self.recording = Recording(root, Setting(session=session, every=10))
        self._sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        self._id = 100
        self._sent = 100  # by the throttled stream

    def happen(self, happenings: Iterable[str]) -> None:
        """One after another, from the beginning of the recording to its end."""
        self.recording.begin(TOPICS)
        self.recording.connect()
        for index, happening in enumerate(happenings):
            self.recording.pass_(SECOND // 7)
            if happening in ("delta", "throttled"):
                getattr(self, happening)(index)
            else:
                getattr(self, happening)()
        self.recording.stop()

    def delta(self, index: int) -> None:
        """A level changes, perhaps two."""
        for side in ("b", "a")[index % 2 :]:
            price = f"{10 + index % 5 + 10 * (side == 'a')}.00"
            self._sides[side][price] = f"{index * index % 4}.00"
        self._id += 1
        self._say(TOPICS[0], self._id, self._levels("b")[-1:], self._levels("a")[-2:])

    def empty_delta(self) -> None:
        """An id passes without a change."""
        self._id += 1
        self._say(TOPICS[0], self._id, [], [])

    def throttled(self, index: int) -> None:
        """The throttled stream says what happened since it last did, or what it likes."""
        first, self._sent = self._sent + 1, max(self._id, self._sent + 1)
        self._id = self._sent
        self._say(TOPICS[1], first, [("9.00", f"{index % 3}.00")], self._levels("a"))

    def miss(self) -> None:
        """An id never comes."""
        self._id += 1

    def spoil(self) -> None:
        """A frame cannot be read."""
        self.recording.data(f'{{"stream":"{TOPICS[0]}","data":{{"e":"depth"}}}}')

    def snapshot(self) -> None:
        """Of the book as it is."""
        self._reply(self._id, self._levels("b"), self._levels("a"))

    def bare_snapshot(self) -> None:
        """Of a book that has lost all its levels."""
        self._reply(self._id, [], [])

    def wrong_snapshot(self) -> None:
        """Of some other book."""
        self._reply(self._id, [("7.00", "1.00"), ("7.00", "2.00"), ("6.00", "0.00")], [])

    def old_snapshot(self) -> None:
        """Of a book of long ago."""
        self._reply(self._id - 5, [("5.00", "1.00")], [])

    def disconnect(self) -> None:
        """The connection is over; deltas may still trickle in."""
        self.recording.disconnect()

    def reconnect(self) -> None:
        """It is over, and another one is there."""
        self.recording.disconnect()
        self.recording.connect()

    def roll(self) -> None:
        """A segment ends."""
        self.recording.roll()

    def leap(self) -> None:
        """Somebody sets the clock to the next day."""
        self.recording.wall += DAY

    def leap_back(self) -> None:
        """And back."""
        self.recording.wall -= DAY

    def _levels(self, side: str) -> Levels:
        return sorted(self._sides[side].items())

    def _say(self, topic: str, first: int, bids: Levels, asks: Levels) -> None:
        micros = self.recording.wall // 1_000
        data = {"e": "depth", "s": SYMBOL, "E": micros, "T": micros - 7, "U": first, "u": self._id}
        data |= {"b": bids, "a": asks}
        self.recording.data(json.dumps({"stream": topic, "data": data}))

    def _reply(self, last: int, bids: Levels, asks: Levels) -> None:
        micros = self.recording.wall // 1_000
        body = {"lastUpdateId": str(last), "bids": bids, "asks": asks, "timestamp": micros}
        self.recording.snapshot(SYMBOL, json.dumps(body))
