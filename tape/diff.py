"""Two generations of a recording, row by row.

Rows are matched by the frame they were made of and by their order within it. Both sides are
streamed, one table and symbol of a segment at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import merge as merge_sorted
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from schemas.arrow import columns
from schemas.columns import Unit
from schemas.errors import UsageError
from schemas.numbers import pretty_price, pretty_qty
from schemas.rows import Row
from tape.generations import all_generations, rows_files
from tape.layout import Tape
from tape.manifest import Manifest
from tape.moment import stamp
from tape.reader import read_rows

Pair = tuple[Manifest, Manifest]
Stream = tuple[str, str | None]  # table and symbol


class Counts(msgspec.Struct):
    """Rows of a table: in both, in both but not equal, or in one generation alone."""

    same: int = 0
    changed: int = 0
    only_old: int = 0
    only_new: int = 0

    @property
    def differ(self) -> bool:
        """Whether anything but the same is there."""
        return bool(self.changed or self.only_old or self.only_new)


class Difference(msgspec.Struct, frozen=True):
    """One row that is not the same in both generations.

    old, new: the columns that differ, as text, of a row that both have; all columns of a row that
        only one has, and None for the other.
    """

    segment: str
    table: str
    symbol: str | None
    seq: int
    old: dict[str, str | None] | None
    new: dict[str, str | None] | None

    @property
    def what(self) -> str:
        """In a word or two."""
        if self.old is None or self.new is None:
            return "only new" if self.old is None else "only old"
        return "changed"


def pairs(tape: Tape, old: int | None, new: int | None) -> list[Pair]:
    """Of each segment the two generations to compare, for those that have both.

    old, new: their numbers; by default the first and the last a segment has. Raises UsageError
    where no segment has both, or both are the same.
    """
    if old is not None and old == new:
        raise UsageError(f"generation {old} is the same on both sides: give two to compare")
    segments = [one for one in all_generations(tape) if one.readable]
    found = []
    for segment in segments:
        there = {manifest.generation: manifest for manifest in segment.readable}
        one = there.get(min(there) if old is None else old)
        other = there.get(max(there) if new is None else new)
        if one is not None and other is not None and one is not other:
            found.append((one, other))
    if not found:
        known = sorted({m.generation for segment in segments for m in segment.readable})
        raise UsageError(
            f"no segment has two such generations; there are: {', '.join(map(str, known))}."
            " bp-tape seal --again makes another one"
        )
    return found


class Comparison:
    """Of some pairs, in one or all tables.

    counts: per table, of what `differences` has gone through so far.
    """

    def __init__(
        self,
        tape: Tape,
        found: Sequence[Pair],
        table: str | None = None,
        progress: Callable[[float, float], None] = lambda done, total: None,
    ) -> None:
        self.counts: dict[str, Counts] = {}
        self._tape = tape
        self._pairs = found
        self._table = table
        self._progress = progress

    def differences(self) -> Iterator[Difference]:
        """All rows that are not the same, by segment, table, symbol and frame."""
        for done, pair in enumerate(self._pairs):
            self._progress(done, len(self._pairs))
            for stream in sorted(self._streams(pair), key=str):
                yield from self._compared(pair, stream)

    def _streams(self, pair: Pair) -> set[Stream]:
        files = chain.from_iterable(map(rows_files, pair))
        return {(e.table, e.symbol) for e in files if self._table in (None, e.table)}

    def _compared(self, pair: Pair, stream: Stream) -> Iterator[Difference]:
        counts = self.counts.setdefault(stream[0], Counts())
        old, new = (_rows(self._tape, manifest, stream) for manifest in pair)
        for one, other in _matched(old, new):
            if one is None or other is None:
                counts.only_new += one is None
                counts.only_old += other is None
            elif _encode(one) == _encode(other):
                counts.same += 1
                continue
            else:
                counts.changed += 1
            yield _difference(pair[0], one, other)


_encode = msgspec.msgpack.Encoder().encode


def _rows(tape: Tape, manifest: Manifest, stream: Stream) -> Iterator[Row]:
    """In the order of their frames. Two days interleave where the wall clock stepped back."""
    entries = [e for e in rows_files(manifest) if (e.table, e.symbol) == stream]
    files = [chain.from_iterable(read_rows(tape, entry)) for entry in entries]
    return merge_sorted(*files, key=attrgetter("seq"))


class _Match(NamedTuple):
    """A row of each generation, or of one of them."""

    old: Row | None
    new: Row | None


def _matched(old: Iterator[Row], new: Iterator[Row]) -> Iterator[_Match]:
    one, other = next(old, None), next(new, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.seq < other.seq):
            yield _Match(one, None)
            one = next(old, None)
        elif one is None or other.seq < one.seq:
            yield _Match(None, other)
            other = next(new, None)
        else:
            yield _Match(one, other)
            one, other = next(old, None), next(new, None)


def _difference(manifest: Manifest, old: Row | None, new: Row | None) -> Difference:
    row = old or new
    assert row is not None
    left, right = (None if side is None else _shown(side) for side in (old, new))
    if left is not None and right is not None:
        differ = [name for name in left if left[name] != right[name]]
        left, right = ({name: side[name] for name in differ} for side in (left, right))
    return Difference(str(manifest.name), row.TABLE, row.symbol, row.seq, left, right)


def _shown(row: Row) -> dict[str, str | None]:
    """Columns as people read them, exact."""
    shown = {}
    for column in columns(type(row)):
        value = getattr(row, column.name)
        shown[column.name] = None if value is None else _SHOW.get(column.unit, str)(value)
    return shown


_SHOW: dict[Unit, Callable[[Any], str]] = {
    Unit.PRICE: pretty_price,
    Unit.QTY: pretty_qty,
    Unit.TIME: stamp,
}
