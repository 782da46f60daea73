"""Writes the Parquet files of one segment, in flat memory however many frames and parts it has."""

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

import pyarrow as pa

from schemas.arrow import FRAMES as FRAMES_SCHEMA
from schemas.arrow import schema
from schemas.frames import Frame
from schemas.rows import SCHEMA, Row
from schemas.tables import TABLES
from tape.columns import frames_to_arrow
from tape.layout import FRAMES, HOUR_NS, ROWS, Part, SegmentName, Tape
from tape.manifest import FileEntry
from tape.parquet import PartFile
from tape.spool import Spool
from tape.version import FORMAT, code_version

_GROUP_ROWS = 65_536  # of a row group
_GROUP_BYTES = 8 << 20  # of a row group of frames, in memory
_FRAME_BYTES = 64  # of a frame without its payload, in memory
_BATCH_FRAMES = 4_096  # that wait as objects before they become columns


class RowsWriter:
    """Takes the rows of a segment; a context that leaves nothing if it fails.

    tree: for each part, see `tape.layout.rows_tree`.
    """

    def __init__(
        self, tape: Tape, name: SegmentName, tree: Callable[[Part], str] = lambda part: ROWS
    ) -> None:
        self._tape = tape
        self._name = name
        self._tree = tree
        self._spool = Spool(tape.root)

    def __enter__(self) -> "RowsWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, rows: Sequence[Row]) -> None:
        """Append the rows that a frame made."""
        if rows:
            self._spool.add(rows)

    def finish(self) -> list[FileEntry]:
        """Complete all files, by table, day and symbol."""
        return [self._file(part) for part in self._spool.parts()]

    def close(self) -> None:
        """Give memory and disk back."""
        self._spool.close()

    def _file(self, part: Part) -> FileEntry:
        path = self._tape.rows(self._name, part, self._tree(part))
        file = PartFile(path, schema(TABLES[part.table]), labels(part.table, str(self._name)))
        try:
            for group in row_groups(self._spool.batches(part)):
                file.write(group)
            return file.finish(self._tape.root, part.table, part.symbol)
        except BaseException:
            file.abandon()
            raise


class SegmentWriter:
    """Takes the frames of a segment with their rows; a context that leaves nothing if it fails.

    >>> with SegmentWriter(tape, name) as writer:  # doctest: +SKIP
    ...     writer.add(frame, topic, rows)
    ...     entries = writer.finish()
    """

    def __init__(self, tape: Tape, name: SegmentName) -> None:
        self._tape = tape
        self._name = name
        self._hours: dict[int, PartFile] = {}  # a clock may step back into an earlier hour
        self._frames: list[Frame] = []
        self._topics: list[str | None] = []
        self._group: list[pa.RecordBatch] = []
        self._bytes = 0
        self._hour = 0  # of all that waits
        self._rows = RowsWriter(tape, name)

    def __enter__(self) -> "SegmentWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.close()
        for file in self._hours.values():
            file.abandon()

    def add(self, frame: Frame, topic: str | None, rows: Sequence[Row]) -> None:
        """Append a frame, filed under ``topic``, and the rows it made."""
        hour = frame.ts_recv // HOUR_NS
        if hour != self._hour:
            self._write_group()
            self._hour = hour
        self._frames.append(frame)
        self._topics.append(topic)
        self._bytes += len(frame.payload) + _FRAME_BYTES
        if self._bytes > _GROUP_BYTES:
            self._write_group()
        elif len(self._frames) >= _BATCH_FRAMES:
            self._close_batch()
        self._rows.add(rows)

    def finish(self) -> list[FileEntry]:
        """Complete all files; frames first, then rows by table, day and symbol."""
        self._write_group()
        frames = [self._hours[hour] for hour in sorted(self._hours)]
        entries = [file.finish(self._tape.root, FRAMES, None) for file in frames]
        return entries + self._rows.finish()

    def _close_batch(self) -> None:
        """Turn the waiting frames into columns, which take a third of the memory."""
        if self._frames:
            self._group.append(frames_to_arrow(self._frames, self._topics))
            self._frames, self._topics = [], []

    def _write_group(self) -> None:
        """Write all that waits, which is of one hour, as one row group."""
        self._close_batch()
        if not self._group:
            return
        if self._hour not in self._hours:
            path = self._tape.frames(self._name, self._hour * HOUR_NS)
            self._hours[self._hour] = PartFile(path, FRAMES_SCHEMA, labels(FRAMES, str(self._name)))
        self._hours[self._hour].write(self._group)
        self._group, self._bytes = [], 0


def labels(table: str, segment: str, rows_schema: int = SCHEMA) -> dict[str, str]:
    """What a file says of itself."""
    return {
        "table": table,
        "segment": segment,
        "format": str(FORMAT),
        "schema": str(rows_schema),
        "code": code_version(),
    }


def row_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches put together to row groups."""
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if sum(b.num_rows for b in group) >= _GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group
