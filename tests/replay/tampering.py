"""Ways to spoil a sealed recording, and what a certificate says of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from replay.certificate import Certificate, Finding, Parting
from tape.layout import Tape
from tape.manifest import FileEntry, Manifest
from tape.reader import segments

Change = Callable[[Any], Any]


def flipped(content: bytes, at: int, by: int) -> bytes:
    """With one byte changed; ``by`` from 1 to 255."""
    return content[:at] + bytes([content[at] ^ by]) + content[at + 1 :]


def flip_byte(path: Path, at: int, by: int = 0xFF) -> None:
    """Change one byte of a file."""
    path.write_bytes(flipped(path.read_bytes(), at, by))


def change_value(path: Path, line: int, column: str, change: Change) -> None:
    """Rewrite a Parquet file with one value changed."""
    table = pq.ParquetFile(path).read()
    values = table.column(column).to_pylist()
    values[line] = change(values[line])
    field = table.schema.field(column).with_nullable(True)
    array = pa.array(values, field.type)
    changed = table.set_column(table.schema.get_field_index(column), field, array)
    pq.write_table(changed, path, compression="zstd", store_schema=False)


def change_frame(tape: Tape, seq: int, column: str, change: Change) -> None:
    """Rewrite the frames file of one frame with a value of it changed."""
    for segment in segments(tape, merge=True):
        for entry in segment.files_of("frames"):
            if entry.first_seq <= seq <= entry.last_seq:
                change_value(tape.root / entry.path, seq - entry.first_seq, column, change)


def entries_of(tape: Tape, *tables: str) -> list[tuple[Manifest, FileEntry]]:
    """All files of some tables, with their segments."""
    return [
        (segment, entry)
        for segment in segments(tape, merge=True)
        for table in tables
        for entry in segment.files_of(table)
    ]


def findings_of(certificate: Certificate) -> list[Finding]:
    """Of all segments."""
    return [finding for segment in certificate.segments for finding in segment.findings]


def partings_of(certificate: Certificate) -> list[Parting]:
    """Those that name rows."""
    return [f for f in findings_of(certificate) if isinstance(f, Parting)]
