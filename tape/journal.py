"""The journal: every frame, on disk within a flush, in batches that are whole or not there.

A batch is one zstd frame around one msgpack array of frames, with a seal before it (see
`tape.journal_batch`). A crash can only tear the last batch; a flipped bit costs the batch it is in.
``zstd -t`` checks a journal, ``zstd -dc`` gives plain msgpack.
"""

import os
from contextlib import suppress
from hashlib import sha256
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import msgspec

from schemas.frames import Frame
from tape.files import create_private, make_folder, sync_folder
from tape.journal_batch import Packer

BATCH_BYTES = 4 << 20  # of a batch, unless a single frame has more: so that readers are bounded

_NOT_THERE = "is not there any more (was its folder removed or unmounted?)"
_ARRAY_HEADER = 5  # msgpack array32: 0xdd and a count of four bytes


class JournalGone(OSError):
    """What was written is not to be found by its name: nobody could ever read it."""


class _Batch(NamedTuple):
    """Some frames, encoded."""

    content: bytes
    frames: int


class JournalWriter:
    """Writes a new journal, on a disk that may fail.

    ``append`` is for the receive path. The others may run in a thread; their calls must not
    overlap. What is not known to be on the disk, to be found by its name, stays in memory,
    whatever the disk says.
    Raises FileExistsError where the journal exists, and OSError where it cannot be created.

    private: only its owner may read it, whatever the umask.
    gone: whether what was written before is not to be found, as seen last.
    """

    def __init__(self, path: Path, level: int = 3, *, private: bool = False) -> None:
        self.path = path
        self.gone = False
        self._file = _create(path, private)
        self._identity = _identity(os.fstat(self._file.fileno()))
        self._packer = Packer(level)
        self._encode_into = msgspec.msgpack.Encoder().encode_into
        self._lock = Lock()
        self._held = 0
        self._appended = self._written = 0  # frames; written are those that are on the disk
        self._full: list[_Batch] = []  # not compressed yet
        self._unsynced: list[_Batch] = []  # compressed; some may be in the file already
        self._synced = 0  # length of the file that is known to be on the disk
        self._digest = sha256()  # of as much of it
        self._sound = True  # the file ends there
        self._closed = False
        self._open_batch()

    @property
    def held(self) -> int:
        """Bytes in memory that are not safely on the disk, compressed or not."""
        return self._held

    @property
    def held_frames(self) -> int:
        """Frames that are not safely on the disk."""
        return self._appended - self._written

    @property
    def written_frames(self) -> int:
        """Frames that are on the disk, or were before the file was gone."""
        return self._written

    def append(self, frame: Frame) -> None:
        """Put a frame behind those before it. In memory only until flushed."""
        with self._lock:
            start = len(self._buffer)
            self._encode_into(frame, self._buffer, -1)
            self._held += len(self._buffer) - start
            if len(self._buffer) > BATCH_BYTES and self._count:
                frame_bytes = self._buffer[start:]
                del self._buffer[start:]
                self._close_batch()
                self._buffer += frame_bytes
            self._count += 1
            self._appended += 1

    def flush(self) -> None:
        """Compress, write and sync all that is held. On the disk when this returns.

        Raises OSError when the disk refuses, and JournalGone when the file has lost its name or
        what was in it. Nothing is lost then; the next call begins again from what is known to be
        on the disk: after a failed fsync the kernel may have dropped what it was given, and say
        nothing of it the next time.
        """
        self._pack()
        while self._unsynced:
            self._write_some()

    def check(self) -> None:
        """Look whether all that was written is still there; raises as `flush`."""
        if not self._sound:
            self._reopen()
        self._look()

    def _write_some(self) -> None:
        """Write and sync the oldest batches: few enough that a disk with little room gets on."""
        if not self._sound:
            self._reopen()
        self._sound = False
        count = written = 0
        for batch in self._unsynced:
            _write_all(self._file, batch.content)
            count, written = count + 1, written + len(batch.content)
            if written >= BATCH_BYTES:
                break
        os.fsync(self._file.fileno())
        self._look()
        self._sound = True
        self._forget(count, written)

    def _forget(self, count: int, written: int) -> None:
        """The oldest batches, of so many bytes, are on the disk."""
        for batch in self._unsynced[:count]:
            self._digest.update(batch.content)
            self._written += batch.frames
        self._synced += written
        del self._unsynced[:count]
        with self._lock:
            self._held -= written

    def close(self) -> None:
        """Flush, check, and close the file. Raises as `flush`; may then be tried again."""
        if self._closed:
            return
        self.flush()
        self.check()
        self._closed = True
        with suppress(OSError):  # all of it is on the disk
            self._file.close()

    def abandon(self) -> None:
        """Close the file and forget what is held."""
        self._closed = True
        with suppress(OSError):
            self._file.close()
        with self._lock:
            self._full, self._unsynced, self._held = [], [], 0
            self._appended = self._written
            self._open_batch()

    def _pack(self) -> None:
        """Compress all that was appended so far, one batch after another."""
        with self._lock:
            if self._count:
                self._close_batch()
            waiting = len(self._full)
        for _ in range(waiting):
            content, frames = self._full[0]  # stays until its successor is safe in memory
            packed = self._packer.pack(content)
            with self._lock:
                self._unsynced.append(_Batch(packed, frames))
                del self._full[0]
                self._held += len(packed) - (len(content) - _ARRAY_HEADER)

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

    def _open_batch(self) -> None:
        self._buffer = bytearray(_ARRAY_HEADER)
        self._count = 0

    def _close_batch(self) -> None:
        self._buffer[:_ARRAY_HEADER] = b"\xdd" + self._count.to_bytes(4, "big")
        self._full.append(_Batch(bytes(self._buffer), self._count))
        self._open_batch()


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
