"""Row groups of a recording's files, decoded when asked for and kept in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from operator import attrgetter
from typing import NamedTuple

import pyarrow as pa

from tape.batches import HIGHEST_SEQ, DamagedFile, Excerpt, Group, groups_in, read_lines
from tape.cache import Cache, Key
from tape.layout import FRAMES, Tape
from tape.manifest import FileEntry, Manifest
from tape.recorded import symbols_in
from tape.view import seen

_OBJECT_BYTES = 1_000  # of a file entry or a row group in memory
_LINES = 1_024  # decoded at a time to find a few

Kind = tuple[str, str | None]  # table and symbol of a file
Piece = tuple[FileEntry, Group]


class Mark(NamedTuple):
    """A position: after frame ``seq`` of the segment with this index in the list."""

    segment: int
    seq: int


class Lot(NamedTuple):
    """Lines that are decoded at a time: a row group, or all of rows files that interleave.

    name: no other lot has it.
    first_seq, last_seq, first_ts, last_ts: no line is outside; times of receipt are in ns, and None
        where a file does not say.
    """

    name: Key
    pieces: Sequence[Piece]
    first_seq: int
    last_seq: int
    first_ts: int | None
    last_ts: int | None


class Form(NamedTuple):
    """How lines are decoded. columns: None is all. words: columns left as dictionary arrays."""

    columns: tuple[str, ...] | None
    words: tuple[str, ...] = ()


class Decoded:
    """The files of some segments. Raises TapeError for what cannot be read.

    cache: where what is decoded is kept, and what is made of it.
    """

    def __init__(self, tape: Tape, segments: Sequence[Manifest], cache_bytes: int) -> None:
        self.cache = Cache(cache_bytes)
        self.segments = segments
        self._tape = tape
        self._root = tape.root

    def symbols(self, table: str) -> set[str]:
        """Markets with rows of a table, in whatever segment."""
        hidden = [n for n, m in enumerate(self.segments) if self._tape.public and m.private]
        kinds = {kind for number in hidden for kind in self._parts(number)}
        others = (m for m in self.segments if not (self._tape.public and m.private))
        return symbols_in(others, table) | {s for its, s in kinds if its == table and s}

    def lots(self, segment: int, table: str, symbol: str | None = None) -> Sequence[Lot]:
        """Of a table and a symbol, in order of ``seq``; of frames, in order of their first."""
        if not self.segments[segment].has_files(table, symbol):
            return ()

        def make() -> list[Lot]:
            parts = self._parts(segment).get((table, symbol))
            return self._lots(parts) if parts else []

        return self.cache.get(("lots", segment, table, symbol), make, _size_of_lots)

    def batch(self, lot: Lot, form: Form) -> pa.RecordBatch:
        """The lines of a lot, in order of ``seq``."""

        def make() -> pa.RecordBatch:
            return self.read(lot, form)

        return self.cache.get(("batch", lot.name, form), make, attrgetter("nbytes"))

    def read(self, lot: Lot, form: Form) -> pa.RecordBatch:
        """The same, not to be kept."""
        batches = [batch for piece in lot.pieces for batch in self._read(piece, form)]
        if not batches:
            problem = "rows that its manifest counts are not there"
            raise DamagedFile(self._root, lot.pieces[0][0], problem)
        if len(batches) == 1:
            return batches[0]
        table = pa.Table.from_batches(batches).unify_dictionaries()
        if len(lot.pieces) > 1:
            table = table.sort_by("seq")  # which leaves rows of one frame in their order
        return table.combine_chunks().to_batches()[0]

    def passing(
        self, lot: Lot, form: Form, from_seq: int = 0, until_seq: int = HIGHEST_SEQ
    ) -> Iterator[pa.RecordBatch]:
        """The lines of a row group from one ``seq`` to another, some at a time; none are kept."""
        for entry, group in lot.pieces:
            excerpt = Excerpt(from_seq, until_seq, form.columns, _LINES, _only(group), form.words)
            yield from chain.from_iterable(read_lines(self._root, entry, _as_it_is, excerpt))

    def forget_files(self) -> None:
        """Ask the manifests again: files they named are gone."""
        self.cache.forget("parts", "lots")

    def _parts(self, segment: int) -> dict[Kind, list[FileEntry]]:
        def make() -> dict[Kind, list[FileEntry]]:
            parts: dict[Kind, list[FileEntry]] = {}
            files = seen(self._tape, self.segments[segment].files)
            for entry in sorted(files, key=attrgetter("first_seq")):
                parts.setdefault((entry.table, entry.symbol), []).append(entry)
            return parts

        return self.cache.get(("parts", segment), make, _size_of_parts)

    def _lots(self, entries: Sequence[FileEntry]) -> list[Lot]:
        pieces = [(entry, group) for entry in entries for group in groups_in(self._root, entry)]
        interleave = any(one.last_seq >= after.first_seq for one, after in pairwise(entries))
        if interleave and entries[0].table != FRAMES:
            return [_lot(pieces)]
        return [_lot([piece]) for piece in pieces]

    def _read(self, piece: Piece, form: Form) -> list[pa.RecordBatch]:
        entry, group = piece
        excerpt = Excerpt(
            columns=form.columns, batch_rows=group.rows, groups=_only(group), words=form.words
        )
        return list(chain.from_iterable(read_lines(self._root, entry, _as_it_is, excerpt)))


def ints(column: pa.Array) -> Sequence[int]:
    """A column of int64 without nulls, or one of times, to be looked into without converting it."""
    values = column.buffers()[1]
    if values is None:
        return memoryview(b"").cast("q")
    return memoryview(values).cast("q")[column.offset : column.offset + len(column)]


def _lot(pieces: Sequence[Piece]) -> Lot:
    groups = [group for _, group in pieces]
    firsts = [group.first_ts for group in groups if group.first_ts is not None]
    lasts = [group.last_ts for group in groups if group.last_ts is not None]
    return Lot(
        tuple((entry.path, entry.first_seq, group.number) for entry, group in pieces),
        pieces,
        min(max(group.first_seq, entry.first_seq) for entry, group in pieces),
        max(min(group.last_seq, entry.last_seq) for entry, group in pieces),
        min(firsts) if len(firsts) == len(groups) else None,
        max(lasts) if len(lasts) == len(groups) else None,
    )


def _only(wanted: Group) -> Callable[[Group], bool]:
    return lambda group: group.number == wanted.number


def _as_it_is(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    return [batch]


def _size_of_parts(parts: dict[Kind, list[FileEntry]]) -> int:
    return _OBJECT_BYTES * sum(map(len, parts.values()))


def _size_of_lots(lots: Sequence[Lot]) -> int:
    return _OBJECT_BYTES * len(lots)
