"""What a recorder that did not keep up had to shed, as its tape says: which frames make no rows,
and the gaps of that.

The level (`schemas.shedding`) is on the tape, so live, sealing and replay skip the same frames.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from market.control import UNREADABLE
from market.depth import DepthTracker
from market.gaps import Ending, Hole, Place, Seen, gap_row
from market.lanes import LONGEST_NAME, Lane, Lanes
from market.notes import reject_row, session_row
from schemas.columns import Count
from schemas.frames import Frame, LoadTurned
from schemas.rows import Row
from schemas.shedding import (
    LOAD,
    LOAD_FRAMES,
    LOAD_ROWS,
    STREAM_LIMIT,
    Level,
    family,
    rank_of,
    sheds_rows,
    stream_of,
)
from schemas.topics import Topic

_RESUMED = "resumed"
_INT64_MAX = 2**63 - 1
_LEVELS = frozenset(Level)

Release = Callable[[Frame, str], list[Row]]


class LoadState(msgspec.Struct):
    """Keyframe of it.

    since: for each level up to the one that holds, the frame that raised it there. skipped, lost:
    by stream, what gap rows will say once it is over.
    """

    since: list[Seen] = []
    skipped: dict[str, Count] = {}
    lost: dict[str, Count] = {}


class _Ended(NamedTuple):
    """What is not shed any more: of streams of a rank."""

    cause: str
    counts: Counter[str]
    rank: int


class Load:
    """The level that holds, and what it has cost so far.

    level: 0: nothing is shed. skips_at: frames skipped at each level, of all segments.
    release: lets go what waits of a stream (`market.weave`), and gives its rows.
    """

    __slots__ = ("_lanes", "_lost", "_release", "_since", "_skipped", "level", "skips_at")

    def __init__(self, lanes: Lanes, release: Release) -> None:
        self._lanes = lanes
        self._release = release
        self.skips_at: Counter[int] = Counter()
        self.restore(LoadState())

    def skips(self, payload: bytes) -> bool:
        """Whether no rows are to be made of a message, which counts then."""
        stream = stream_of(payload)
        if stream is None or stream.rank > self.level:
            return False
        _count(self._skipped, stream.name, 1)
        self.skips_at[self.level] += 1
        return True

    def mutes(self, topic: Topic) -> bool:
        """Whether the frames of a stream are skipped."""
        return self.level > 0 and sheds_rows(self.level, rank_of(str(topic)))

    def turned(self, frame: Frame) -> list[Row]:
        """Rows of a LOAD frame: books that are lost, gaps that are over."""
        rows: list[Row] = [session_row(frame)]
        try:
            noted = msgspec.json.decode(frame.payload, type=LoadTurned)
            self._add(noted)
        except UNREADABLE as error:
            return [*rows, reject_row(frame, None, "bad_field", str(error))]
        while self.level < noted.level:
            self._since.append(Seen.at(frame))
            rows += self._raise(frame)
        while self.level > noted.level:
            rows += self._lower(frame)
        return rows

    def export(self) -> LoadState | msgspec.UnsetType:
        """Keyframe; unset where nothing is shed, and nothing left to be told."""
        state = LoadState(self._since[:], dict(self._skipped), dict(self._lost))
        return msgspec.UNSET if state == LoadState() else state

    def restore(self, saved: LoadState | msgspec.UnsetType) -> None:
        """Become what a keyframe says."""
        known = LoadState() if saved is msgspec.UNSET else saved
        self._since = known.since[: max(Level)]
        self._skipped = Counter(known.skipped)
        self._lost = Counter(known.lost)
        self.level = len(self._since)

    def _add(self, noted: LoadTurned) -> None:
        """Frames that were not taken; raises ValidationError for what cannot be."""
        if noted.level not in _LEVELS:
            raise msgspec.ValidationError(f"there is no level {noted.level}")
        for name, count in noted.lost.items():
            total = self._lost[name] + count
            if len(name) > LONGEST_NAME or not 0 < count <= total <= _INT64_MAX:
                raise msgspec.ValidationError(f"{count} frames of {name[:64]!r} lost")
        for name, count in noted.lost.items():
            _count(self._lost, name, count)

    def _raise(self, frame: Frame) -> list[Row]:
        """One level up: the books of what makes no rows any more are not known from here on. What
        waits came while rows were made, so it makes some; what belongs before it is skipped."""
        self.level += 1
        rows: list[Row] = []
        for lane in self._lanes_at(self.level):
            rows += self._release(frame, lane.name)
            if isinstance(lane.tracker, DepthTracker):
                rows += lane.tracker.muted(frame)
            else:
                rows += lane.tracker.shed(frame, LOAD)
        return rows

    def _lower(self, frame: Frame) -> list[Row]:
        """One level down: streams go on, those with a book from a snapshot."""
        over, since = self.level, self._since.pop()
        self.level -= 1
        if over > Level.NO_ROWS:
            ended = _Ended(LOAD_FRAMES, self._lost, over - Level.NO_ROWS)
        else:
            ended = _Ended(LOAD_ROWS, self._skipped, over)
        rows: list[Row] = []
        for name in sorted(name for name in ended.counts if rank_of(name) == ended.rank):
            hole = Hole(ended.cause, since, missing=ended.counts.pop(name))
            ending = Ending(_RESUMED, Seen.at(frame))
            rows.append(gap_row(Place(frame, Topic.parse(name)), hole, ending))
        for lane in self._lanes_at(over):
            rows += self._release(frame, lane.name)  # of what was looked at all the same
            rows += lane.tracker.shed(frame, LOAD)
        return rows

    def _lanes_at(self, level: int) -> Iterator[Lane]:
        """Of the streams that make no rows from this level on, in an order that does not depend on
        the past."""
        lanes = (lane for lane in self._lanes.values() if lane is not None)
        at_level = (lane for lane in lanes if rank_of(lane.name) == level)
        yield from sorted(at_level, key=lambda lane: lane.name)


def _count(counts: Counter[str], name: str, more: int) -> None:
    """A stream too many counts with others of its kind."""
    if len(counts) >= STREAM_LIMIT and name not in counts:
        name = family(name)
    counts[name] = min(counts[name] + more, _INT64_MAX)  # a family may have more
