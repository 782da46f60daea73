"""Plain files that lines are given out as: Parquet, CSV, or a JSON object on each line."""

import base64
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tape.files import begin, publish
from tape.parquet import PartFile
from tape.texts import csv_cells, readable

_GROUP_ROWS = 65_536
_GROUP_BYTES = 8 << 20
_LINES = 8_192  # that are texts at a time

_to_lines = msgspec.json.Encoder().encode_lines


class Target(NamedTuple):
    """A file to be made. labels: what it says of itself, where its format can."""

    path: Path
    schema: pa.Schema
    labels: dict[str, str]
    private: bool


class Outfile(Protocol):
    """A file that is written aside until it is published. rows: that are in it."""

    rows: int

    def write(self, batch: pa.RecordBatch) -> None:
        """Append lines."""

    def complete(self) -> int:
        """All is written; its bytes."""

    def publish(self) -> None:
        """Give it its name."""

    def abandon(self) -> None:
        """Leave nothing behind of what is not published."""


class ParquetFile:
    """Encoded as those of a recording are; zstd."""

    def __init__(self, target: Target) -> None:
        self.rows = 0
        self._target = target
        self._file = PartFile(*target)
        self._waiting: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, _LINES):
            self._waiting.append(batch.slice(start, _LINES))
            self.rows += self._waiting[-1].num_rows
            full = sum(b.num_rows for b in self._waiting) >= _GROUP_ROWS
            if full or sum(b.nbytes for b in self._waiting) >= _GROUP_BYTES:
                self._write_group()

    def complete(self) -> int:
        self._write_group()
        return self._file.complete(self._target.path.parent, self._target.path.stem, None).bytes

    def publish(self) -> None:
        self._file.publish()

    def abandon(self) -> None:
        self._file.abandon()

    def _write_group(self) -> None:
        if self._waiting:
            self._file.write(self._waiting)
            self._waiting = []


class TextFile:
    """Lines of text, in UTF-8. lines: what batches are in it. head: its first line."""

    def __init__(
        self, target: Target, lines: Callable[[pa.RecordBatch], bytes], head: bytes = b""
    ) -> None:
        self.rows = 0
        self._target = target
        self._lines = lines
        self._temporary = begin(target.path, target.private)
        self._file = self._temporary.open("wb")
        self._file.write(head)

    def write(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, _LINES):
            part = batch.slice(start, _LINES)
            self._file.write(self._lines(part))
            self.rows += part.num_rows

    def complete(self) -> int:
        self._file.close()
        return self._temporary.stat().st_size

    def publish(self) -> None:
        publish(self._temporary, self._target.path)

    def abandon(self) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def _csv(target: Target) -> Outfile:
    names = [name for field in target.schema for name in _names(field)]
    return TextFile(target, _csv_lines, ",".join(names).encode() + b"\n")


def _jsonl(target: Target) -> Outfile:
    return TextFile(target, _json_lines)


FORMATS: dict[str, Callable[[Target], Outfile]] = {
    "parquet": ParquetFile,
    "csv": _csv,
    "jsonl": _jsonl,
}


def _csv_lines(batch: pa.RecordBatch) -> bytes:
    columns = [csv_cells(array) for _, array in _columns(batch)]
    lines = pc.binary_join_element_wise(*columns, ",", null_handling="replace", null_replacement="")
    return "\n".join([*lines.to_pylist(), ""]).encode()


def _json_lines(batch: pa.RecordBatch) -> bytes:
    names, arrays = zip(*_columns(batch), strict=True)
    values = zip(*(readable(array).to_pylist() for array in arrays), strict=True)
    return _to_lines([_object(names, line) for line in values])


def _object(names: Sequence[str], line: Sequence[Any]) -> dict[str, Any]:
    """Of a payload only the way it is written in."""
    found = dict(zip(names, line, strict=True))
    for name in _PAYLOAD:
        if name in found and found[name] is None:
            del found[name]
    return found


_PAYLOAD = ("payload", "payload_base64")


def _names(field: pa.Field) -> Sequence[str]:
    """Bytes are texts in one column or, where they are no UTF-8, base64 in another."""
    return (field.name, f"{field.name}_base64") if pa.types.is_binary(field.type) else (field.name,)


def _columns(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.Array]]:
    for field, array in zip(batch.schema, batch.columns, strict=True):
        arrays = _texts(array) if pa.types.is_binary(field.type) else (array,)
        yield from zip(_names(field), arrays, strict=True)


def _texts(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    try:
        return array.cast(pa.string()), pa.nulls(len(array), pa.string())
    except pa.ArrowInvalid:
        pairs = [_text(value) for value in array.to_pylist()]
        texts, codes = zip(*pairs, strict=True)
        return pa.array(texts, pa.string()), pa.array(codes, pa.string())


def _text(value: bytes) -> tuple[str | None, str | None]:
    try:
        return value.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(value).decode()
