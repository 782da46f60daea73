"""The journal: every frame, on disk within a flush, in batches that are whole or not there.

A batch is one zstd frame around one msgpack array of frames, with a seal before it (see
`tape.journal_batch`). A crash can only tear the last batch; a flipped bit costs the batch it is in.
``zstd -t`` checks a journal, ``zstd -dc`` gives plain msgpack.
"""

import errno
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path
from threading import Lock

import msgspec

from schemas.frames import Frame
from tape.files import make_folder, sync_folder
from tape.journal_batch import Packer

BATCH_BYTES = 4 << 20  # of a batch, unless a single frame has more: so that readers are bounded

_ARRAY_HEADER = 5  # msgpack array32: 0xdd and a count of four bytes


class JournalWriter:
    """Writes a new journal, on a disk that may fail.

    ``append`` is for the receive path. ``flush`` may run in a thread; its calls must not overlap.
    What is not known to be on the disk stays in memory, whatever the disk says.
    Raises FileExistsError where the journal exists, and OSError where it cannot be created.
    """

    def __init__(self, path: Path, level: int = 3) -> None:
        self._path = path
        self._file = _create(path)
        self._packer = Packer(level)
        self._encode_into = msgspec.msgpack.Encoder().encode_into
        self._lock = Lock()
        self._held = 0
        self._full: list[bytes] = []  # closed batches, not compressed yet
        self._unsynced: list[bytes] = []  # compressed; some may be in the file already
        self._synced = 0  # length of the file that is known to be on the disk
        self._sound = True  # the file ends there
        self._open_batch()

    @property
    def held(self) -> int:
        """Bytes in memory that are not safely on the disk, compressed or not."""
        return self._held

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

    def flush(self) -> None:
        """Compress, write and sync all that is held. On the disk when this returns.

        Raises OSError when the disk refuses. Nothing is lost then; the next call begins again from
        what is known to be on the disk: after a failed fsync the kernel may have dropped what it
        was given, and say nothing of it the next time.
        """
        self._pack()
        while self._unsynced:
            self._write_some()

    def _write_some(self) -> None:
        """Write and sync the oldest batches: few enough that a disk with little room gets on."""
        if not self._sound:
            self._reopen()
        self._sound = False
        count = written = 0
        for batch in self._unsynced:
            _write_all(self._file, batch)
            count, written = count + 1, written + len(batch)
            if written >= BATCH_BYTES:
                break
        os.fsync(self._file.fileno())
        self._sound = True
        self._synced += written
        del self._unsynced[:count]
        with self._lock:
            self._held -= written

    def close(self) -> None:
        """Flush, and close the file. Raises OSError as `flush`; may then be tried again."""
        self.flush()
        with suppress(OSError):  # all of it is on the disk
            self._file.close()

    def abandon(self) -> None:
        """Close the file and forget what is held."""
        with suppress(OSError):
            self._file.close()
        with self._lock:
            self._full, self._unsynced, self._held = [], [], 0
            self._open_batch()

    def _pack(self) -> None:
        """Compress all that was appended so far, one batch after another."""
        with self._lock:
            if self._count:
                self._close_batch()
            waiting = len(self._full)
        for _ in range(waiting):
            content = self._full[0]  # stays there until its successor is safe in memory
            packed = self._packer.pack(content)
            with self._lock:
                self._unsynced.append(packed)
                del self._full[0]
                self._held += len(packed) - (len(content) - _ARRAY_HEADER)

    def _reopen(self) -> None:
        """Bring the file back to what is known to be on the disk.

        By its name, since the mount may have come back as another, and without creating it: a file
        made in the folder beneath a mount that is gone would be out of sight once it is back.
        """
        with suppress(OSError):
            self._file.close()
        self._file = self._path.open("rb+", buffering=0)
        size = os.fstat(self._file.fileno()).st_size
        if size < self._synced:
            problem = f"has {size} bytes, {self._synced} were written and synced"
            raise OSError(errno.EIO, problem, str(self._path))
        self._file.truncate(self._synced)
        self._file.seek(self._synced)

    def _open_batch(self) -> None:
        self._buffer = bytearray(_ARRAY_HEADER)
        self._count = 0

    def _close_batch(self) -> None:
        self._buffer[:_ARRAY_HEADER] = b"\xdd" + self._count.to_bytes(4, "big")
        self._full.append(bytes(self._buffer))
        self._open_batch()


def _create(path: Path) -> FileIO:
    make_folder(path.parent)
    file = path.open("xb", buffering=0)
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
