"""Several recordings on one course, as of shards: their frames pass by tape time."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import itemgetter

from replay.server.course import About, Course, Part, Stretch
from schemas.errors import UsageError
from schemas.rows import Gap
from schemas.topics import Topic
from tape.history import Mark
from tape.layout import SegmentName
from tape.moment import moment, stamp
from tape.reader import Filed
from tape.recorded import recorded_topics
from tape.recordings import Recording

ELSEWHERE = "another recorder goes on from here"

Passing = tuple[int, int, Filed, Part]  # when, and of which recording


class Moment(Mark):
    """A position in several recordings: that in the one of which a frame passed last, and those in
    all of them, in their order."""

    marks: tuple[Mark, ...]

    @classmethod
    def of(cls, marks: Sequence[Mark], last: int) -> "Moment":
        """last: the recording of which a frame passed last."""
        made = cls(*marks[last])
        made.marks = tuple(marks)
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Moment) and self.marks == other.marks

    def __hash__(self) -> int:
        return hash(self.marks)


def marks_of(mark: Mark) -> tuple[Mark, ...]:
    """Of a position in several recordings those in each."""
    assert isinstance(mark, Moment), "positions in several recordings are made here"
    return mark.marks


class Whereabouts:
    """Which segment of all is which segment of a recording."""

    def __init__(self, counts: Sequence[int]) -> None:
        self.firsts = [0, *accumulate(counts)][:-1]

    def local(self, segment: int) -> tuple[int, int]:
        """Recording, and index there."""
        recording = bisect_right(self.firsts, segment) - 1
        return recording, segment - self.firsts[recording]


class Courses:
    """As a `Course`; all positions are a `Moment`, and indexes of segments count through all.

    Raises UsageError where two of the recordings have the same market at the same time.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        start: int | str | None = None,
        until: int | str | None = None,
    ) -> None:
        self._courses = [_course(each) for each in recordings]
        self._names = [_names(each) for each in recordings]
        self.segments = [segment for each in self._courses for segment in each.segments]
        self._where = Whereabouts([len(each.segments) for each in self._courses])
        self._follow = [self._follows(at) for at in range(len(recordings))]
        self.start = self._moment([each.start for each in self._courses])
        self.end = self._moment([each.end for each in self._courses])
        if start is not None:
            self.start = self.at_time(start)
        if until is not None:
            self.end = self.at_time(until)
        for course, end in zip(self._courses, self._locals(self.end), strict=True):
            course.end = end
        if self.start.marks == self.end.marks or not self.spans():
            raise UsageError("nothing to serve: --until is not after --from, or nothing lies there")

    @property
    def first_ts(self) -> int:
        """When the first of them begins, ns since the epoch, UTC."""
        return min(course.first_ts for course in self._courses)

    @property
    def last_ts(self) -> int:
        """When the last of them ends."""
        return max(course.last_ts for course in self._courses)

    def at_time(self, when: int | str) -> Moment:
        """Before the first frame of each that was received at or after a time."""
        ts = moment(when, self.first_ts)
        if ts > self.last_ts + 1:
            raise UsageError(
                f"nothing was recorded at {stamp(ts)}: these recordings run from"
                f" {stamp(self.first_ts)} to {stamp(self.last_ts)}"
            )
        marks = [_at_time(course, ts) for course in self._courses]
        return self._moment(marks, self._newest(marks))

    def at_seq(self, session: str, seq: int) -> Moment:
        """Before a frame of a session, and where the others were when it came."""
        for recording, course in enumerate(self._courses):
            if any(segment.session == session for segment in course.segments):
                mark = course.at_seq(session, seq)
                ts = course.time(mark)
                marks = [_at_time(other, ts) for other in self._courses]
                marks[recording] = mark
                return self._moment(marks, recording)
        known = sorted({segment.session for segment in self.segments})
        raise UsageError(f"no session {session!r}; there are {', '.join(known[:8])}")

    def session(self, mark: Mark) -> str:
        """The session of the frame that passed last."""
        return self.segments[mark.segment].session

    def read(self, mark: Mark) -> Iterator[Stretch]:
        """The frames behind a position, up to the end."""
        places = zip(self._courses, self._locals(mark), strict=True)
        streams = [
            _Stream(self._numbered(recording, course.read(local)))
            for recording, (course, local) in enumerate(places)
        ]
        begun = [
            None if local == course.start else course.segments[local.segment].name
            for course, local in zip(self._courses, self._locals(mark), strict=True)
        ]
        while running := [stream for stream in streams if stream.passing]:
            horizon = min(stream.passing[-1][0] for stream in running)
            passing = [one for stream in running for one in stream.upto(horizon)]
            passing.sort(key=itemgetter(0, 1))
            yield from self._cut(passing, begun)

    def passed(self, mark: Mark, part: Part, seq: int) -> Moment:
        """The position behind a frame, which is the next one of its recording."""
        marks = list(marks_of(mark))
        marks[part.recording] = Mark(part.segment, seq)
        return Moment.of(marks, part.recording)

    def is_behind(self, mark: Mark, part: Part, seq: int) -> bool:
        """Whether a frame lies behind a position."""
        return (part.segment, seq) > marks_of(mark)[part.recording]

    def spans(self, *marks: Mark) -> bool:
        """Whether positions are in order in each of them, and within what is served."""
        of_each = zip(*map(marks_of, [self.start, *marks, self.end]), strict=True)
        return all(list(its) == sorted(its) for its in of_each)

    def gaps(self, segment: int) -> dict[int, Gap]:
        """As `Course.gaps`."""
        recording, index = self._where.local(segment)
        return self._courses[recording].gaps(index)

    def time(self, mark: Mark) -> int:
        """Tape time of the next frame behind a position; that of the last one at the end."""
        local = zip(self._courses, self._locals(mark), strict=True)
        left = [course.time(each) for course, each in local if each < course.end]
        return min(left) if left else max(course.time(course.end) for course in self._courses)

    def seam(self, mark: Mark, stretch: Stretch) -> str:
        """As `Course.seam`; also where a recording follows on another that had one of its markets,
        as when the number of shards was changed."""
        part = stretch.parts[0]
        recording, index = self._where.local(part.segment)
        course, before = self._courses[recording], self._locals(mark)[recording]
        if before == course.start:
            return ELSEWHERE if self._follow[recording] else ""
        local = Part(index, part.session)
        return course.seam(before, stretch._replace(parts=[local]))

    def about(self, recording: int) -> About:
        """What is of a recording: topics of its markets, and others that it has."""
        names = self._names[recording]
        return lambda topic: topic in names or Topic.parse(topic).symbol in names

    def _follows(self, at: int) -> bool:
        """Whether it follows on another one that had one of its markets."""
        course, found = self._courses[at], False
        for other, names in zip(self._courses, self._names, strict=True):
            common = sorted(names & self._names[at])
            if other is course or not common:
                continue
            if other.first_ts <= course.last_ts and course.first_ts <= other.last_ts:
                raise UsageError(
                    f"two of these recordings have {common[0]} at the same time: make one recording"
                    " of them with bp-tape union"
                )
            found = found or other.last_ts < course.first_ts
        return found

    def _cut(
        self, passing: Sequence[Passing], begun: list[SegmentName | None]
    ) -> Iterator[Stretch]:
        """Stretches, of which only the first frame may be the first of a segment. begun: the one
        that each recording is in."""
        start = 0
        for at, (_, recording, _, part) in enumerate(passing):
            name = self.segments[part.segment].name
            if name != begun[recording]:
                begun[recording] = name
                if at > start:
                    yield _stretch(passing[start:at])
                    start = at
        yield _stretch(passing[start:])

    def _numbered(self, recording: int, stretches: Iterator[Stretch]) -> Iterator[list[Passing]]:
        """Its frames; a clock that was set back between two sessions holds none of them up."""
        latest = 0
        for stretch in stretches:
            segment, session, _ = stretch.parts[0]
            part = Part(self._where.firsts[recording] + segment, session, recording)
            found = []
            for time, filed in zip(stretch.times, stretch.frames, strict=True):
                latest = max(latest, time)
                found.append((latest, recording, filed, part))
            yield found

    def _newest(self, marks: Sequence[Mark]) -> int:
        """The one that began last of those that have by then; what is shown of a position."""
        each = enumerate(zip(self._courses, marks, strict=True))
        begun = [(c.first_ts, at) for at, (c, mark) in each if mark != c.start]
        return max(begun, default=(0, 0))[1]

    def _moment(self, marks: Sequence[Mark], last: int = 0) -> Moment:
        """Of positions in each."""
        firsts = zip(self._where.firsts, marks, strict=True)
        return Moment.of([Mark(first + mark.segment, mark.seq) for first, mark in firsts], last)

    def _locals(self, mark: Mark) -> list[Mark]:
        firsts = zip(self._where.firsts, marks_of(mark), strict=True)
        return [Mark(each.segment - first, each.seq) for first, each in firsts]


class _Stream:
    """The frames of one recording. passing: some of those that come next; none at its end."""

    def __init__(self, lists: Iterator[list[Passing]]) -> None:
        self._lists = lists
        self.passing: list[Passing] = next(lists, [])

    def upto(self, time: int) -> Iterator[Passing]:
        """Take those up to a time."""
        while self.passing and self.passing[0][0] <= time:
            stop = bisect_right(self.passing, time, key=itemgetter(0))
            yield from self.passing[:stop]
            self.passing = self.passing[stop:] or next(self._lists, [])


def _course(recording: Recording) -> Course:
    tape, segments, away = recording
    return Course(tape, segments, left_out=away.unplayable | away.rows)


def _names(recording: Recording) -> frozenset[str]:
    """Markets, and topics that are about none; nothing of an account is served."""
    topics = map(Topic.parse, recorded_topics(recording.segments))
    return frozenset(topic.symbol or str(topic) for topic in topics if not topic.private)


def _at_time(course: Course, ts: int) -> Mark:
    return course.end if ts > course.last_ts else course.at_time(ts)


def _stretch(passing: Sequence[Passing]) -> Stretch:
    times, _, frames, parts = map(list, zip(*passing, strict=True))
    return Stretch(frames, times, parts)
