"""Counts over a segment for its manifest."""

from collections import Counter
from collections.abc import Sequence

from schemas.frames import Frame, Kind
from schemas.rows import Row
from tape.losses import missing_at, next_seq


class Tally:
    """Counts frames and rows, and notes where ``seq`` does not go on by one.

    first_seq, last_seq: of the first and last frame; 0 before there is one.
    first_ts, last_ts: the lowest and the highest, which a wall clock that was set back may have
        given to other frames.
    topics: data frames per stream, ``""`` where it cannot be read.
    jumps: pairs of seqs that follow one another without being neighbours, but for a LOSS frame
        that stands for those between.
    """

    def __init__(self) -> None:
        self.first_seq = self.last_seq = 0
        self.first_ts = self.last_ts = 0
        self.kinds: Counter[str] = Counter()
        self.topics: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.jumps: list[tuple[int, int]] = []
        self._next = 0

    def add(self, frame: Frame, topic: str | None, rows: Sequence[Row]) -> None:
        """Count a frame, filed under ``topic``, and its rows."""
        if not self.kinds:
            self.first_seq = frame.seq
            self.first_ts = self.last_ts = frame.ts_recv
        elif frame.seq != self._next:
            self.jumps.append((self.last_seq, frame.seq))
        self._next = next_seq(frame)
        if missing_at(frame):
            self.jumps.append((frame.seq - 1, self._next))
        self.last_seq = frame.seq
        self.first_ts = min(self.first_ts, frame.ts_recv)
        self.last_ts = max(self.last_ts, frame.ts_recv)
        self.kinds[frame.kind.value] += 1
        if frame.kind is Kind.DATA:
            self.topics[topic or ""] += 1
        for row in rows:
            self.rows[row.TABLE] += 1
