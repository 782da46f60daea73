"""The journal: every frame, on disk within a flush, in batches that are whole or not there.

A batch is one zstd frame (content size and checksum in it) around one msgpack array of frames.
A crash can only tear the last batch; a flipped byte costs the batch it is in. ``zstd -t`` checks a
journal, ``zstd -dc`` gives plain msgpack.
"""

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import msgspec
import zstandard

from schemas.frames import Frame
from tape.files import make_folder, sync_folder

BATCH_BYTES = 4 << 20  # a batch is closed above this, so that readers are bounded
LARGEST_BATCH = 64 << 20  # above this a header lies; leaves room for one large frame

_MAGIC = b"\x28\xb5\x2f\xfd"
_LONGEST_HEADER = 18
_BLOCK_HEADER = 3
_CHECKSUM_BYTES = 4
_RLE = 1
_SEARCH_BYTES = 1 << 20
_ARRAY_HEADER = 5  # msgpack array32: 0xdd and a count of four bytes

TORN = "the file ends within a batch"


class Damage(msgspec.Struct, frozen=True):
    """A byte range of a journal that cannot be read, or frames that are not in it.

    offset, length: bytes in the journal file; length 0 where the bytes are whole but frames miss.
    after_seq: last good frame before, 0 if none.
    until_seq: first good frame after, None if none.
    """

    offset: int
    length: int
    reason: str
    after_seq: int
    until_seq: int | None = None

    def __str__(self) -> str:
        until = "the end" if self.until_seq is None else f"seq {self.until_seq}"
        return (
            f"{self.length} bytes at {self.offset}, after seq {self.after_seq} until {until}:"
            f" {self.reason}"
        )


class JournalWriter:
    """Writes a new journal. ``append`` is for the receive path; ``write`` may run in a thread.

    Raises FileExistsError where the journal exists, and OSError from ``write`` when the disk
    refuses; the batches given to a failed ``write`` are lost or torn, those before it are safe.
    """

    def __init__(self, path: Path, level: int = 3) -> None:
        make_folder(path.parent)
        self._file = path.open("xb", buffering=0)
        sync_folder(path.parent)
        self._compressor = zstandard.ZstdCompressor(
            level=level, write_checksum=True, write_content_size=True
        )
        self._encode_into = msgspec.msgpack.Encoder().encode_into
        self._lock = Lock()
        self._full: list[bytes] = []
        self._open_batch()

    @property
    def pending(self) -> int:
        """Bytes, before compression, that no ``take`` has fetched yet."""
        with self._lock:
            return sum(map(len, self._full)) + len(self._buffer) - _ARRAY_HEADER

    def append(self, frame: Frame) -> None:
        """Put a frame behind those before it. In memory only until taken and written."""
        with self._lock:
            self._encode_into(frame, self._buffer, -1)
            self._count += 1
            if len(self._buffer) > BATCH_BYTES:
                self._close_batch()

    def take(self) -> list[bytes]:
        """All pending batches, oldest first; normally one, none when nothing is pending."""
        with self._lock:
            if self._count:
                self._close_batch()
            batches, self._full = self._full, []
            return batches

    def write(self, batches: list[bytes]) -> None:
        """Compress, write and sync. On disk when this returns. Calls must not overlap."""
        for batch in batches:
            _write_all(self._file, self._compressor.compress(batch))
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write what is pending and close the file."""
        try:
            if not self._file.closed:
                self.write(self.take())
        finally:
            self._file.close()

    def _open_batch(self) -> None:
        self._buffer = bytearray(_ARRAY_HEADER)
        self._count = 0

    def _close_batch(self) -> None:
        self._buffer[:_ARRAY_HEADER] = b"\xdd" + self._count.to_bytes(4, "big")
        self._full.append(bytes(self._buffer))
        self._open_batch()


def read_journal(path: Path) -> "JournalReader":
    """Read a journal's frames, skipping what is damaged."""
    return JournalReader(path)


