"""Files that are either whole or not there: written aside, synced, renamed, folder synced."""

import os
from collections.abc import Iterable
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path

ASIDE = ".tmp"  # ending of a file that is being written

_OWNER_READS = 0o600
_OWNER_ENTERS = 0o700
_ANYBODY_ENTERS = 0o777  # as far as the umask lets them


def make_folder(folder: Path, private: bool = False) -> None:
    """Make a folder and its missing parents; each new name is on disk when this returns.

    private: only their owner may enter those that are made, whatever the umask.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent, private)
    folder.mkdir(_OWNER_ENTERS if private else _ANYBODY_ENTERS, exist_ok=True)
    if private:
        folder.chmod(_OWNER_ENTERS)
    sync_folder(folder.parent)


def create_private(path: Path, flags: int = os.O_WRONLY) -> int:
    """Create a file that only its owner may read, whatever the umask; its descriptor. Nobody could
    have opened it before. Raises FileExistsError."""
    file = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_READS)
    os.fchmod(file, _OWNER_READS)
    return file


def sync_folder(folder: Path) -> None:
    """Make creations, renames and removals in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def begin(path: Path, private: bool = False) -> Path:
    """The name to write ``path`` under until it is whole; what an earlier attempt left is gone.

    private: it is there already, and only its owner may read it.
    """
    make_folder(path.parent, private)
    temporary = path.with_name(path.name + ASIDE)
    temporary.unlink(missing_ok=True)
    if private:
        os.close(create_private(temporary))
    return temporary


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name, for good."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    rename(temporary, path)


def write_whole(path: Path, content: bytes, private: bool = False) -> None:
    """Write a small file so that a reader sees the old content or the new, never a part. private:
    only its owner may read it."""
    temporary = begin(path, private)
    try:
        temporary.write_bytes(content)
        publish(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def remove(path: Path) -> None:
    """Remove a file, if it is there, for good."""
    if path.exists():
        path.unlink()
        sync_folder(path.parent)


def remove_all(paths: Iterable[Path]) -> None:
    """Remove files, those that are there, for good; each folder is synced once."""
    folders = set()
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()
            folders.add(path.parent)
    for folder in sorted(folders):
        sync_folder(folder)


def rename(path: Path, target: Path) -> None:
    """Rename within a folder, for good."""
    path.replace(target)
    sync_folder(target.parent)


def sha256_of(path: Path, offset: int = 0) -> str:
    """sha256 of a file's content, from ``offset`` on, in hex."""
    with path.open("rb") as file:
        file.seek(offset)
        return file_digest(file, "sha256").hexdigest()
