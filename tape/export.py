"""Export: the rows and frames of a recording as plain files, one for each table, in its order.

Of several recordings, as of shards, those of all by when they were received, each in its own order.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.arrow import FRAMES as FRAMES_SCHEMA
from schemas.arrow import whole_schema
from schemas.errors import UsageError
from schemas.frames import Kind
from schemas.privacy import ABOUT_ACCOUNTS, WITH_TOPICS
from schemas.tables import TABLES
from schemas.topics import is_private
from tape.batches import Excerpt
from tape.choice import Choice, marked
from tape.columns import whole_batch
from tape.confluence import Source, confluence
from tape.files import make_folder
from tape.generations import rows_files
from tape.layout import FRAMES
from tape.manifest import FileEntry, Manifest
from tape.outfile import FORMATS, Outfile, Target
from tape.reader import read_batches
from tape.recordings import Recording
from tape.row_frames import not_of, of_frames
from tape.segment import labels
from tape.stored import left_of
from tape.view import seen, without_account

Progress = Callable[[float, float], None]

_ROWS_AT_A_TIME = 262_144  # of all files that are open
_LEAST_ROWS = 64  # of one
_FRAMES_AT_A_TIME = 4_096
_STREAMS = ("seq", "kind", "topic")
_PLACE = "place"  # a column, while lines of several recordings are put in order


class Exported(NamedTuple):
    """A file that was made. private: it may hold what is of an account."""

    file: str
    table: str
    rows: int
    bytes: int
    private: bool


@dataclass(frozen=True, slots=True)
class Order:
    """What to make. tables: names, ``frames`` for the raw frames; None: all tables with such rows.

    out: folder for the files. form: ``parquet``, ``csv`` or ``jsonl``.
    force: in the place of files that have these names.
    """

    tables: tuple[str, ...] | None
    choice: Choice
    out: Path
    form: str = "parquet"
    force: bool = False


def export(
    there: Sequence[Recording],
    order: Order,
    progress: Progress = lambda done, total: None,
) -> list[Exported]:
    """Make the files; they get their names when all are whole. What was pruned is left out.

    Raises UsageError for what cannot be asked for, TapeError for what cannot be read, pruned frames
    among it that would say which rows are asked for, and OSError where the disk refuses.
    """
    manifests = [manifest for each in there for manifest in each.segments]
    tables = _tables(manifests, order)
    targets = {table: _target(manifests, order, table) for table in tables}
    _check_out(there, order, targets.values())
    meter = _Meter(progress, sum(_size(m, order, table) for m in manifests for table in tables))
    views = [_View(each, order.choice, meter, len(there)) for each in there]
    make_folder(order.out)
    made: list[tuple[Outfile, Exported]] = []
    with ExitStack() as unfinished:
        for table, target in targets.items():
            file = FORMATS[order.form](target)
            unfinished.callback(file.abandon)
            for batch in _together(views, table):
                file.write(batch)
            size = file.complete()
            if file.rows or order.tables is not None:
                shown = str(target.path), table, file.rows, size, target.private
                made.append((file, Exported(*shown)))
        for file, _ in made:
            file.publish()
    return [exported for _, exported in made]


class _Meter:
    """Counts lines of all files."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def count(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self._done += batch.num_rows
            self._progress(self._done, self._total)
            yield batch


class _View:
    """What is asked for of one of ``count`` recordings."""

    def __init__(self, recording: Recording, choice: Choice, meter: _Meter, count: int) -> None:
        tape, self.segments, _ = recording
        self.left = left_of(*recording)
        self.tape = without_account(tape) if choice.public_only else tape
        self.choice = choice
        self.meter = meter
        self.rows_at_a_time = _ROWS_AT_A_TIME // count

    def of(self, table: str) -> Iterator[pa.RecordBatch]:
        """The lines of a table, or frames, in order; no batch is empty."""
        for manifest in self.segments:
            for batch in _Lines(self, manifest).of(table):
                if batch.num_rows:
                    yield batch

    def placed(self, table: str) -> Iterator[pa.RecordBatch]:
        """The same with one more column: the latest time at which any line so far was received, so
        that a clock that was set back changes no order."""
        latest = 0
        for batch in self.of(table):
            received = batch.column("ts_recv").cast(pa.int64())
            places = pc.cumulative_max(received, start=latest)
            latest = places[-1].as_py()
            yield batch.append_column(_PLACE, places)


def _together(views: Sequence[_View], table: str) -> Iterator[pa.RecordBatch]:
    if len(views) == 1:
        return views[0].of(table)
    sources = [
        Source(min(m.first_ts for m in view.segments), partial(view.placed, table))
        for view in views
        if view.segments
    ]
    return (batch.drop_columns([_PLACE]) for batch in confluence(sources, _PLACE))


