"""Reads one Parquet file of a segment, some thousand lines at a time.

Whatever is wrong with it becomes a TapeError that names the file and the place.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import TapeError
from tape.manifest import FileEntry

_BATCH_ROWS = 8_192
_BROKEN = (OSError, ValueError, KeyError, pa.ArrowException)  # all that pyarrow raises for content

Line = TypeVar("Line")


def read_lines(
    root: Path,
    entry: FileEntry,
    convert: Callable[[pa.RecordBatch], list[Line]],
    from_seq: int = 0,
) -> Iterator[list[Line]]:
    """Lines of a file as ``convert`` makes them; row groups wholly before ``from_seq`` are skipped.

    Checksums of pages are checked. Raises TapeError for whatever cannot be read.
    """
    place = "its footer"
    try:
        with pq.ParquetFile(root / entry.path, page_checksum_verification=True) as file:
            _compare(file.metadata, root, entry)
            for number in range(file.num_row_groups):
                first, last = _seqs(file.metadata.row_group(number))
                place = f"row group {number + 1} of {file.num_row_groups} (seq {first} to {last})"
                if last >= from_seq:
                    for batch in file.iter_batches(_BATCH_ROWS, row_groups=[number]):
                        yield convert(batch)
    except _BROKEN as error:
        raise _unreadable(root, entry, place, error) from None


def check_footer(root: Path, entry: FileEntry) -> None:
    """Raises TapeError where a file's footer does not say what the manifest says."""
    try:
        _compare(pq.read_metadata(root / entry.path), root, entry)
    except _BROKEN as error:
        raise _unreadable(root, entry, "its footer", error) from None


def _compare(metadata: pq.FileMetaData, root: Path, entry: FileEntry) -> None:
    spans = [_seqs(metadata.row_group(number)) for number in range(metadata.num_row_groups)]
    first, last = min(span[0] for span in spans), max(span[1] for span in spans)
    if (metadata.num_rows, first, last) != (entry.rows, entry.first_seq, entry.last_seq):
        raise TapeError(
            f"{root / entry.path} has {metadata.num_rows} rows (seq {first} to {last}), its"
            f" manifest says {entry.rows} (seq {entry.first_seq} to {entry.last_seq}): it is not"
            " the file that was sealed; bring it back from a copy"
        )


def _seqs(group: pq.RowGroupMetaData) -> tuple[int, int]:
    """Lowest and highest seq of a row group, from its statistics."""
    statistics = group.column(0).statistics
    if group.column(0).path_in_schema != "seq" or statistics is None:
        raise ValueError("it has no statistics of seq")
    return statistics.min, statistics.max


def _unreadable(root: Path, entry: FileEntry, place: str, error: Exception) -> TapeError:
    said = str(error).partition("\n")[0] or type(error).__name__
    return TapeError(
        f"{root / entry.path}: {place} cannot be read ({said}); bring the file back from a copy"
        " (bp-tape verify lists all that is damaged)"
    )
