"""Generations of a segment: what was recorded, and what was made of it later.

Nothing sealed is rewritten. Rows made anew, or put into fewer files, get a manifest of their own
beside the first one; the highest generation that can be read is the one that counts. Files of
frames are made once and shared by all generations.
"""

import os
from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from schemas.errors import TapeError, TooNew
from tape.layout import FRAMES, SegmentName, Tape, generation_of
from tape.manifest import FileEntry, Manifest, Origin, later_than, load, outline
from tape.pool import Pool

Read = Callable[[Path], Manifest]


def current(paths: Sequence[Path], read: Read = load) -> Manifest:
    """The generation of a segment that counts, of all its manifests, the first ones first.

    read: `tape.manifest.load`, or `tape.manifest.outline`.

    Raises TapeError where none can be read, TooNew where a later version made the last of them.
    """
    failure: TapeError | None = None
    for path in reversed(paths):
        try:
            return read(path)
        except TooNew:
            raise
        except TapeError as error:
            failure = failure or error
    if paths and (later := later_than(paths[-1])):  # and the listed ones were removed meanwhile
        return current(later, read)
    raise failure or TapeError("a segment without a manifest")


class Generations(NamedTuple):
    """All manifests of a segment, the first ones first.

    readable: those that can be read. damaged: paths of those that cannot.
    newer: paths of those that a later version made.
    """

    name: SegmentName
    readable: list[Manifest]
    damaged: list[Path]
    newer: Sequence[Path] = ()

    @property
    def current(self) -> Manifest | None:
        """The one that counts; None where none can be read."""
        return self.readable[-1] if self.readable else None

    @property
    def superseded(self) -> list[Manifest]:
        """Those that a compaction took the place of, and that it has not removed yet."""
        compacted = [m.generation for m in self.readable if m.origin is Origin.COMPACTION]
        return [m for m in self.readable if m.generation < max(compacted, default=0)]

    @property
    def kept(self) -> list[Manifest]:
        """All but the superseded."""
        gone = {manifest.generation for manifest in self.superseded}
        return [m for m in self.readable if m.generation not in gone]

    @property
    def following(self) -> int:
        """Number of the next generation, which no manifest has, readable or not."""
        others = map(generation_of, (*self.damaged, *self.newer))
        return max([m.generation for m in self.readable] + list(others), default=-1) + 1


def all_generations(
    tape: Tape,
    names: Container[SegmentName] | None = None,
    newer: bool = False,
    read: Read | None = None,
) -> list[Generations]:
    """Of each sealed segment, or of some, in recording order; a damaged manifest is no error.

    The entries of their files stay on disk until they are asked for. Raises TooNew where a later
    version made a generation, unless ``newer`` is set: that is the one that counts, and what is
    done or said without it would be wrong.

    read: as `tape.manifest.outline`, which it is if None.
    """
    there = tape.generations().items()
    look = read or partial(outline, pool=Pool())
    found = [_read(name, paths, look) for name, paths in there if names is None or name in names]
    if not all(os.path.lexists(path) for each in found for path in each.damaged):
        return all_generations(tape, names, newer, read)  # one was removed while they were read
    for path in () if newer else (path for each in found for path in each.newer):
        load(path)
    return found


def named(manifests: Iterable[Manifest]) -> dict[str, list[FileEntry]]:
    """The entries of each file of some manifests, by path, the one of the first segment first.

    A file of frames has one entry for each generation, a file of rows for each segment that shares
    it, so that whoever goes through all files does so once.
    """
    found: dict[str, list[FileEntry]] = {}
    for manifest in manifests:
        for entry in manifest.files:
            entries = found.setdefault(entry.path, [])
            if entry not in entries:
                entries.append(entry)
    return found


def rows_files(manifest: Manifest) -> list[FileEntry]:
    """The entries of all tables."""
    return [entry for entry in manifest.files if entry.table != FRAMES]


def generations_of(tape: Tape, name: SegmentName) -> Generations:
    """The same of one segment, without a look at the others."""
    found = _read(name, tape.manifests_of(name), outline)
    for path in found.newer:
        load(path)
    return found


def _read(name: SegmentName, paths: Iterable[Path], read: Read) -> Generations:
    readable, damaged, newer = [], [], []
    for path in paths:
        try:
            readable.append(read(path))
        except TooNew:
            newer.append(path)
        except TapeError:
            damaged.append(path)
    return Generations(name, readable, damaged, newer)
