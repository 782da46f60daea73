"""What a replay has to say for itself at its end."""

from collections import Counter
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import NamedTuple

from replay.moment import length, stamp
from replay.replay import Replay
from schemas.frames import Frame
from schemas.rows import TABLES, Gap, Row
from tape.doubts import gap_key, is_stop
from tape.manifest import Manifest
from tape.reader import holes

# Of gaps that are the recorder's own, and not the venue's.
_OWN_CAUSES = {
    "disconnect": "while the recorder was not connected",
    "loss": "of frames that arrived and could not be kept",
}


class _Hole(NamedTuple):
    """A gap by its newest row. shown: monotonic clock of its session at the first one."""

    session: str
    row: Gap
    shown: int


class Report:
    """Counts what a replay gives out.

    frames, rows: how many; rows per table in ``tables``.
    """

    def __init__(self, replay: Replay) -> None:
        self.frames = 0
        self._replay = replay
        self._rows: Counter[type[Row]] = Counter()
        self._holes: dict[tuple[object, ...], _Hole] = {}
        self._now: dict[str, int] = {}  # monotonic clock of each session
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
        self._now[self._replay.session] = frame.ts_mono
        for row in rows:
            self._rows[type(row)] += 1
            if type(row) is Gap:
                self._note(row, frame.ts_mono)

    def gaps(self) -> Counter[str]:
        """Gaps by cause; each once, whether or not it has ended, and no session's mere end."""
        return Counter(hole.row.cause for hole in self._holes.values() if not self._is_stop(hole))

    def losses(self) -> list[str]:
        """What the recorder is known to have missed of what was played, as sentences."""
        segments, gaps = self._segments(), self.gaps()
        found = [f"{segment.name}: {loss}" for segment in segments for loss in segment.losses]
        found += [f"{name}: missing between its neighbours" for name in holes(segments)]
        own = [(gaps[cause], what) for cause, what in _OWN_CAUSES.items() if gaps[cause]]
        return found + [f"{count} gap{'s'[: count > 1]} {what}" for count, what in own]

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
        gaps = self.gaps()
        yield f"gaps: {_counts(gaps)}" if gaps else "no gaps"
        verdicts = Counter(segment.verdict.value for segment in self._segments())
        yield f"segments: {_counts(verdicts)}"
        for loss in self.losses():
            yield f"loss: {loss}"

    def _note(self, row: Gap, now: int) -> None:
        """Of a gap with two rows, the second takes the place of the first."""
        session = self._replay.session
        key = (session, *gap_key(row))
        before = self._holes.get(key)
        self._holes[key] = _Hole(session, row, now if before is None else before.shown)

    def _is_stop(self, hole: _Hole) -> bool:
        waited = self._now[hole.session] - hole.shown
        return hole.row.ts_until is None and is_stop(hole.row, waited)

    def _segments(self) -> list[Manifest]:
        """Those of which something was asked for."""
        start, until = self._replay.span
        return [s for s in self._replay.segments if s.last_ts >= start and s.first_ts < until]


def _counts(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
