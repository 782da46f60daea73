"""Files that somebody wrote anew since they were sealed.

A reader refuses them, as they are not what the manifest describes. A certificate looks into them:
they may say the same as before, and if not, which frame is another one.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from schemas.errors import BackpackError, TapeError
from tape.layout import Tape
from tape.manifest import FileEntry, Manifest
from tape.parquet import measure
from tape.probe import Probe, probe

_MAGIC = b"PAR1"  # begins and ends a Parquet file
_SMALLEST = 12  # both, and a length


def rewritten(tape: Tape, manifest: Manifest) -> Iterator[FileEntry]:
    """Entries, as they would be now, of files with another length that end as Parquet files do.

    With the length it was sealed with a file was not written anew but damaged, maybe in
    its footer, and nothing in it is to be trusted. Nor is one whose footer, which no sha256 is
    there of, ends the process that parses it.
    """
    found = [entry for entry in manifest.files if _is_another(tape.root / entry.path, entry)]
    if not found:
        return
    for entry, each in zip(found, _probed(tape, found), strict=False):
        if not each.ends_process:
            with suppress(TapeError, OSError):  # readers then say what is wrong with it
                yield msgspec.structs.replace(entry, **measure(tape.root / entry.path)._asdict())


def with_files(manifest: Manifest, changed: list[FileEntry]) -> Manifest:
    """A manifest in which some files are described anew."""
    by_path = {entry.path: entry for entry in changed}
    files = [by_path.get(entry.path, entry) for entry in manifest.files]
    return msgspec.structs.replace(manifest, files=files)


def _probed(tape: Tape, entries: Sequence[FileEntry]) -> list[Probe]:
    """None where a later version wrote one of them."""
    try:
        return probe(tape.root, [tape.root / entry.path for entry in entries])
    except BackpackError:
        return []


def _is_another(path: Path, entry: FileEntry) -> bool:
    return path.is_file() and path.stat().st_size != entry.bytes and _is_parquet(path)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        begins = file.read(len(_MAGIC))
        if file.seek(0, 2) < _SMALLEST:
            return False
        file.seek(-len(_MAGIC), 2)
        return begins == file.read() == _MAGIC
