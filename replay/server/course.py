"""The frames of a recording from any position on, and where a time or a number is in it."""

from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from schemas.errors import UsageError
from schemas.rows import Gap
from tape.history import Mark
from tape.layout import SegmentName, Tape
from tape.manifest import Manifest
from tape.moment import moment, stamp
from tape.reader import Filed, read_filed, read_frames, read_rows, seq_at, unkept
from tape.view import seen

STOPPED = "the recorder had stopped here"
UNKEPT = "nothing was kept behind this"

About = Callable[[str], bool] | None  # whether a topic, or market, is concerned; None: all are


class Part(NamedTuple):
    """A segment: its index in the course, its session, and of which recording it is."""

    segment: int
    session: str
    recording: int = 0


class Stretch(NamedTuple):
    """Some frames in order, and of each its tape time and its segment. Only its first frame may be
    the first of a segment.

    Tape time is wall time at the session's beginning, and monotonic from there, so that a wall
    clock that was set neither stops nor hurries it.
    """

    frames: list[Filed]
    times: list[int]
    parts: list[Part]


class Course:
    """All segments of a recording, one after another.

    left_out: segments that were pruned.
    start, end: the positions between which it is played: before the first frame, at the last.
    """

    def __init__(
        self,
        tape: Tape,
        segments: Sequence[Manifest],
        start: int | str | None = None,
        until: int | str | None = None,
        left_out: Container[SegmentName] = frozenset(),
    ) -> None:
        self.segments = segments
        self._tape = tape
        self._left_out = left_out
        self._zeros: dict[str, int] = {}
        last = len(segments) - 1
        self.start = Mark(0, segments[0].first_seq - 1)
        self.end = Mark(last, segments[last].last_seq)
        if start is not None:
            self.start = self.at_time(start)
        if until is not None:
            self.end = self.at_time(until)
        if self.end <= self.start:
            raise UsageError("nothing to serve: --until is not after --from, or nothing lies there")

    @property
    def first_ts(self) -> int:
        """When the recording begins, ns since the epoch, UTC."""
        return min(segment.first_ts for segment in self.segments)

    @property
    def last_ts(self) -> int:
        """When it ends."""
        return max(segment.last_ts for segment in self.segments)

    def at_time(self, when: int | str) -> Mark:
        """Before the first frame received at or after a time; see `tape.moment`."""
        ts = moment(when, self.first_ts)
        for index, segment in enumerate(self.segments):
            if segment.last_ts >= ts:
                seq = seq_at(self._tape, segment, ts)
                if seq is not None:
                    return self._before(index, seq)
        if ts > self.last_ts + 1:
            raise UsageError(
                f"nothing was recorded at {stamp(ts)}: this recording runs from"
                f" {stamp(self.first_ts)} to {stamp(self.last_ts)}"
            )
        return Mark(len(self.segments) - 1, self.segments[-1].last_seq)

    def at_seq(self, session: str, seq: int) -> Mark:
        """Before a frame of a session; raises UsageError where there is none such."""
        for index, segment in enumerate(self.segments):
            if segment.session == session and segment.last_seq >= seq >= segment.first_seq:
                return self._before(index, seq)
        known = sorted({segment.session for segment in self.segments})
        raise UsageError(
            f"no frame {seq} in session {session!r}; there are"
            + "".join(
                f" {name} (1 to {max(s.last_seq for s in self.segments if s.session == name)})"
                for name in known[:8]
            )
        )

    def session(self, mark: Mark) -> str:
        """The session that a position is in."""
        return self.segments[mark.segment].session

    def read(self, mark: Mark) -> Iterator[Stretch]:
        """The frames behind a position, up to the end."""
        for index in range(mark.segment, self.end.segment + 1):
            segment = self.segments[index]
            after = mark.seq if index == mark.segment else 0
            if after >= segment.last_seq:
                continue
            zero, part = self._zero(segment.session), Part(index, segment.session)
            for filed in read_filed(self._tape, segment, after + 1):
                frames = self._upto_end(index, filed)
                if frames:
                    times = [zero + frame.ts_mono for frame, _ in frames]
                    yield Stretch(frames, times, [part] * len(frames))
                if len(frames) < len(filed):
                    return

    def _upto_end(self, segment: int, frames: list[Filed]) -> list[Filed]:
        if (segment, frames[-1].frame.seq) <= self.end:
            return frames
        return [filed for filed in frames if (segment, filed.frame.seq) <= self.end]

    def passed(self, mark: Mark, part: Part, seq: int) -> Mark:
        """The position behind a frame, which is the next one of its recording."""
        del mark
        return Mark(part.segment, seq)

    def is_behind(self, mark: Mark, part: Part, seq: int) -> bool:
        """Whether a frame lies behind a position."""
        return (part.segment, seq) > mark

    def spans(self, *marks: Mark) -> bool:
        """Whether positions are in order, and within what is served."""
        return all(one <= other for one, other in pairwise([self.start, *marks, self.end]))

    def about(self, recording: int) -> About:
        """What is of a recording; None: everything."""
        del recording
        return None

    def gaps(self, segment: int) -> dict[int, Gap]:
        """The rows of gaps of a segment, by the frame that showed them; the first one of each."""
        found: dict[int, Gap] = {}
        for entry in seen(self._tape, self.segments[segment].files_of(Gap.TABLE)):
            for rows in read_rows(self._tape, entry):
                for row in rows:
                    if isinstance(row, Gap):
                        found.setdefault(row.seq, row)
        return found

    def time(self, mark: Mark) -> int:
        """Tape time of the next frame behind a position; that of the last one at the end."""
        for stretch in self.read(mark):
            return stretch.times[0]
        segment = self.segments[self.end.segment]
        last = next(read_frames(self._tape, segment, self.end.seq), None)
        if last is None:  # it is of an account
            (last,) = deque(read_frames(self._tape, segment), maxlen=1)
        return self._zero(segment.session) + last.ts_mono

    def is_apart(self, index: int) -> bool:
        """Whether what came before a segment in its session was not to be kept, or was pruned."""
        if index == 0 or self.segments[index - 1].session != self.segments[index].session:
            return False
        before, segment = self.segments[index - 1], self.segments[index]
        numbers = before.number + 1, segment.number - 1
        pruned = any(SegmentName(segment.session, n) in self._left_out for n in numbers)
        return pruned or unkept(before, segment)

    def seam(self, mark: Mark, stretch: Stretch) -> str:
        """Why clients have to begin anew before a stretch that follows on a position: the recorder
        was started again, or the first segment of it is such a one. Empty where they have not."""
        part = stretch.parts[0]
        if part.session != self.session(mark):
            return STOPPED
        at_head = stretch.frames[0].frame.seq == self.segments[part.segment].first_seq
        return UNKEPT if at_head and self.is_apart(part.segment) else ""

    def _before(self, index: int, seq: int) -> Mark:
        """The position in front of a frame. In front of a segment that goes on where another ended
        it is the end of that one, with all that was known then."""
        if index and seq <= self.segments[index].first_seq:
            before = self.segments[index - 1]
            if before.session == self.segments[index].session and not self.is_apart(index):
                return Mark(index - 1, before.last_seq)
        return Mark(index, seq - 1)

    def _zero(self, session: str) -> int:
        if session not in self._zeros:
            first = next(segment for segment in self.segments if segment.session == session)
            frame = next(read_frames(self._tape, first))
            self._zeros[session] = frame.ts_recv - frame.ts_mono
        return self._zeros[session]
