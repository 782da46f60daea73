"""Compaction: the rows of many segments in one file for each table, day and symbol.

The merged files are written aside and named, then each segment gets a manifest that names them,
then what they took the place of is removed. Frames stay in their files, so a segment replays, and
is certified, as before. Killed at any point, each segment is whole in one generation or the other;
what is left over is removed the next time, and what is missing is done then.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain, pairwise
from typing import NamedTuple

import msgspec
import pyarrow as pa

from schemas.arrow import schema
from schemas.errors import TapeError
from schemas.tables import TABLES
from tape import manifest as manifests
from tape.batches import DamagedFile, check_footer, read_lines
from tape.days import Day, Piece, scattered
from tape.files import remove_all, sha256_of
from tape.generations import Generations, all_generations
from tape.layout import Part, SegmentName, Tape
from tape.leftovers import remove_leftovers, remove_superseded, superseded, unfinished
from tape.manifest import FileEntry, Manifest, Origin
from tape.merged import MEMBERS, Run, written
from tape.parquet import PartFile
from tape.plan import counting
from tape.segment import labels, row_groups
from tape.version import FORMAT

Progress = Callable[[float, float], None]


class Compacted(NamedTuple):
    """What was done for one day of a session: files before and after, with their bytes."""

    session: str
    date: str
    segments: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int


def compact(
    tape: Tape,
    chosen: Sequence[Day],
    progress: Progress = lambda done, total: None,
) -> Iterator[Compacted]:
    """Compact days of a `plan`, one after another; each is done when it is given out.

    Raises TapeError where a file cannot be read and OSError where the disk refuses; what was done
    before stays done. The caller holds `tape.lock.upkeep`.
    """
    meter = _Meter(progress, sum(day.bytes for day in chosen))
    for day in chosen:
        yield _Compaction(tape, day, meter).run()


def finish(tape: Tape) -> list[str]:
    """Remove what an interrupted compaction left; the files that are gone."""
    going = superseded(tape, all_generations(tape))
    remove_superseded(tape, going)
    left = unfinished(tape)
    remove_leftovers(tape, left)
    return going.files + left


class _Meter:
    """Counts bytes of the files that are read, over all days."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def count(self, size: int) -> None:
        self._done += size
        self._progress(self._done, self._total)


class _Compaction:
    """Of one day of a session."""

    def __init__(self, tape: Tape, day: Day, meter: _Meter) -> None:
        segments = all_generations(tape, day.names)
        self._manifests = counting(segments)
        _check_order(self._manifests)
        self._parts = scattered(self._manifests, day.day)
        self._generation = max(one.following for one in segments)
        self._tape = tape
        self._day = day
        self._meter = meter
        self._entries: dict[SegmentName, dict[str, FileEntry]] = {}  # new ones by the old path

    def run(self) -> Compacted:
        files, bytes_after = self._merged()
        try:
            for file in files:
                file.publish()
            for manifest in self._manifests:
                _switch(self._tape, manifest, self._entries[manifest.name], self._generation)
        except OSError:
            self._withdraw(files)
            raise
        day = self._day
        remove_superseded(
            self._tape, superseded(self._tape, _near(self._tape, day.names), day.names)
        )
        return Compacted(
            session=day.session,
            date=day.date,
            segments=len(day.names),
            files_before=day.files,
            files_after=len(files),
            bytes_before=day.bytes,
            bytes_after=bytes_after,
        )

    def _merged(self) -> tuple[list[PartFile], int]:
        """The merged files, complete but not named yet, and their bytes."""
        files: list[PartFile] = []
        size = 0
        with ExitStack() as unfinished:
            for part, pieces in self._parts.items():
                files.append(self._file(part, pieces))
                unfinished.callback(files[-1].abandon)
                size += self._merge(files[-1], part, pieces)
            unfinished.pop_all()
        return files, size

    def _withdraw(self, files: Sequence[PartFile]) -> None:
        """The disk refused: unless some segment has merged files already, leave none of them."""
        for file in files:
            file.abandon()
        paths = [self._tape.manifest(m.name, self._generation) for m in self._manifests]
        if not any(path.exists() for path in paths):
            remove_all(file.path for file in files)

    def _file(self, part: Part, pieces: Sequence[Piece]) -> PartFile:
        first, last = self._manifests[0].number, self._manifests[-1].number
        name = Run(self._day.session, first, last, self._generation)
        columns = _columns(self._tape, part, pieces[0])
        members = written({manifest.number for manifest, _ in pieces})
        said = labels(part.table, str(name), self._day.schema) | {MEMBERS: members}
        return PartFile(self._tape.rows(name, part), columns, said, part.private)

    def _merge(self, file: PartFile, part: Part, pieces: Sequence[Piece]) -> int:
        """Write all pieces of a part; the bytes of the file."""
        for entry in {entry.path: entry for _, entry in pieces}.values():
            _check(self._tape, entry)
            self._meter.count(entry.bytes)
        for group in row_groups(self._lines(file.schema, pieces)):
            file.write(group)
        whole = file.complete(self._tape.root, part.table, part.symbol)
        done = 0
        for manifest, entry in pieces:
            before, done = done, done + entry.rows
            share = whole.bytes * done // whole.rows - whole.bytes * before // whole.rows
            own = _own(whole, entry, share if len(pieces) > 1 else None)
            self._entries.setdefault(manifest.name, {})[entry.path] = own
        return whole.bytes

    def _lines(self, columns: pa.Schema, pieces: Sequence[Piece]) -> Iterator[pa.RecordBatch]:
        for _, entry in pieces:
            missing = entry.rows
            for batch in _batches(self._tape, entry):
                missing -= batch.num_rows
                yield _as(columns, batch)
            if missing:
                raise TapeError(f"{entry.path}: {missing} of {entry.rows} rows are not there")


