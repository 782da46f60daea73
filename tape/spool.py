"""Rows waiting to become Parquet files: sorted into parts, in flat memory.

A segment has up to some thousand parts (table, day, symbol) that grow side by side, yet only one
Parquet file should be open at a time. Rows wait as msgpack, a fifth of the size of the objects;
what does not fit in memory waits in a temporary file without a name.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import msgspec
import pyarrow as pa

from schemas.privacy import is_private_row
from schemas.rows import Row
from schemas.tables import TABLES
from tape.columns import rows_to_arrow
from tape.files import make_folder
from tape.layout import DAY_NS, Part

_MEMORY_BYTES = 32 << 20  # of all waiting rows together
_PILE_BYTES = 1 << 20  # of one part; bounds the rows that are objects at a time


class _Chunk(NamedTuple):
    """Rows in the temporary file."""

    offset: int
    length: int
    rows: int


class _Pile:
    """The waiting rows of one part: first those in the file, then those in memory."""

    __slots__ = ("buffer", "chunks", "count")

    def __init__(self) -> None:
        self.chunks: list[_Chunk] = []
        self.buffer = bytearray()
        self.count = 0


class Spool:
    """Takes rows in any order of parts; gives them back part by part, each in order."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        self._piles: dict[Part, _Pile] = {}
        self._bytes = 0
        self._encode_into = msgspec.msgpack.Encoder().encode_into

    def add(self, rows: Iterable[Row], private: bool = False) -> None:
        """Put rows behind those of their parts. private: the frame that made them is."""
        for row in rows:
            part = Part(
                row.TABLE, row.ts_recv // DAY_NS, row.symbol, private or is_private_row(row)
            )
            pile = self._piles.get(part)
            if pile is None:
                pile = self._piles[part] = _Pile()
            before = len(pile.buffer)
            self._encode_into(row, pile.buffer, -1)
            pile.count += 1
            self._bytes += len(pile.buffer) - before
            if len(pile.buffer) > _PILE_BYTES:
                self._spill(pile)
        if self._bytes > _MEMORY_BYTES:
            self._make_room()

    def parts(self) -> list[Part]:
        """All parts, sorted by table, day and symbol."""
        return sorted(self._piles, key=lambda part: (*part[:2], part.symbol or "", part.private))

    def batches(self, part: Part) -> Iterator[pa.RecordBatch]:
        """The rows of a part as columns; the part is then forgotten."""
        pile = self._piles.pop(part)
        row = TABLES[part.table]
        decode = msgspec.msgpack.Decoder(list[row]).decode  # type: ignore[valid-type]
        for chunk in pile.chunks:
            self._file.seek(chunk.offset)
            yield rows_to_arrow(row, decode(_array(self._file.read(chunk.length), chunk.rows)))
        if pile.count:
            self._bytes -= len(pile.buffer)
            yield rows_to_arrow(row, decode(_array(pile.buffer, pile.count)))

    def close(self) -> None:
        """Give memory and disk back."""
        self._piles.clear()
        self._file.close()

    def _make_room(self) -> None:
        """Move the largest piles to the file until half of the memory is free."""
        for pile in sorted(self._piles.values(), key=lambda p: len(p.buffer), reverse=True):
            if self._bytes <= _MEMORY_BYTES // 2:
                return
            self._spill(pile)

    def _spill(self, pile: _Pile) -> None:
        offset = self._file.seek(0, 2)
        self._file.write(pile.buffer)
        pile.chunks.append(_Chunk(offset, len(pile.buffer), pile.count))
        self._bytes -= len(pile.buffer)
        pile.buffer = bytearray()
        pile.count = 0


def _array(content: bytes | bytearray, count: int) -> bytes:
    """Msgpack values one after another as one array."""
    return b"\xdd" + count.to_bytes(4, "big") + content
