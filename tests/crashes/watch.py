"""Readers of a folder in which somebody is at work."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import TapeError
from schemas.frames import Frame, Kind
from tape.generations import rows_files
from tape.layout import SegmentName, Tape
from tape.manifest import FileEntry, Manifest
from tape.reader import read_frames, read_rows, segments
from tests.crashes.arrivals import arrival

OURS = (Kind.SEGMENT, Kind.KEYFRAME, Kind.CHECKPOINT)  # noted, not arrived


def check_arrived(session: str, frames: Sequence[Frame]) -> None:
    """From the first on, each once and as it arrived."""
    assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1)), session
    taken = [frame for frame in frames if frame.kind not in OURS]
    for number, frame in enumerate(taken):
        there = (frame.kind, frame.payload, frame.topic, frame.conn)
        assert there == arrival(session, number), f"{session} seq {frame.seq}"


class Watcher:
    """Reads each generation of each segment as soon as it is there."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._read: set[tuple[SegmentName, int]] = set()
        self._frames: dict[SegmentName, list[Frame]] = {}

    def look(self) -> None:
        """List all, and read what is new."""
        found = segments(self.tape, merge=True)
        new = [m for m in found if (m.name, m.generation) not in self._read and self._whole(m)]
        self._read.update((manifest.name, manifest.generation) for manifest in new)
        for session in {manifest.session for manifest in new}:
            names = sorted(name for name in self._frames if name.session == session)
            check_arrived(session, [frame for name in names for frame in self._frames[name]])

    def _whole(self, manifest: Manifest) -> bool:
        """Read all of a segment; False where a later generation took its place meanwhile."""
        frames = list(read_frames(self.tape, manifest))
        assert len(frames) == manifest.frames, f"half of {manifest.name}"
        assert self._frames.setdefault(manifest.name, frames) == frames
        try:
            for entry in rows_files(manifest):
                assert self._count(entry) == entry.rows, f"half of {entry.path}"
        except TapeError:
            (now,) = (m for m in segments(self.tape, merge=True) if m.name == manifest.name)
            if now.generation == manifest.generation:
                raise
            return False
        return True

    def _count(self, entry: FileEntry) -> int:
        return sum(len(rows) for rows in read_rows(self.tape, entry))
