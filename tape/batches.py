"""Reads one Parquet file of a segment, some thousand lines at a time.

Whatever is wrong with it becomes a TapeError that names the file and the place. pyarrow sees a
footer only after its sha256 was checked: a damaged one can end the whole process.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.errors import TapeError
from tape.files import sha256_of
from tape.layout import Tape
from tape.manifest import FileEntry
from tape.prunings import pruning_of
from tape.version import Written, refuse_newer

HIGHEST_SEQ = 2**63 - 1

_BATCH_ROWS = 8_192
_BROKEN = (OSError, ValueError, KeyError, pa.ArrowException)  # all that pyarrow raises for content

_DAMAGED = "bring it back from a copy (bp-tape verify lists all that is damaged)"
_PRIVATE = (
    "it holds what is of an account, which lies apart and only its owner may read: bring it back"
    " from a copy, or get the right to read it; bp-tape export --public-only does without"
)
_PRUNED = (
    "only a copy brings frames back; rows come back with bp-tape seal --again while the frames are"
    " there"
)

Line = TypeVar("Line")


class DamagedFile(TapeError):
    """A file of a segment that cannot be used; ``problem`` says why, without its ``path``."""

    def __init__(self, root: Path, entry: FileEntry, problem: str) -> None:
        self.problem = problem
        self.path = root / entry.path
        advice = self.advice(entry)
        super().__init__(
            f"{self.path} (seq {entry.first_seq} to {entry.last_seq}): {problem}; {advice}"
        )

    def advice(self, entry: FileEntry) -> str:
        """What to do about it."""
        return _PRIVATE if entry.private else _DAMAGED


class PrunedFile(DamagedFile):
    """One that is not there since it was pruned, as the log says."""

    def advice(self, entry: FileEntry) -> str:
        return _PRUNED


class Group(NamedTuple):
    """A row group of a file, by its statistics.

    first_seq, last_seq, first_ts, last_ts: lowest and highest seq and ``ts_recv``, of the lines of
        all segments that share the file; the times are None where it does not say.
    """

    number: int
    rows: int
    first_seq: int
    last_seq: int
    first_ts: int | None
    last_ts: int | None


class Excerpt(NamedTuple):
    """What is read of a file.

    from_seq, until_seq: lowest and highest seq; row groups wholly outside are skipped.
    columns: None is all; `seq` is needed for a cut by seq.
    batch_rows: lines that are decoded at a time, at most.
    groups: the row groups to be read, None is all.
    words: columns of text that are left as they are stored, as dictionary arrays.
    """

    from_seq: int = 0
    until_seq: int = HIGHEST_SEQ
    columns: Sequence[str] | None = None
    batch_rows: int = _BATCH_ROWS
    groups: Callable[[Group], bool] | None = None
    words: Sequence[str] = ()


WHOLE = Excerpt()


def read_lines(
    root: Path,
    entry: FileEntry,
    convert: Callable[[pa.RecordBatch], list[Line]],
    excerpt: Excerpt = WHOLE,
) -> Iterator[list[Line]]:
    """Lines of a file, or of an excerpt of it, as ``convert`` makes them of batches with some.

    Of a shared file only the lines that are the entry's. The footer and each page are checked.
    Raises DamagedFile for whatever cannot be read.
    """
    check_footer(root, entry)
    place = "its footer"
    try:
        with _opened(root / entry.path, excerpt.words) as file:
            for group in map(_group, range(file.num_row_groups), repeat(file.metadata)):
                place = (
                    f"row group {group.number + 1} of {file.num_row_groups}"
                    f" (seq {group.first_seq} to {group.last_seq})"
                )
                if _is_wanted(entry, excerpt, group):
                    batches = _batches(file, group, excerpt)
                    yield from map(convert, _cut(batches, group, _span(entry, excerpt)))
    except _BROKEN as error:
        raise DamagedFile(root, entry, f"{place} cannot be read ({_first_line(error)})") from None


def groups_in(root: Path, entry: FileEntry) -> list[Group]:
    """The row groups of a file that have lines of the entry. Raises DamagedFile."""
    check_footer(root, entry)
    try:
        with _opened(root / entry.path) as file:
            found = [_group(number, file.metadata) for number in range(file.num_row_groups)]
    except _BROKEN as error:
        problem = f"its footer cannot be read ({_first_line(error)})"
        raise DamagedFile(root, entry, problem) from None
    return [group for group in found if _is_wanted(entry, WHOLE, group)]


def check_footer(root: Path, entry: FileEntry) -> None:
    """Raises DamagedFile where a file is missing, or its length or footer is not as sealed."""
    path = root / entry.path
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            raise DamagedFile(root, entry, f"has {size} bytes, was sealed with {entry.bytes}")
        if sha256_of(path, size - entry.footer_bytes) != entry.footer_sha256:
            raise DamagedFile(root, entry, "its footer is damaged")
    except FileNotFoundError as error:
        pruning = pruning_of(Tape(root), entry.path, entry.sha256)
        if pruning is not None:
            raise PrunedFile(root, entry, f"was {pruning}") from None
        raise DamagedFile(root, entry, f"cannot be read ({error.strerror})") from None
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


def _opened(path: Path, words: Sequence[str] = ()) -> pq.ParquetFile:
    """Raises TooNew for a file that a later version wrote, and whatever pyarrow does."""
    file = pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=list(words))
    try:
        _check_version(path, file.metadata)
    except BaseException:
        file.close()
        raise
    return file


def _batches(file: pq.ParquetFile, group: Group, excerpt: Excerpt) -> Iterator[pa.RecordBatch]:
    """All of a row group; ValueError where a damaged page header hides a part of it."""
    missing = group.rows
    columns = None if excerpt.columns is None else list(excerpt.columns)
    for batch in file.iter_batches(excerpt.batch_rows, row_groups=[group.number], columns=columns):
        missing -= batch.num_rows
        yield batch
    if missing:
        raise ValueError(f"{missing} rows are missing")


def _is_wanted(entry: FileEntry, excerpt: Excerpt, group: Group) -> bool:
    first, last = _span(entry, excerpt)
    within = group.last_seq >= first and group.first_seq <= last
    return within and (excerpt.groups is None or excerpt.groups(group))


def _span(entry: FileEntry, excerpt: Excerpt) -> tuple[int, int]:
    """Lowest and highest seq of the lines that are the entry's and asked for."""
    if entry.share is None:
        return excerpt.from_seq, excerpt.until_seq
    return max(excerpt.from_seq, entry.first_seq), min(excerpt.until_seq, entry.last_seq)


