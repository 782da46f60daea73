"""One session of a recording on its way through its engine."""

from collections.abc import Iterator, Sequence
from itertools import chain, dropwhile
from typing import NamedTuple

from market.engine import Engine
from replay.selection import Role, Selection
from schemas.frames import Frame, Kind
from schemas.rows import Row
from tape.layout import FRAMES, Tape
from tape.manifest import Manifest
from tape.reader import read_frames

_DATA = Kind.DATA
_HIGHEST_TS = 2  # format since which a manifest's last_ts is the highest, not that of the last


class Span(NamedTuple):
    """From the first frame received at or after ``start`` up to the next one received at or after
    ``until``, which is not in it; ns since the epoch, UTC."""

    start: int
    until: int


class Strand:
    """The segments of a session, in order, and the engine that their frames go through.

    session: its name.
    engine: with all state as of the last frame fed.
    zero: wall clock when its monotonic clock showed 0, by its first frame; 0 until `align`.
    """

    def __init__(self, tape: Tape, segments: Sequence[Manifest], selection: Selection) -> None:
        self.session = segments[0].session
        self.engine = Engine()
        self.zero = 0
        self._quotes: dict[int, Role] = {}  # by seq, those on their way to `feed`
        self._tape = tape
        self._segments = segments
        self._selection = selection

    @property
    def first_ts(self) -> int:
        """When its first frame was received."""
        return min(segment.first_ts for segment in self._segments)

    @property
    def last_ts(self) -> int:
        """When its last frame was received."""
        return max(segment.last_ts for segment in self._segments)

    def align(self) -> None:
        """Find out ``zero``, to be played together with others."""
        first = next(read_frames(self._tape, self._segments[0]))
        self.zero = first.ts_recv - first.ts_mono

    def frames(self, span: Span) -> Iterator[Frame]:
        """The frames of a span for `feed`: those selected, and what a selected book is compared
        with. What comes before them, and what changes state otherwise, is fed in passing."""
        everything = self._selection.everything
        frames = self._read(span.start)
        for frame in chain(self._skip(frames, span.start), frames):
            if frame.ts_recv >= span.until:
                return
            if everything or self._takes(frame):
                yield frame

    def feed(self, frame: Frame) -> list[Row] | None:
        """Give a frame to the engine; the selected rows it makes. None: it was not selected, and
        makes none that are."""
        rows = self.engine.feed(frame)
        if frame.kind is _DATA:
            return self._quote(frame, rows) if frame.seq in self._quotes else rows
        self.engine.take_requests()  # answered on the tape, if at all
        return rows if self._selection.everything else self._selection.rows(rows)

    def _takes(self, frame: Frame) -> bool:
        """Whether a frame is for `feed`; what is not changes what it must right here."""
        role = self._selection.role(frame)
        if role is not Role.LEFT_OUT:
            if role is not Role.PLAYED:
                self._quotes[frame.seq] = role
            return True
        if frame.kind is _DATA:
            self.engine.heard(frame)
        elif frame.kind is not Kind.KEYFRAME:  # what is known of its stream would only grow old
            self.feed(frame)
        return False

    def _quote(self, frame: Frame, rows: list[Row]) -> list[Row] | None:
        """A bookTicker makes rows about itself, and about a book that differs from it."""
        if self._quotes.pop(frame.seq) is Role.QUOTE:
            return self._selection.rows(rows)
        return self._selection.rows_beside(rows) or None

    def _read(self, start: int) -> Iterator[Frame]:
        """All frames from the head of the segment in which ``start`` lies.

        A segment begins with the state of all books, so nothing before it is needed.
        """
        for segment in dropwhile(lambda segment: self._is_before(segment, start), self._segments):
            if Kind.SEGMENT not in segment.kinds:
                self.engine = Engine()  # its head was lost, and nothing else says to start over
            yield from read_frames(self._tape, segment)

    def _is_before(self, segment: Manifest, ts: int) -> bool:
        """Whether no frame of a segment was received at or after a time."""
        if segment.last_ts >= ts or segment.format >= _HIGHEST_TS:
            return segment.last_ts < ts
        hour = self._tape.frames(segment.name, ts).relative_to(self._tape.root).as_posix()
        return all(entry.path < hour for entry in segment.files_of(FRAMES))

    def _skip(self, frames: Iterator[Frame], start: int) -> Iterator[Frame]:
        """Feed frames until the first received at or after ``start``; that one is yielded."""
        for frame in frames:
            if frame.ts_recv >= start:
                yield frame
                return
            if self._selection.everything or self._takes(frame):
                self.feed(frame)
