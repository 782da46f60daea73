"""What a replay has to say for itself at its end."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from time import monotonic

from replay.replay import Replay
from schemas.frames import Frame
from schemas.gaps import GapKey
from schemas.rows import Gap, Row
from schemas.tables import TABLES
from tape.manifest import Manifest
from tape.moment import length, stamp
from tape.reader import Part, discontinued, headless, holes, pruned_between, unkept

# Of gaps that are the recorder's own, and not the venue's.
_OWN_CAUSES = {
    "disconnect": "while the recorder was not connected",
    "loss": "of frames that arrived and could not be kept",
    "load": "while the recorder did not keep up",
    "load_frames": "of frames that it did not keep then",
    "load_rows": "of frames that it kept then without making rows",
}


class Report:
    """Counts what a replay gives out.

    frames, rows: how many; rows per table in ``tables``.
    """

    def __init__(self, replay: Replay) -> None:
        self.frames = 0
        self._replay = replay
        self._gone = {
            name: pruning
            for each in replay.recordings
            for name, pruning in each.away.unplayable.items()
        }
        self._rows: Counter[type[Row]] = Counter()
        self._holes: dict[tuple[object, ...], str] = {}  # causes of gaps
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
            if type(row) is Gap:
                self._holes.setdefault((self._replay.session, *GapKey.of(row)), row.cause)

    def gaps(self) -> Counter[str]:
        """Gaps by cause; each once, whether or not it has ended."""
        return Counter(self._holes.values())

    def losses(self) -> list[str]:
        """What the recorder is known to have missed of what was played, as sentences."""
        segments, gaps = self._segments(), self.gaps()
        found = [f"{segment.name}: {loss}" for segment in segments for loss in segment.losses]
        found += [f"{name}: missing between its neighbours" for name in holes(segments, self._gone)]
        found += self._ends()
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
        for folder in (r.tape.account_folder for r in self._replay.recordings if r.tape.public):
            yield f"without what is of an account: {folder} is not there, or may not be read"
        if apart := sum(self._is_apart(*pair) for pair in pairwise(self._segments())):
            yield f"not kept, as nothing had happened: what was between {apart + 1} dumps of a ring"
        for loss in self.losses():
            yield f"loss: {loss}"
        for note in self._replay.notes:
            yield f"note: {note}"

    def _is_apart(self, one: Manifest, following: Manifest) -> bool:
        """Whether something between two segments was not to be kept."""
        parts: list[Part] = [one, *pruned_between(one, following, self._gone), following]
        return any(unkept(*pair) for pair in pairwise(parts))

    def _ends(self) -> Iterator[str]:
        """Beginnings and ends of sessions that were asked for and are not there."""
        replay = self._replay
        for one in headless(replay.segments, self._gone):
            if replay.span.start < one.first_ts < replay.span.until:
                yield f"{one.name}: is not where its session began; what was before is not there"
        for tape, segments, _ in replay.recordings:
            for one, following in discontinued(tape, segments, self._gone):
                if replay.span.start <= one.last_ts < replay.span.until:
                    yield f"{one.name}: was to be continued by {following}, which is not there"

    def _segments(self) -> list[Manifest]:
        """Those of which something was asked for."""
        start, until = self._replay.span
        return [s for s in self._replay.segments if s.last_ts >= start and s.first_ts < until]


def _counts(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
