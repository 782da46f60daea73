"""Reads one Parquet file of a segment, some thousand lines at a time.

Whatever is wrong with it becomes a TapeError that names the file and the place. pyarrow sees a
footer only after its sha256 was checked: a damaged one can end the whole process.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.errors import TapeError
from tape.files import sha256_of
from tape.manifest import FileEntry
from tape.version import Written, refuse_newer

_BATCH_ROWS = 8_192
_BROKEN = (OSError, ValueError, KeyError, pa.ArrowException)  # all that pyarrow raises for content

Line = TypeVar("Line")


class DamagedFile(TapeError):
    """A file of a segment that cannot be used; ``problem`` says why, without its name."""

    def __init__(self, root: Path, entry: FileEntry, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"{root / entry.path} (seq {entry.first_seq} to {entry.last_seq}): {problem}; bring it"
            " back from a copy (bp-tape verify lists all that is damaged)"
        )


def read_lines(
    root: Path,
    entry: FileEntry,
    convert: Callable[[pa.RecordBatch], list[Line]],
    from_seq: int = 0,
) -> Iterator[list[Line]]:
    """Lines of a file as ``convert`` makes them; row groups wholly before ``from_seq`` are skipped.

    Of a shared file only the lines that are the entry's. The footer and each page are checked.
    Raises DamagedFile for whatever cannot be read.
    """
    check_footer(root, entry)
    place = "its footer"
    try:
        with pq.ParquetFile(root / entry.path, page_checksum_verification=True) as file:
            _check_version(root / entry.path, file.metadata)
            for number in range(file.num_row_groups):
                first, last = _seqs(file.metadata.row_group(number))
                place = f"row group {number + 1} of {file.num_row_groups} (seq {first} to {last})"
                if last >= from_seq and not (
                    entry.share is not None and _is_beside(entry, first, last)
                ):
                    yield from map(convert, _own(entry, _batches(file, number)))
    except _BROKEN as error:
        raise DamagedFile(root, entry, f"{place} cannot be read ({_first_line(error)})") from None


def check_footer(root: Path, entry: FileEntry) -> None:
    """Raises DamagedFile where a file is missing, or its length or footer is not as sealed."""
    path = root / entry.path
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            raise DamagedFile(root, entry, f"has {size} bytes, was sealed with {entry.bytes}")
        if sha256_of(path, size - entry.footer_bytes) != entry.footer_sha256:
            raise DamagedFile(root, entry, "its footer is damaged")
    except OSError as error:
        raise DamagedFile(root, entry, f"cannot be read ({error.strerror})") from None


def lines_in(root: Path, entry: FileEntry) -> tuple[int, int, int]:
    """Number of lines, lowest and highest seq as a file's footer, once checked, has them."""
    try:
        metadata = pq.read_metadata(root / entry.path)
        _check_version(root / entry.path, metadata)
        spans = [_seqs(metadata.row_group(number)) for number in range(metadata.num_row_groups)]
        return metadata.num_rows, min(first for first, _ in spans), max(last for _, last in spans)
    except _BROKEN as error:
        problem = f"its footer cannot be read ({_first_line(error)})"
        raise DamagedFile(root, entry, problem) from None


def labels_in(root: Path, entry: FileEntry) -> dict[str, str]:
    """What a file says of itself. Raises DamagedFile where it cannot be asked."""
    check_footer(root, entry)
    try:
        said = pq.read_metadata(root / entry.path).metadata or {}
        return {name.decode(): value.decode() for name, value in said.items()}
    except _BROKEN as error:
        problem = f"its footer cannot be read ({_first_line(error)})"
        raise DamagedFile(root, entry, problem) from None


def _check_version(path: Path, metadata: pq.FileMetaData) -> None:
    """By the labels that `tape.segment` gives a file. Raises TooNew."""
    labels = metadata.metadata or {}
    written, schema = (int(labels.get(name, 1)) for name in (b"format", b"schema"))
    refuse_newer(path, Written(written, schema, labels.get(b"code", b"").decode()))


def _batches(file: pq.ParquetFile, number: int) -> Iterator[pa.RecordBatch]:
    """All of a row group; ValueError where a damaged page header hides a part of it."""
    missing = file.metadata.row_group(number).num_rows
    for batch in file.iter_batches(_BATCH_ROWS, row_groups=[number]):
        missing -= batch.num_rows
        yield batch
    if missing:
        raise ValueError(f"{missing} rows are missing")


def _is_beside(entry: FileEntry, first: int, last: int) -> bool:
    return first > entry.last_seq or last < entry.first_seq


def _own(entry: FileEntry, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Those lines of a file that are of the entry's segment."""
    if entry.share is None:
        return batches
    seqs = pc.field("seq")
    own = (seqs >= entry.first_seq) & (seqs <= entry.last_seq)
    return (kept for batch in batches if (kept := batch.filter(own)).num_rows)


def _seqs(group: pq.RowGroupMetaData) -> tuple[int, int]:
    """Lowest and highest seq of a row group, from its statistics."""
    column = group.column(0)  # seq is the first column of every table
    statistics = column.statistics
    if column.path_in_schema != "seq" or statistics is None or not statistics.has_min_max:
        raise ValueError("it does not say which seqs are in it")
    return statistics.min, statistics.max


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
