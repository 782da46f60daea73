"""What a replay has to say for itself at its end."""

from collections import Counter
from collections.abc import Iterable, Iterator
from time import monotonic

from replay.moment import length, stamp
from replay.replay import Replay
from schemas.frames import Frame
from schemas.rows import TABLES, Gap, Row
from tape.manifest import Manifest
from tape.reader import holes

_OWN_GAP = "disconnect"  # ids missed between two connections, by us and not by the venue


class Report:
    """Counts what a replay gives out.

    frames, rows: how many; rows per table in ``tables``.
    """

    def __init__(self, replay: Replay) -> None:
        self.frames = 0
        self._replay = replay
        self._rows: Counter[type[Row]] = Counter()
        self._own_gaps = 0
        self._first: Frame | None = None
        self._last: Frame | None = None
        self._began = monotonic()

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return self._rows.total()

    def see(self, frame: Frame, rows: Iterable[Row]) -> None:
        """Count a frame and its rows."""
        self.frames += 1
        if self._first is None:
            self._first = frame
        self._last = frame
        for row in rows:
            self._rows[type(row)] += 1
            if type(row) is Gap and row.cause == _OWN_GAP:
                self._own_gaps += 1

    def losses(self) -> list[str]:
        """What the recorder is known to have missed of what was played, as sentences."""
        segments = self._segments()
        found = [f"{segment.name}: {loss}" for segment in segments for loss in segment.losses]
        found += [f"{name}: missing between its neighbours" for name in holes(segments)]
        if self._own_gaps:
            found.append(f"{self._own_gaps} gaps while the recorder was not connected")
        return found

    def lines(self) -> Iterator[str]:
        """The summary."""
        seconds = max(monotonic() - self._began, 1e-9)
        yield (
            f"replayed {self.frames:,} frames, {self.rows:,} rows in {seconds:.1f} s"
            f" ({self.frames / seconds:,.0f} frames/s)"
        )
        if self._first is not None and self._last is not None:
            first, last = self._first.ts_recv, self._last.ts_recv
            yield f"from {stamp(first)} to {stamp(last)} ({length(max(last - first, 0))})"
        if self._rows:
            yield "rows: " + _counts({row.TABLE: self._rows[row] for row in TABLES.values()})
        yield f"gaps: {self._rows[Gap]:,}" if self._rows[Gap] else "no gaps"
        verdicts = Counter(segment.verdict.value for segment in self._segments())
        yield f"segments: {_counts(verdicts)}"
        for loss in self.losses():
            yield f"loss: {loss}"

    def _segments(self) -> list[Manifest]:
        """Those of which something was asked for."""
        start, until = self._replay.span
        return [s for s in self._replay.segments if s.last_ts >= start and s.first_ts < until]


def _counts(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
