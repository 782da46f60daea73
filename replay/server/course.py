"""The frames of a recording from any position on, and where a time or a number is in it."""

from collections import deque
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from schemas.errors import UsageError
from schemas.rows import Gap
from tape.history import Mark
from tape.layout import SegmentName, Tape
from tape.manifest import Manifest
from tape.moment import moment, stamp
from tape.reader import Filed, read_filed, read_frames, read_rows, seq_at, unkept
from tape.view import seen


class Stretch(NamedTuple):
    """Some frames of a segment, in order.

    segment: its index. zero: tape time at which its session's monotonic clock showed 0, so that
    ``zero + frame.ts_mono`` is the frame's: wall time at the session's beginning, and monotonic
    from there, so that a wall clock that was set neither stops nor hurries it.
    """

    segment: int
    session: str
    zero: int
    frames: list[Filed]

    def time(self, index: int) -> int:
        """Tape time of one of its frames."""
        return self.zero + self.frames[index].frame.ts_mono

    def until(self, end: Mark) -> "Stretch":
        """What of it is not behind a position."""
        if (self.segment, self.frames[-1].frame.seq) <= end:
            return self
        kept = [filed for filed in self.frames if (self.segment, filed.frame.seq) <= end]
        return self._replace(frames=kept)


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
            zero = self._zero(segment.session)
            for frames in read_filed(self._tape, segment, after + 1):
                stretch = Stretch(index, segment.session, zero, frames).until(self.end)
                if stretch.frames:
                    yield stretch
                if len(stretch.frames) < len(frames):
                    return

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
            return stretch.zero + stretch.frames[0].frame.ts_mono
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

    def begins_anew(self, stretch: Stretch) -> bool:
        """Whether a stretch is the first of such a segment."""
        first = stretch.frames[0].frame.seq
        at_head = first == self.segments[stretch.segment].first_seq
        return at_head and self.is_apart(stretch.segment)

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
