"""What the venue of a soak has sent, frame by frame, in a file: 11 bytes each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

TOPIC_SHIFT = 52  # of a key: the topic's number above, an id or a time in microseconds below
RECORD = np.dtype([("key", "<i8"), ("links", "u1"), ("conn", "<u2")])

_NUMBER = {
    "depth": re.compile(r'"u":(\d+)'),
    "bookTicker": re.compile(r'"u":(\d+)'),
    "trade": re.compile(r'"t":(\d+)'),
}
_TIME = re.compile(r'"E":(\d+)')


def pattern(channel: str) -> re.Pattern[str]:
    """What finds the number by which a frame of a channel is known: its id, else when it was
    sent."""
    return _NUMBER.get(channel, _TIME)


class SentLog:
    """Writes a record for each frame: its key, on how many connections it went out, and on which
    if it was one (0 otherwise)."""

    def __init__(self, path: Path, topics: Sequence[str]) -> None:
        self._file = path.open("wb")
        self._known = {
            topic: (number << TOPIC_SHIFT, pattern(topic.partition(".")[0]))
            for number, topic in enumerate(topics)
        }

    def note(self, texts: Sequence[tuple[str, str]], links: Sequence[Sequence[int]]) -> None:
        """Topics and texts of frames, and the connections each went out on."""
        records = np.empty(len(texts), RECORD)
        for at, ((topic, text), numbers) in enumerate(zip(texts, links, strict=True)):
            base, number = self._known[topic]
            found = number.search(text)
            assert found is not None, text
            conn = numbers[0] if len(numbers) == 1 else 0
            records[at] = (base + int(found[1]), len(numbers), conn)
        self._file.write(records.tobytes())

    def close(self) -> None:
        """All of it is in the file."""
        self._file.close()
