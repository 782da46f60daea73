"""A batch of the journal on disk: a seal of 24 bytes, then one zstd frame (RFC 8878).

The seal is a skippable frame, so that zstd's own tools step over it: magic 0x184D2A50, length 16,
then format, length of the batch, CRC-32 of its compressed bytes, CRC-32 of the 20 bytes before; all
as little-endian 32-bit numbers. CRC-32 (as in zlib) finds every flipped bit and every burst of up
to 32 bits for certain. The checksum within zstd is over the content, so that it cannot see a bit
that decompressing does not need. Batches of format 1 have no seal.
"""

import os
import re
import struct
from typing import BinaryIO, NamedTuple
from zlib import crc32

import zstandard

from tape.version import FORMAT

LARGEST_BATCH = 64 << 20  # of its content; above this a header lies
TORN = "the file ends within a batch"

_SEAL_MAGIC = struct.pack("<2I", 0x184D2A50, 16)
_SEAL = struct.Struct("<8s4I")
_CHECKED = _SEAL.size - 4  # its own checksum comes last
_MAGIC = b"\x28\xb5\x2f\xfd"
_MAGICS = re.compile(b"|".join(map(re.escape, (_SEAL_MAGIC, _MAGIC))))
_LONGEST_MAGIC = len(_SEAL_MAGIC)
_LONGEST_HEADER = 18
_BLOCK_HEADER = 3
_CHECKSUM_BYTES = 4
_RLE = 1
_SEARCH_BYTES = 1 << 20


class Unreadable(Exception):
    """No whole batch begins at this byte; the message says why.

    resume: where to look for the next one; 0: at the next byte.
    """

    def __init__(self, reason: str, resume: int = 0) -> None:
        super().__init__(reason)
        self.resume = resume


class Batch(NamedTuple):
    """A batch that is whole.

    content: decompressed; empty where a later format has it otherwise.
    format: that its seal names; 1 without a seal.
    end: offset behind it.
    worn: a bit of it is not as written, though its content is.
    """

    content: bytes
    format: int
    end: int
    worn: bool = False


class Packer:
    """Makes batches for the disk, each to be written in one call."""

    def __init__(self, level: int) -> None:
        self._compressor = zstandard.ZstdCompressor(
            level=level, write_checksum=True, write_content_size=True
        )

    def pack(self, content: bytes) -> bytes:
        """Seal and zstd frame."""
        packed = self._compressor.compress(content)
        seal = _SEAL.pack(_SEAL_MAGIC, FORMAT, len(packed), crc32(packed), 0)[:_CHECKED]
        return seal + crc32(seal).to_bytes(4, "little") + packed


class Unpacker:
    """Finds and reads batches in a file, whatever else is in it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decompressor = zstandard.ZstdDecompressor()
        self._passed: set[int] = set()  # block headers on the way of walks in vain
        self._window = b""  # of the file, for searches that follow on one another
        self._begins = 0  # offset of the window
        self.size = file.seek(0, os.SEEK_END)

    def at(self, offset: int) -> Batch:
        """The batch that begins here; raises Unreadable."""
        head = self._read(offset, _SEAL.size)
        if not head.startswith(_SEAL_MAGIC[: len(head)]):
            return self._unsealed(offset)
        if len(head) < _SEAL.size:
            raise Unreadable(TORN, self.size)
        return self._sealed(offset, head)

    def search(self, start: int) -> int:
        """Offset of the next thing that looks like a seal or a batch; the end if none does."""
        while start < self.size:
            ends = self._begins + len(self._window)
            if not self._begins <= start <= ends - _LONGEST_MAGIC:
                self._window, self._begins = self._read(start, _SEARCH_BYTES), start
                ends = start + len(self._window)
            found = _MAGICS.search(self._window, start - self._begins)
            if found:
                return self._begins + found.start()
            if ends >= self.size:
                break
            start = max(ends - _LONGEST_MAGIC, start) + 1
        return self.size

    def _sealed(self, offset: int, head: bytes) -> Batch:
        _, version, length, checksum, own = _SEAL.unpack(head)
        if own != crc32(head[:_CHECKED]):
            raise Unreadable("a damaged seal")  # the search finds the batch behind it
        start = offset + _SEAL.size
        end = start + length
        if end > self.size:
            raise Unreadable(TORN, self.size)
        packed = self._read(start, length)
        try:
            return Batch(self._unpacked(packed), version, end, crc32(packed) != checksum)
        except Unreadable as error:
            if version > FORMAT:
                return Batch(b"", version, end)
            raise Unreadable(str(error), end) from None

    def _unsealed(self, offset: int) -> Batch:
        """As in format 1, or behind a damaged seal."""
        length = self._walk(offset)
        content = self._unpacked(self._exactly(offset, length))
        self._passed.clear()
        return Batch(content, 1, offset + length)

    def _unpacked(self, packed: bytes) -> bytes:
        _promised(packed)
        try:
            return self._decompressor.decompress(packed, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise Unreadable(f"damaged batch: {error}") from None

    def _walk(self, offset: int) -> int:
        """Length of the zstd frame at ``offset``, found by walking its block headers.

        A walk that comes to where one in vain has been is in vain too; without that, the time for
        bytes made to look like batches grows with their square.
        """
        header = self._read(offset, _LONGEST_HEADER)
        length, content_size = _promised(header)
        # What compression may add to incompressible content; beyond it a block header lies.
        longest = content_size + content_size // 128 + 1024
        last = False
        while not last:
            place = offset + length
            if place in self._passed:
                raise Unreadable("no batch begins here")
            self._passed.add(place)
            block = int.from_bytes(self._exactly(place, _BLOCK_HEADER), "little")
            last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
            length += _BLOCK_HEADER + (1 if kind == _RLE else size)
            if length > longest:
                raise Unreadable("a batch longer than its header says")
        return length + _CHECKSUM_BYTES

    def _read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(length)

    def _exactly(self, offset: int, length: int) -> bytes:
        content = self._read(offset, length)
        if len(content) < length:
            raise Unreadable(TORN)
        return content


def _promised(packed: bytes) -> tuple[int, int]:
    """Length of a zstd frame's header and of the content it promises."""
    header = packed[:_LONGEST_HEADER]
    try:
        promised = zstandard.get_frame_parameters(header)
        length = zstandard.frame_header_size(header)
    except zstandard.ZstdError:
        torn = len(header) < _LONGEST_HEADER and header[:4] == _MAGIC[: len(header)]
        raise Unreadable(TORN if torn else "no batch begins here") from None
    if not promised.has_checksum or promised.content_size > LARGEST_BATCH:
        raise Unreadable("a batch whose header is damaged")
    return length, promised.content_size
