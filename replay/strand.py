"""One session of a recording on its way through its engine."""

from collections.abc import Iterator, Sequence
from itertools import chain, dropwhile
from typing import NamedTuple

from market.engine import Engine
from replay.selection import Selection
from schemas.frames import Frame, Kind
from schemas.rows import Row
from tape.layout import Tape
from tape.manifest import Manifest
from tape.reader import read_frames

_DATA = Kind.DATA


class Span(NamedTuple):
    """From the first frame received at or after ``start`` up to the next one received at or after
    ``until``, which is not in it; ns since the epoch, UTC."""

    start: int
    until: int


class Strand:
    """The segments of a session, in order, and the engine that their frames go through.

    session: its name.
    engine: with all state as of the last frame fed.
    """

    def __init__(self, tape: Tape, segments: Sequence[Manifest], selection: Selection) -> None:
        self.session = segments[0].session
        self.engine = Engine()
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

    def frames(self, span: Span) -> Iterator[Frame]:
        """The selected frames of a span, for `feed`. What comes before them, and what changes
        state without being selected, is fed in passing."""
        everything, selected = self._selection.everything, self._selection.frame
        frames = self._read(span.start)
        for frame in chain(self._skip(frames, span.start), frames):
            if frame.ts_recv >= span.until:
                return
            if everything or selected(frame):
                yield frame
            elif frame.kind is not _DATA:
                self.feed(frame)

    def feed(self, frame: Frame) -> list[Row]:
        """Give a frame to the engine; the selected rows it makes."""
        rows = self.engine.feed(frame)
        if frame.kind is _DATA:
            return rows
        self.engine.take_requests()  # answered on the tape, if at all
        return rows if self._selection.everything else self._selection.rows(rows)

    def _read(self, start: int) -> Iterator[Frame]:
        """All frames from the head of the segment in which ``start`` lies.

        A segment begins with the state of all books, so nothing before it is needed.
        """
        for segment in dropwhile(lambda segment: segment.last_ts < start, self._segments):
            if Kind.SEGMENT not in segment.kinds:
                self.engine = Engine()  # its head was lost, and nothing else says to start over
            yield from read_frames(self._tape, segment)

    def _skip(self, frames: Iterator[Frame], start: int) -> Iterator[Frame]:
        """Feed frames until the first received at or after ``start``; that one is yielded."""
        for frame in frames:
            if frame.ts_recv >= start:
                yield frame
                return
            if frame.kind is not _DATA or self._selection.frame(frame):
                self.feed(frame)