class _Lines:
    """The lines of one segment that are asked for, in order."""

    def __init__(self, view: _View, manifest: Manifest) -> None:
        self._tape = view.tape
        self._manifest = manifest
        self._choice = view.choice
        self._left = view.left
        self._meter = view.meter
        self._rows_at_a_time = view.rows_at_a_time

    def of(self, table: str) -> Iterator[pa.RecordBatch]:
        """Of a table, or frames."""
        manifest, choice = self._manifest, self._choice
        if not choice.segment(manifest):
            return iter(())
        if table == FRAMES:
            there = self._left.has_frames(manifest)
            return choice.frames(self._meter.count(self._frames())) if there else iter(())
        found = [e for e in rows_files(manifest) if e.table == table and self._left.has(e)]
        files = sorted(filter(choice.file, found), key=lambda e: (e.symbol or "", e.path))
        return self._rows(table, files) if files else iter(())

    def _rows(self, table: str, files: Sequence[FileEntry]) -> Iterator[pa.RecordBatch]:
        total = sum(entry.rows for entry in files)
        sources = []
        for entry in files:
            share = self._rows_at_a_time * entry.rows // max(total, 1)
            excerpt = Excerpt(batch_rows=max(share, _LEAST_ROWS))
            sources.append(Source(entry.first_seq, partial(self._file, entry, excerpt)))
        lines = confluence(sources)
        if self._choice.needs_streams(table):
            lines = of_frames(lines, self._choice.streams(self._frames(_STREAMS)))
        if self._choice.public_only and self._may_be_mixed(table):
            lines = not_of(lines, (seqs for seqs, _ in marked(self._frames())))
        return (batch for batch in lines if batch.num_rows)

    def _may_be_mixed(self, table: str) -> bool:
        """Whether rows made of private frames may lie among others: before they lay apart they did,
        where there were any."""
        manifest = self._manifest
        doubtful = Kind.BINARY in manifest.kinds or not all(manifest.topics)
        some = doubtful or any(map(is_private, manifest.topics))
        return table in WITH_TOPICS and some and not manifest.private

    def _file(self, entry: FileEntry, excerpt: Excerpt) -> Iterator[pa.RecordBatch]:
        row, pick = TABLES[entry.table], self._choice.rows(entry.table, entry.symbol)
        for batch in self._meter.count(read_batches(self._tape, entry, excerpt)):
            kept = pick(whole_batch(row, entry.symbol, batch))
            if kept.num_rows:
                yield kept

    def _frames(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        excerpt = Excerpt(columns=columns, batch_rows=_FRAMES_AT_A_TIME)
        kept = FRAMES_SCHEMA if columns is None else pa.schema(map(FRAMES_SCHEMA.field, columns))

        def read(entry: FileEntry) -> Iterator[pa.RecordBatch]:
            for batch in read_batches(self._tape, entry, excerpt):
                yield batch.select(kept.names).cast(kept)

        files = seen(self._tape, self._manifest.files_of(FRAMES))
        return confluence([Source(entry.first_seq, partial(read, entry)) for entry in files])


def _tables(manifests: Sequence[Manifest], order: Order) -> list[str]:
    """In the order of `schemas.tables`, frames last."""
    public, known = order.choice.public_only, [*TABLES, FRAMES]
    if order.tables is None:
        there = set(chain.from_iterable(manifest.rows for manifest in manifests))
        return [t for t in known if t in there and not (public and t in ABOUT_ACCOUNTS)]
    for table in order.tables:
        if table not in known:
            raise UsageError(f"no table {table!r}; there are: {', '.join(known)}")
        if public and table in ABOUT_ACCOUNTS:
            raise UsageError(f"{table} is of an account: leave it or --public-only out")
    return [table for table in known if table in order.tables]


def _target(manifests: Sequence[Manifest], order: Order, table: str) -> Target:
    schema = FRAMES_SCHEMA if table == FRAMES else whole_schema(TABLES[table])
    path = order.out / f"{table}.{order.form}"
    private = not order.choice.public_only and _may_be_private(manifests, table)
    return Target(path, schema, labels(table, "export"), private)


def _may_be_private(manifests: Sequence[Manifest], table: str) -> bool:
    """Whether it is, or is in part; what was sealed before it lay apart does not say so."""
    if table in ABOUT_ACCOUNTS:
        return True
    if table != FRAMES and table not in WITH_TOPICS:
        return False
    return any(m.private or any(map(is_private, m.topics)) for m in manifests)


def _check_out(there: Sequence[Recording], order: Order, targets: Iterable[Target]) -> None:
    if any(order.out.resolve().is_relative_to(each.tape.root.resolve()) for each in there):
        raise UsageError(f"{order.out} is in the recording itself: name a folder of its own")
    taken = [target.path.name for target in targets if os.path.lexists(target.path)]
    if taken and not order.force:
        raise UsageError(
            f"{order.out} has {', '.join(taken)} already: name another folder, or --force"
        )


def _size(manifest: Manifest, order: Order, table: str) -> int:
    """Lines, of which not all may be read."""
    if not order.choice.segment(manifest):
        return 0
    return manifest.frames if table == FRAMES else manifest.rows.get(table, 0)
