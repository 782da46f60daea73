"""Writes the Parquet files of one segment, in flat memory however many frames and parts it has."""

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from schemas.arrow import FRAMES as FRAMES_SCHEMA
from schemas.arrow import schema
from schemas.frames import Frame
from schemas.rows import SCHEMA, Row
from schemas.tables import TABLES
from tape.columns import frames_to_arrow
from tape.draft import Filed
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

    def add(self, rows: Sequence[Row], private: bool = False) -> None:
        """Append the rows that a frame made. private: the frame is."""
        if rows:
            self._spool.add(rows, private)

    def finish(self) -> list[FileEntry]:
        """Complete all files, by table, day and symbol."""
        return [self._file(part) for part in self._spool.parts()]

    def close(self) -> None:
        """Give memory and disk back."""
        self._spool.close()

    def _file(self, part: Part) -> FileEntry:
        path = self._tape.rows(self._name, part, self._tree(part))
        said = labels(part.table, str(self._name))
        file = PartFile(path, schema(TABLES[part.table]), said, part.private)
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
    ...     writer.add(filed)
    ...     entries = writer.finish()
    """

    def __init__(self, tape: Tape, name: SegmentName) -> None:
        self._public = _FramesWriter(tape, name, private=False)
        self._private = _FramesWriter(tape, name, private=True)
        self._rows = RowsWriter(tape, name)

    def __enter__(self) -> "SegmentWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._public.abandon()
        self._private.abandon()

    def add(self, filed: Filed) -> None:
        """Append a frame and the rows it made."""
        frame, topic, private, rows = filed
        (self._private if private else self._public).add(frame, topic)
        self._rows.add(rows, private)

    def finish(self) -> list[FileEntry]:
        """Complete all files; frames first, then rows by table, day and symbol."""
        return self._public.finish() + self._private.finish() + self._rows.finish()


class _FramesWriter:
    """Writes the frames of a segment that are private, or those that are not."""

    def __init__(self, tape: Tape, name: SegmentName, private: bool) -> None:
        self._tape = tape
        self._name = name
        self._is_private = private
        self._hours: dict[int, PartFile] = {}  # a clock may step back into an earlier hour
        self._frames: list[Frame] = []
        self._topics: list[str | None] = []
        self._group: list[pa.RecordBatch] = []
        self._bytes = 0
        self._hour = 0  # of all that waits

    def add(self, frame: Frame, topic: str | None) -> None:
        """Append a frame, filed under ``topic``."""
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

    def finish(self) -> list[FileEntry]:
        """Complete all files, by hour."""
        self._write_group()
        files = [self._hours[hour] for hour in sorted(self._hours)]
        return [file.finish(self._tape.root, FRAMES, None) for file in files]

    def abandon(self) -> None:
        """Leave nothing behind of files that are not finished."""
        for file in self._hours.values():
            file.abandon()

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
            self._hours[self._hour] = self._file()
        self._hours[self._hour].write(self._group)
        self._group, self._bytes = [], 0

    def _file(self) -> PartFile:
        """Of the hour of all that waits."""
        path = self._tape.frames(self._name, self._hour * HOUR_NS, self._is_private)
        said = labels(FRAMES, str(self._name))
        return PartFile(path, FRAMES_SCHEMA, said, self._is_private)


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