class JournalReader:
    """Iterates the frames of a journal once, in bounded memory; never raises for its content.

    damage: what could not be read so far. The last entry has no ``until_seq`` if nothing readable
    followed: that is the torn tail of a crash when its reason is ``TORN``.
    last_seq, last_ts: of the last frame given out; 0 before the first.
    """

    def __init__(self, path: Path) -> None:
        self.damage: list[Damage] = []
        self.last_seq = 0
        self.last_ts = 0
        self._path = path
        self._decoder = msgspec.msgpack.Decoder(list[Frame])
        self._decompressor = zstandard.ZstdDecompressor()

    def __iter__(self) -> Iterator[Frame]:
        with self._path.open("rb") as file:
            yield from self._frames(file)

    @property
    def tail(self) -> Damage | None:
        """The damage after the last frame, if any."""
        return self.damage[-1] if self.damage and self.damage[-1].until_seq is None else None

    def _frames(self, file: BinaryIO) -> Iterator[Frame]:
        for batch in self._batches(file):
            for frame in batch:
                self.last_seq, self.last_ts = frame.seq, frame.ts_recv
                yield frame

    def _batches(self, file: BinaryIO) -> Iterator[list[Frame]]:
        offset, size = 0, file.seek(0, os.SEEK_END)
        bad: tuple[int, str] | None = None  # where a damage began and what it was
        while offset < size:
            try:
                batch, end = self._batch(file, offset)
            except _Unreadable as error:
                bad = bad or (offset, str(error))
                offset = _next_magic(file, offset + 1, size)
                continue
            if bad is not None:
                self._note(bad, offset, batch[0].seq)
                bad = None
            yield batch
            offset = end
        if bad is not None:
            self._note(bad, size, None)

    def _batch(self, file: BinaryIO, offset: int) -> tuple[list[Frame], int]:
        content = _exactly(file, offset, _batch_length(file, offset))
        try:
            batch = self._decoder.decode(self._decompressor.decompress(content))
        except zstandard.ZstdError as error:
            raise _Unreadable(f"damaged batch: {error}") from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _Unreadable(f"a batch that holds no frames: {error}") from None
        if not batch:
            raise _Unreadable("an empty batch")
        return batch, offset + len(content)

    def _note(self, bad: tuple[int, str], end: int, until_seq: int | None) -> None:
        offset, reason = bad
        self.damage.append(Damage(offset, end - offset, reason, self.last_seq, until_seq))


class _Unreadable(Exception):
    """No whole batch begins at this byte; the message says why."""


def _batch_length(file: BinaryIO, offset: int) -> int:
    """Length of the zstd frame at ``offset``, found by walking its block headers (RFC 8878)."""
    length, content_size = _header(file, offset)
    # What compression may add to incompressible content; beyond it a block header lies.
    longest = content_size + content_size // 128 + 1024
    last = False
    while not last:
        block = int.from_bytes(_exactly(file, offset + length, _BLOCK_HEADER), "little")
        last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        length += _BLOCK_HEADER + (1 if kind == _RLE else size)
        if length > longest:
            raise _Unreadable("a batch longer than its header says")
    return length + _CHECKSUM_BYTES


def _header(file: BinaryIO, offset: int) -> tuple[int, int]:
    """Length of the zstd frame's header and of the content it promises."""
    file.seek(offset)
    header = file.read(_LONGEST_HEADER)
    try:
        promised = zstandard.get_frame_parameters(header)
        length = zstandard.frame_header_size(header)
    except zstandard.ZstdError:
        torn = len(header) < _LONGEST_HEADER and header[:4] == _MAGIC[: len(header)]
        raise _Unreadable(TORN if torn else "no batch begins here") from None
    if not promised.has_checksum or promised.content_size > LARGEST_BATCH:
        raise _Unreadable("a batch whose header is damaged")
    return length, promised.content_size


def _exactly(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    content = file.read(length)
    if len(content) < length:
        raise _Unreadable(TORN)
    return content


def _next_magic(file: BinaryIO, start: int, size: int) -> int:
    """Offset of the next zstd frame, or ``size``."""
    while start < size:
        file.seek(start)
        window = file.read(_SEARCH_BYTES)
        found = window.find(_MAGIC)
        if found >= 0:
            return start + found
        start += max(len(window) - len(_MAGIC) + 1, 1)
    return size


def _write_all(file: BinaryIO | FileIO, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[file.write(view) or 0 :]
