"""The journal: every frame, on disk within a flush, in batches that are whole or not there.

A batch is one zstd frame around one msgpack array of frames, with a seal before it (see
`tape.journal_batch`). A crash can only tear the last batch; a flipped bit costs the batch it is in.
``zstd -t`` checks a journal, ``zstd -dc`` gives plain msgpack.
"""

from pathlib import Path
from threading import Lock
from typing import NamedTuple

import msgspec

from schemas.frames import Frame
from tape.journal_batch import Packer
from tape.journal_file import BATCH_BYTES, JournalFile, Sink

_ARRAY_HEADER = 5  # msgpack array32: 0xdd and a count of four bytes


class _Batch(NamedTuple):
    """Some frames, encoded."""

    content: bytes
    frames: int


class JournalWriter:
    """Writes a new journal, on a disk that may fail.

    ``append`` is for the receive path. The others may run in a thread; their calls must not
    overlap. What is not known to be on the disk, to be found by its name, stays in memory,
    whatever the disk says.
    Without a sink it makes a file: raises FileExistsError where the journal exists, and OSError
    where it cannot be created. private: only its owner may read that file, whatever the umask.
    """

    def __init__(
        self, path: Path, level: int = 3, sink: Sink | None = None, *, private: bool = False
    ) -> None:
        self._sink: Sink = JournalFile(path, private) if sink is None else sink
        self._packer = Packer(level)
        self._encode_into = msgspec.msgpack.Encoder().encode_into
        self._lock = Lock()
        self._held = 0
        self._appended = self._written = 0  # frames; written are those that are on the disk
        self._full: list[_Batch] = []  # not compressed yet
        self._unsynced: list[_Batch] = []  # compressed; some may be in the file already
        self._closed = False
        self._open_batch()

    @property
    def path(self) -> Path:
        """Where it is, or will be."""
        return self._sink.path

    @property
    def gone(self) -> bool:
        """Whether what was written before is not to be found, as seen last."""
        return self._sink.gone

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
        on the disk.
        """
        self.pack()
        while self._unsynced:
            self._write_some()

    def check(self) -> None:
        """Look whether all that was written is still there; raises as `flush`."""
        self._sink.check()

    def _write_some(self) -> None:
        """Write and sync the oldest batches: few enough that a disk with little room gets on."""
        portion, written = self._sink.portion, 0
        batches: list[_Batch] = []
        for batch in self._unsynced:
            batches.append(batch)
            written += len(batch.content)
            if portion is not None and written >= portion:
                break
        self._sink.write([batch.content for batch in batches])
        self._forget(batches, written)

    def _forget(self, batches: list[_Batch], written: int) -> None:
        """The oldest batches, of so many bytes, are on the disk."""
        self._written += sum(batch.frames for batch in batches)
        del self._unsynced[: len(batches)]
        with self._lock:
            self._held -= written

    def close(self) -> None:
        """Flush, check, and close the file. Raises as `flush`; may then be tried again."""
        if self._closed:
            return
        self.flush()
        self.check()
        self._closed = True
        self._sink.close()

    def abandon(self) -> None:
        """Close the file and forget what is held."""
        self._closed = True
        self._sink.close()
        with self._lock:
            self._full, self._unsynced, self._held = [], [], 0
            self._appended = self._written
            self._open_batch()

    def pack(self) -> None:
        """Compress all that was appended so far, one batch after another; it stays in memory."""
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

    def _open_batch(self) -> None:
        self._buffer = bytearray(_ARRAY_HEADER)
        self._count = 0

    def _close_batch(self) -> None:
        self._buffer[:_ARRAY_HEADER] = b"\xdd" + self._count.to_bytes(4, "big")
        self._full.append(_Batch(bytes(self._buffer), self._count))
        self._open_batch()
