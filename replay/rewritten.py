"""Files that somebody wrote anew since they were sealed.

A reader refuses them, as they are not what the manifest describes. A certificate looks into them:
they may say the same as before, and if not, which frame is another one.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tape.layout import Tape
from tape.manifest import FileEntry, Manifest
from tape.parquet import measure

_MAGIC = b"PAR1"  # begins and ends a Parquet file
_SMALLEST = 12  # both, and a length


def rewritten(tape: Tape, manifest: Manifest) -> Iterator[FileEntry]:
    """Entries, as they would be now, of files with another length that end as Parquet files do.

    With the length it was sealed with a file was not written anew but damaged, maybe in
    its footer, and nothing in it is to be trusted.
    """
    for entry in manifest.files:
        path = tape.root / entry.path
        if path.is_file() and path.stat().st_size != entry.bytes and _is_parquet(path):
            yield msgspec.structs.replace(entry, **measure(path)._asdict())


def with_files(manifest: Manifest, changed: list[FileEntry]) -> Manifest:
    """A manifest in which some files are described anew."""
    by_path = {entry.path: entry for entry in changed}
    files = [by_path.get(entry.path, entry) for entry in manifest.files]
    return msgspec.structs.replace(manifest, files=files)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        begins = file.read(len(_MAGIC))
        if file.seek(0, 2) < _SMALLEST:
            return False
        file.seek(-len(_MAGIC), 2)
        return begins == file.read() == _MAGIC