def _cut(
    batches: Iterator[pa.RecordBatch], group: Group, span: tuple[int, int]
) -> Iterator[pa.RecordBatch]:
    """Those lines of a row group that are in a span of seqs; no batch without any."""
    first, last = span
    if first <= group.first_seq and group.last_seq <= last:
        return batches
    return (kept for batch in batches if (kept := _between(batch, first, last)).num_rows)


def _between(batch: pa.RecordBatch, first: int, last: int) -> pa.RecordBatch:
    seqs = batch.column("seq")
    return batch.filter(pc.and_(pc.greater_equal(seqs, first), pc.less_equal(seqs, last)))


def _group(number: int, metadata: pq.FileMetaData) -> Group:
    group = metadata.row_group(number)
    return Group(number, group.num_rows, *_seqs(group), *_times(group))


def _seqs(group: pq.RowGroupMetaData) -> tuple[int, int]:
    """Lowest and highest seq of a row group, from its statistics."""
    column = group.column(0)  # seq is the first column of every table
    statistics = column.statistics
    if column.path_in_schema != "seq" or statistics is None or not statistics.has_min_max:
        raise ValueError("it does not say which seqs are in it")
    return statistics.min, statistics.max


def _times(group: pq.RowGroupMetaData) -> tuple[int | None, int | None]:
    """Lowest and highest time of receipt, in ns."""
    column = group.column(1)
    statistics = column.statistics
    if column.path_in_schema != "ts_recv" or statistics is None or not statistics.has_min_max:
        return None, None
    return statistics.min_raw, statistics.max_raw


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
