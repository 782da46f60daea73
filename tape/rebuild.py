"""A segment without a manifest is made anew of its files of frames.

Frames are never removed: a file of them that cannot be read is moved aside, and a LOSS frame, in a
file of its own, stands for what it had.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from glob import escape
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from schemas.arrow import FRAMES as FRAMES_SCHEMA
from schemas.errors import TapeError
from schemas.frames import Frame, Kind
from tape import manifest as manifests
from tape.columns import frames_to_arrow
from tape.draft import Draft, SealEngine
from tape.files import rename
from tape.generations import all_generations, named
from tape.layout import (
    DAMAGED_ENDING,
    FRAMES,
    HOUR_NS,
    LOSS_ENDING,
    PARQUET_ENDING,
    ROWS,
    Part,
    SegmentName,
    Tape,
    rows_tree,
)
from tape.leftovers import folders_of, remove_unnamed
from tape.losses import mended
from tape.manifest import FileEntry, Lost, Manifest, Origin
from tape.merged import merged_generation
from tape.parquet import PartFile
from tape.probe import probe
from tape.reader import frames_in
from tape.seal import seq_before
from tape.segment import RowsWriter, labels

_OF_LOSSES = f"{LOSS_ENDING}{PARQUET_ENDING}"
_HEADS = frozenset({Kind.SEGMENT, Kind.LOSS})  # with which a whole segment begins


class Rebuilt(NamedTuple):
    """manifest: None where no frame could be read. damaged: files of frames that cannot be."""

    manifest: Manifest | None
    damaged: list[str]


def frames_files(tape: Tape, name: SegmentName) -> list[Path]:
    """All files of frames of a segment, whether or not a manifest names them."""
    ours = (f"{name}{PARQUET_ENDING}", f"{name}{_OF_LOSSES}")
    return [path for path in tape.files_below(FRAMES) if path.name in ours]


def segments_with_frames(tape: Tape) -> set[SegmentName]:
    """Segments of which there are files of frames, readable or not."""
    found = set()
    for path in tape.files_below(FRAMES):
        if path.name.endswith(PARQUET_ENDING):
            with suppress(TapeError):
                found.add(SegmentName.of(path))
    return found


def rebuild(tape: Tape, name: SegmentName, engine: SealEngine) -> Rebuilt:
    """Make the manifest and the rows of a segment of its frames, as sealing would have.

    Its verdict is that of the checkpoints among its frames. May be repeated after an interruption
    at any point. Raises OSError where the disk refuses, and BackpackError where it cannot be told
    whether a file is damaged; nothing is moved then.
    """
    whole, damaged = _sorted_out(tape, name)
    shown = list(map(tape.shown, damaged))
    if not whole:
        return Rebuilt(None, shown)
    if damaged:
        _keep_rows(tape, name)
    place = _Place(tape, name)
    source = _Source(tape, whole)
    draft = Draft(name, engine, [])
    with RowsWriter(tape, name, place.tree) as writer:
        for filed in draft.feed(mended(source, seq_before(tape, name), _hole)):
            source.note(filed.frame)
            writer.add(filed.rows, filed.private)
        files = source.files(name) + writer.finish()
    if damaged and draft.end is None:
        draft.lost = _lost(tape, damaged, source)
    made = draft.manifest(files, place.generation, Origin.FRAMES)
    remove_unnamed(tape, name, files, folders_of(files, f"{ROWS}/*"))
    manifests.save(made, tape)
    return Rebuilt(made, shown)


class _Source:
    """The frames of some files, and the LOSS frames that lie in files of their own.

    last: the frame read last.
    """

    def __init__(self, tape: Tape, entries: Iterable[FileEntry]) -> None:
        self.last: Frame | None = None
        self._tape = tape
        self._entries = sorted(entries, key=lambda entry: entry.first_seq)
        self._new: list[Frame] = []

    def __iter__(self) -> Iterator[Frame]:
        for frame in frames_in(self._tape, self._entries):
            self.last = frame
            yield frame

    def note(self, frame: Frame) -> None:
        """Take a frame on its way through the engine: what was not read is put in between."""
        if frame is not self.last:
            self._new.append(frame)

    def files(self, name: SegmentName) -> list[FileEntry]:
        """All files of frames, after those that are still to be written have been."""
        if not self._new:
            return self._entries
        of_losses = [entry for entry in self._entries if entry.path.endswith(_OF_LOSSES)]
        others = [entry for entry in self._entries if entry not in of_losses]
        losses = sorted([*frames_in(self._tape, of_losses), *self._new], key=attrgetter("seq"))
        hours: dict[int, list[Frame]] = {}
        for frame in losses:
            hours.setdefault(frame.ts_recv // HOUR_NS, []).append(frame)
        return others + [self._file(name, hour, frames) for hour, frames in sorted(hours.items())]

    def _file(self, name: SegmentName, hour: int, frames: list[Frame]) -> FileEntry:
        path = self._tape.losses(name, hour * HOUR_NS)
        file = PartFile(path, FRAMES_SCHEMA, labels(FRAMES, str(name)))
        try:
            file.write([frames_to_arrow(frames, [frame.topic for frame in frames])])
            return file.finish(self._tape.root, FRAMES, None)
        except BaseException:
            file.abandon()
            raise


def _sorted_out(tape: Tape, name: SegmentName) -> tuple[list[FileEntry], list[Path]]:
    """The files of frames that can be read, and those that cannot, which are moved aside."""
    whole = []
    paths = frames_files(tape, name)
    for path, found in zip(paths, probe(tape.root, paths), strict=True):
        if found.entry is not None:
            whole.append(found.entry)
        else:
            rename(path, path.with_name(path.name + DAMAGED_ENDING))
    aside = f"{FRAMES}/*/*/{escape(str(name))}.*{DAMAGED_ENDING}"
    return whole, sorted(tape.glob(aside))


def _keep_rows(tape: Tape, name: SegmentName) -> None:
    """Rows there are may have been made of frames that are gone: they are moved aside too."""
    for path in sorted(tape.glob(f"{ROWS}/*/*/*/{escape(str(name))}{PARQUET_ENDING}")):
        rename(path, path.with_name(path.name + DAMAGED_ENDING))


class _Place:
    """Where the rows of a segment are put: the tree that all tools read, unless they are in it
    already, in a file that other segments share."""

    def __init__(self, tape: Tape, name: SegmentName) -> None:
        siblings = [one for one in all_generations(tape) if one.name.session == name.session]
        paths = map(Path, named(manifest for one in siblings for manifest in one.readable))
        merged = {path.parent: merged_generation(path, name) for path in paths}
        self._merged = {folder for folder, generation in merged.items() if generation >= 0}
        self.generation = max(merged.values(), default=-1) + 1
        self._tape = tape
        self._name = name

    def tree(self, part: Part) -> str:
        """See `tape.layout.rows_tree`."""
        folder = self._tape.rows(self._name, part).parent.relative_to(self._tape.root)
        return rows_tree(self.generation) if folder in self._merged else ROWS


def _hole(frame: Frame) -> int | None:
    """A segment begins with its head; how many bytes are missing, nothing says."""
    return None if frame.kind in _HEADS else 0


def _lost(tape: Tape, damaged: Sequence[Path], source: _Source) -> Lost:
    last = source.last
    assert last is not None
    size = sum(path.stat().st_size for path in damaged)
    return Lost(size, last.seq, last.ts_recv, "its last frames are in a file that is damaged")
