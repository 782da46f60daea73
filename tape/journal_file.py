"""Where the batches of a journal go on the disk: a file that grows, or one that is written at once.

Either is looked for by its name after each write: the kernel takes writes for a removed file too.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Protocol

from tape.files import create_private, make_folder, sync_folder, write_whole

BATCH_BYTES = 4 << 20  # of a batch, unless a single frame has more: so that readers are bounded

_NOT_THERE = "is not there any more (was its folder removed or unmounted?)"


class JournalGone(OSError):
    """What was written is not to be found by its name: nobody could ever read it."""


class Sink(Protocol):
    """Takes batches, on a disk that may fail. All of it may run in a thread.

    path: where they are to be found. gone: whether they are not, as seen last.
    portion: bytes that are enough for one call of `write`; None: it takes all there is, once.
    """

    path: Path
    gone: bool
    portion: int | None

    def write(self, batches: Sequence[bytes]) -> None:
        """On the disk when this returns. Raises OSError, JournalGone among them: then none of them
        counts as written."""

    def check(self) -> None:
        """Look whether all that was written is still there; raises as `write`."""

    def close(self) -> None:
        """Nothing more comes."""


class JournalFile:
    """A file that grows. After a failure it is brought back to what is known to be on the disk: the
    kernel may have dropped what it was given, and say nothing of it the next time.

    Raises FileExistsError where it exists, and OSError where it cannot be created.

    private: only its owner may read it, whatever the umask.
    """

    portion: int | None = BATCH_BYTES

    def __init__(self, path: Path, private: bool = False) -> None:
        self.path = path
        self.gone = False
        self._file = _create(path, private)
        self._identity = _identity(os.fstat(self._file.fileno()))
        self._synced = 0  # length of the file that is known to be on the disk
        self._digest = sha256()  # of as much of it
        self._sound = True  # the file ends there

    def write(self, batches: Sequence[bytes]) -> None:
        """As of any sink."""
        if not self._sound:
            self._reopen()
        self._sound = False
        for batch in batches:
            _write_all(self._file, batch)
        os.fsync(self._file.fileno())
        self._look()
        self._sound = True
        for batch in batches:
            self._digest.update(batch)
            self._synced += len(batch)

    def check(self) -> None:
        """As of any sink."""
        if not self._sound:
            self._reopen()
        self._look()

    def close(self) -> None:
        """As of any sink."""
        with suppress(OSError):  # all of it is on the disk, or given up
            self._file.close()

    def _reopen(self) -> None:
        """Bring the file back to what is known to be on the disk.

        By its name, since the mount may have come back as another, and without creating it: a file
        made in the folder beneath a mount that is gone would be out of sight once it is back.
        """
        with suppress(OSError):
            self._file.close()
        try:
            self._file = self.path.open("rb+", buffering=0)
        except (FileNotFoundError, NotADirectoryError):
            raise self._missed(_NOT_THERE) from None
        stat = os.fstat(self._file.fileno())
        if stat.st_size < self._synced:
            raise self._missed(f"has {stat.st_size} bytes, {self._synced} were written and synced")
        is_known = _identity(stat) == self._identity and not self.gone  # such numbers come again
        if not is_known and _start_of(self._file, self._synced) != self._digest.digest():
            raise self._missed("is not the one that was written (was it replaced?)")
        self._identity = _identity(stat)
        self._file.truncate(self._synced)
        self._file.seek(self._synced)
        self._sound, self.gone = True, False

    def _look(self) -> None:
        """Whether our file still is the one of this name: one that was removed, or whose mount has
        gone, takes writes and syncs for ever."""
        try:
            identity = _identity(self.path.stat())
        except (FileNotFoundError, NotADirectoryError):
            raise self._missed(_NOT_THERE) from None
        if identity != self._identity:
            raise self._missed("is another file than the one that is written (was it replaced?)")

    def _missed(self, problem: str) -> JournalGone:
        self._sound, self.gone = False, True
        return JournalGone(f"the journal {self.path} {problem}")


class WholeFile:
    """A file that is there with all its batches, or not at all: written aside, synced, renamed.

    Until then nothing of it is on the disk. Its folder has to be there: one that was made where a
    mount is gone would be out of sight once that is back. private: only its owner may read it.
    """

    portion: int | None = None

    def __init__(self, path: Path, private: bool = False) -> None:
        self.path = path
        self.gone = False
        self._private = private

    def write(self, batches: Sequence[bytes]) -> None:
        """As of any sink; once."""
        if not self.path.parent.is_dir():
            raise JournalGone(f"the folder {self.path.parent} {_NOT_THERE}")
        write_whole(self.path, b"".join(batches), self._private)

    def check(self) -> None:
        """It was there when it got its name; that it stays, sealing finds out."""

    def close(self) -> None:
        """As of any sink."""


def _create(path: Path, private: bool) -> FileIO:
    make_folder(path.parent)
    file = FileIO(create_private(path), "wb") if private else path.open("xb", buffering=0)
    try:
        sync_folder(path.parent)
    except OSError:
        file.close()
        with suppress(OSError):
            path.unlink()
        raise
    return file


def _write_all(file: FileIO, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[file.write(view) or 0 :]


def _identity(stat: os.stat_result) -> tuple[int, int]:
    """What tells one file from another, as long as it is not removed."""
    return stat.st_dev, stat.st_ino


def _start_of(file: FileIO, size: int) -> bytes:
    """sha256 of so many bytes."""
    digest = sha256()
    while size > 0 and (part := file.read(min(size, 1 << 20))):
        digest.update(part)
        size -= len(part)
    return digest.digest()
