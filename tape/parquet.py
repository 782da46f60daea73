"""One Parquet file of a segment: how it is encoded, and how it comes to be whole.

Encodings are those that came out smallest on real captures. DELTA_BINARY_PACKED makes nothing of
sequences and little of times, but hides from zstd how often a price or a quantity comes back: depth
takes 7.4 bytes a row with it, 4.8 with prices in a dictionary and plain quantities. Websocket texts
are smallest as plain pages of about 180 KB at zstd level 15, an eighth below level 9. The
Arrow schema is not stored: it would double the footer, and the Parquet types say the same.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.columns import Unit
from schemas.errors import TapeError
from tape.files import begin, publish, sha256_of
from tape.manifest import FileEntry

_LEVEL = 9
_PAYLOAD_LEVEL = 15
_PAGE_BYTES = 180 << 10
_PAGE_STEP = 128  # rows between two looks at the size of a page

_TAIL_BYTES = 8  # length of the footer, and PAR1
_DICTIONARY = "dictionary"
_BY_UNIT = {
    Unit.PRICE.value: _DICTIONARY,
    Unit.WIDE.value: _DICTIONARY,
    Unit.RATE.value: _DICTIONARY,
    Unit.WORD.value: _DICTIONARY,
    Unit.TEXT.value: "DELTA_BYTE_ARRAY",
}


class PartFile:
    """A Parquet file being written aside; ``finish`` gives it its name.

    root: the recording's folder; ``path`` is below it.
    labels: key-value metadata of the file; ``table`` among them.
    private: only its owner may read it, also while it is written.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, labels: dict[str, str], private: bool = False
    ) -> None:
        self.path = path
        self.rows = 0
        self.first_seq = 0
        self.last_seq = 0
        self.schema = schema
        self._temporary = begin(path, private)
        try:
            self._writer = pq.ParquetWriter(self._temporary, schema, **_options(schema))
        except OSError:
            self._temporary.unlink(missing_ok=True)  # it may be there: only its content failed
            raise
        self._writer.add_key_value_metadata(labels)

    def write(self, batches: list[pa.RecordBatch]) -> None:
        """Append one row group; each batch has at least one row."""
        table = pa.Table.from_batches(batches, self.schema)
        self._writer.write_table(table, row_group_size=table.num_rows)
        span = pc.min_max(table.column("seq")).as_py()
        first = self.rows == 0
        self.first_seq = span["min"] if first else min(self.first_seq, span["min"])
        self.last_seq = span["max"] if first else max(self.last_seq, span["max"])
        self.rows += table.num_rows

    def finish(self, root: Path, table: str, symbol: str | None) -> FileEntry:
        """Complete the file, sync it and give it its name."""
        entry = self.complete(root, table, symbol)
        self.publish()
        return entry

    def complete(self, root: Path, table: str, symbol: str | None) -> FileEntry:
        """Complete the file, under the name it is written under; `publish` gives it its own."""
        self._writer.close()
        return FileEntry(
            path=self.path.relative_to(root).as_posix(),
            table=table,
            symbol=symbol,
            rows=self.rows,
            first_seq=self.first_seq,
            last_seq=self.last_seq,
            **measure(self._temporary)._asdict(),
        )

    def publish(self) -> None:
        """Sync a complete file and give it its name, in the place of any that has it."""
        publish(self._temporary, self.path)

    def abandon(self) -> None:
        """Leave nothing behind, unless the file is finished already."""
        with suppress(OSError):  # a full disk may be why it is abandoned
            self._writer.close()
        self._temporary.unlink(missing_ok=True)


class Measure(NamedTuple):
    """What a FileEntry says of a file's bytes."""

    bytes: int
    sha256: str
    footer_bytes: int
    footer_sha256: str


def measure(path: Path) -> Measure:
    """Measure a Parquet file as it is. Its footer ends with its length and four more bytes.

    Raises TapeError where there is no room for one.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - _TAIL_BYTES, 0))
        footer = int.from_bytes(file.read(4), "little") + _TAIL_BYTES
    if footer > size:
        raise TapeError(f"{path} has {size} bytes: too few for its footer of {footer}")
    return Measure(size, sha256_of(path), footer, sha256_of(path, size - footer))


def _options(schema: pa.Schema) -> dict[str, Any]:
    encodings = {field.name: _encoding(field) for field in schema}
    return {
        "compression": "zstd",
        "compression_level": {field.name: _level(field) for field in schema},
        "use_dictionary": [name for name, encoding in encodings.items() if encoding == _DICTIONARY],
        "column_encoding": {n: e for n, e in encodings.items() if e != _DICTIONARY},
        "data_page_size": _PAGE_BYTES,
        "write_batch_size": _PAGE_STEP,
        "write_page_checksum": True,
        "write_statistics": ["seq", "ts_recv"],
        "store_decimal_as_integer": True,
        "store_schema": False,
    }


def _level(field: pa.Field) -> int:
    return _PAYLOAD_LEVEL if pa.types.is_binary(field.type) else _LEVEL


def _encoding(field: pa.Field) -> str:
    """By unit for the columns of rows, by type for those of frames, which have no unit."""
    unit = (field.metadata or {}).get(b"unit", b"").decode()
    if unit in _BY_UNIT:
        return _BY_UNIT[unit]
    if pa.types.is_string(field.type):
        return _DICTIONARY
    return "DELTA_BINARY_PACKED" if _is_int(field.type) else "PLAIN"


def _is_int(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind))