def _near(tape: Tape, names: Set[SegmentName]) -> list[Generations]:
    """Some segments and all that may share files with them, which the names of these say. All of a
    session would be read again for each day of it."""
    manifests = (m for one in all_generations(tape, names) for m in one.readable)
    runs = {run for manifest in manifests for path in manifest.shared if (run := Run.of(path))}
    there = tape.generations()
    return all_generations(
        tape, {name for name in there if name in names or any(run.spans(name) for run in runs)}
    )


def _columns(tape: Tape, part: Part, piece: Piece) -> pa.Schema:
    """Those of the table; an older one may have fewer."""
    manifest, entry = piece
    first = next(_batches(tape, entry), None)
    if first is None:
        raise TapeError(f"{entry.path} has no row of {manifest.name}, which should have some")
    ours, there = schema(TABLES[part.table]), set(first.schema.names)
    return pa.schema([field for field in ours if field.name in there], metadata=ours.metadata)


def _batches(tape: Tape, entry: FileEntry) -> Iterator[pa.RecordBatch]:
    return chain.from_iterable(read_lines(tape.root, entry, lambda batch: [batch]))


def _check(tape: Tape, entry: FileEntry) -> None:
    """What is about to be removed was read as it was sealed, to the bit."""
    check_footer(tape.root, entry)
    if sha256_of(tape.root / entry.path) != entry.sha256:
        raise DamagedFile(tape.root, entry, "its sha256 is another")


def _own(whole: FileEntry, entry: FileEntry, share: int | None) -> FileEntry:
    """What is a segment's own in a merged file."""
    return msgspec.structs.replace(
        whole,
        rows=entry.rows,
        first_seq=entry.first_seq,
        last_seq=entry.last_seq,
        share=share,
    )


def _as(columns: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    arrays = [batch.column(field.name).cast(field.type) for field in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def _switch(tape: Tape, before: Manifest, merged: dict[str, FileEntry], generation: int) -> None:
    """From here on the merged files count."""
    after = msgspec.structs.replace(
        before,
        format=FORMAT,
        generation=generation,
        origin=Origin.COMPACTION,
        created=datetime.now(UTC),
        files=[merged.get(entry.path, entry) for entry in before.files],
    )
    manifests.save(after, tape)


def _check_order(segments: Sequence[Manifest]) -> None:
    for one, following in pairwise(segments):
        if following.first_seq <= one.last_seq:
            raise TapeError(
                f"{following.name} begins with seq {following.first_seq}, though {one.name} ends"
                f" with {one.last_seq}: their rows cannot share a file; bp-tape verify says more"
            )
