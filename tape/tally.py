"""Counts over a segment for its manifest."""

from collections import Counter
from collections.abc import Sequence

from schemas.frames import Frame, Kind
from schemas.rows import Row


class Tally:
    """Counts frames and rows, and notes where ``seq`` does not go on by one.

    first_*, last_*: of the first and last frame; 0 before there is one.
    topics: data frames per stream, ``""`` where it cannot be read.
    jumps: pairs of seqs that follow one another without being neighbours.
    """

    def __init__(self) -> None:
        self.first_seq = self.last_seq = 0
        self.first_ts = self.last_ts = 0
        self.kinds: Counter[str] = Counter()
        self.topics: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.jumps: list[tuple[int, int]] = []

    def add(self, frame: Frame, topic: str | None, rows: Sequence[Row]) -> None:
        """Count a frame, filed under ``topic``, and its rows."""
        if not self.kinds:
            self.first_seq, self.first_ts = frame.seq, frame.ts_recv
        elif frame.seq != self.last_seq + 1:
            self.jumps.append((self.last_seq, frame.seq))
        self.last_seq, self.last_ts = frame.seq, frame.ts_recv
        self.kinds[frame.kind.value] += 1
        if frame.kind is Kind.DATA:
            self.topics[topic or ""] += 1
        for row in rows:
            self.rows[row.TABLE] += 1
