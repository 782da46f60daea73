"""What of the files that manifests name is on disk: the others were pruned, or are lost."""

from collections.abc import Container, Iterable
from typing import NamedTuple

from tape.generations import rows_files
from tape.layout import FRAMES, SegmentName, Tape
from tape.manifest import FileEntry, Manifest
from tape.prunings import Pruned, pruned_files


class Stored(NamedTuple):
    """Bytes of a segment, of shared files its share; None would be nothing, as 0 is."""

    frames: int
    rows: int


def stored_bytes(tape: Tape, manifest: Manifest, away: Pruned) -> Stored:
    """What a segment takes on disk; as its manifest has it, unless something of it was pruned."""
    if manifest.name not in away.frames and manifest.name not in away.rows:
        frames = manifest.stored_bytes(FRAMES)
        return Stored(frames, manifest.stored_bytes() - frames)
    there = [entry for entry in manifest.files if (tape.root / entry.path).exists()]
    frames = sum(entry.stored for entry in there if entry.table == FRAMES)
    return Stored(frames, sum(entry.stored for entry in there) - frames)


class Left(NamedTuple):
    """Tells what is left to be read. frames: segments without them. files: paths that are gone."""

    frames: Container[SegmentName]
    files: Container[str]

    def has_frames(self, manifest: Manifest) -> bool:
        return manifest.name not in self.frames

    def has(self, entry: FileEntry) -> bool:
        return entry.path not in self.files


def left_of(tape: Tape, manifests: Iterable[Manifest], away: Pruned) -> Left:
    """Of segments of which something may have been pruned."""
    some = (manifest for manifest in manifests if manifest.name in away.rows)
    paths = {entry.path for manifest in some for entry in rows_files(manifest)}
    missing = {path for path in paths if not (tape.root / path).exists()}
    return Left(away.frames, pruned_files(tape, missing) if missing else {})


def there_or_lost(tape: Tape, files: dict[str, list[FileEntry]]) -> dict[str, list[FileEntry]]:
    """Files, by path, without those that are not there as they were pruned."""
    missing = {path for path in files if not (tape.root / path).exists()}
    gone = pruned_files(tape, missing) if missing else {}
    return {path: entries for path, entries in files.items() if path not in gone}
