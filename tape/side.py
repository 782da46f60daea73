"""One session on its way into a union: its frames in order, and when each of them came."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import chain, zip_longest
from pathlib import Path
from typing import NamedTuple

import msgspec

from schemas.check_rows import Clock
from schemas.errors import TapeError
from schemas.frames import Frame, FramesLost, Kind, SegmentHead, UnionInput, to_json
from tape.doubts import read_table
from tape.layout import Tape
from tape.manifest import Manifest, Verdict
from tape.reader import read_frames

INPUT = "input"  # cause of a loss: it is the recording that has no more


class Heard(NamedTuple):
    """A frame, and when it came: ns since the epoch by the venue's clock, as far as it is known.
    Never less than of the frame before."""

    at: int
    frame: Frame


class Side:
    """The segments of a session, in order, of which the frames are there.

    The time of a frame is its monotonic clock, set by the wall clock at the head of its segment and
    by how far that was from the venue's: a clock that is set or wrong changes no order.
    """

    def __init__(self, tape: Tape, segments: Sequence[Manifest]) -> None:
        self.segments = segments
        self._tape = tape
        self._at = 0
        self._offset = 0

    @property
    def session(self) -> str:
        return self.segments[0].session

    @property
    def root(self) -> Path:
        """Folder of the recording that it is of."""
        return self._tape.root

    @property
    def first_ts(self) -> int:
        """Lowest time of receipt, ns since the epoch."""
        return min(segment.first_ts for segment in self.segments)

    @property
    def frames(self) -> int:
        """How many there are, those of an account among them."""
        return sum(segment.frames for segment in self.segments)

    @property
    def leaves_out(self) -> bool:
        """Whether it has something of an account that is not taken."""
        return self._tape.public and any(segment.private for segment in self.segments)

    @property
    def stopped(self) -> bool:
        """Whether its recorder ended in order."""
        return self.segments[-1].end == "stop"

    @property
    def has_copies(self) -> bool:
        """Whether it was recorded on several connections."""
        return any(Kind.COPIES in segment.kinds for segment in self.segments)

    def input(self) -> UnionInput:
        """What it is, for the head of the union. Raises OSError where a manifest is gone."""
        digest = sha256()
        for segment in self.segments:
            digest.update(self._tape.manifest(segment.name, segment.generation).read_bytes())
        certified = sum(segment.verdict is Verdict.CERTIFIED for segment in self.segments)
        return UnionInput(self.session, len(self.segments), certified, digest.hexdigest())

    def head(self) -> SegmentHead:
        """Of its first segment; an empty one where that is lost."""
        first = next(read_frames(self._tape, self.segments[0]))
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            return msgspec.json.decode(first.payload, type=SegmentHead)
        return SegmentHead(self.session, 0, 0, "", (), "", "")

    def begins(self) -> int:
        """When its first frame came, as in `heard`."""
        return next(self._of(self.segments[0])).at

    def heard(self) -> Iterator[Heard]:
        """All frames. Where segments are missing, a LOSS frame stands at both ends."""
        apart = False
        for segment, following in zip_longest(self.segments, self.segments[1:]):
            for heard in self._of(segment):
                if apart:
                    yield _loss(heard, ended=True)
                    apart = False
                yield heard
            if following is not None and _is_apart(segment, following):
                yield _loss(heard, ended=False)
                apart = True

    def _of(self, segment: Manifest) -> Iterator[Heard]:
        frames = read_frames(self._tape, segment)
        first = next(frames)
        self._offset = self._compared(segment)
        zero = first.ts_recv - first.ts_mono + self._offset
        for frame in chain([first], frames):
            self._at = max(self._at, zero + frame.ts_mono)
            yield Heard(self._at, frame)

    def _compared(self, segment: Manifest) -> int:
        """The venue's clock less the wall clock, by the comparison that took least; as before where
        there is none, or its rows are gone."""
        rows: list[Clock] = []
        with suppress(TapeError):
            rows = read_table(self._tape, segment, Clock)
        told = [(row.round_trip_ns or 0, row.offset_ns) for row in rows]
        known = [(took, offset) for took, offset in told if offset is not None]
        return min(known, default=(0, self._offset))[1]


def _is_apart(segment: Manifest, following: Manifest) -> bool:
    """Whether something between two segments of a session is not there."""
    if segment.lost is not None:
        return True
    return (following.number, following.first_seq) != (segment.number + 1, segment.last_seq + 1)


def _loss(beside: Heard, ended: bool) -> Heard:
    frame = beside.frame
    lost = to_json(FramesLost(INPUT, ended=ended))
    made = Frame(frame.seq, frame.ts_recv, frame.ts_mono, 0, Kind.LOSS, "", lost)
    return Heard(beside.at, made)
