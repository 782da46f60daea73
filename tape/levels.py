"""Depth rows as columns of levels, from which a book is folded without making a row."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.arrow import ARROW
from schemas.columns import Unit
from tape.decoded import Decoded, Form, Lot, ints

_WORDS = ("action", "side", "window")
_COLUMNS = ("seq", *_WORDS, "price", "qty", "last_update_id", "ts_engine")
_FORM = Form(_COLUMNS, _WORDS)
_INT = pa.int64()

Book = dict[int, int]  # quantity in 1e-6 by level: its price in 1e-9, doubled, +1 for an ask


class Levels(NamedTuple):
    """The rows of one depth stream in a lot, in order.

    levels: price in 1e-9, doubled, +1 for an ask; null where a row has no level.
    clears, snapshots: positions of the rows of these actions.
    """

    seqs: Sequence[int]
    levels: pa.Array
    qtys: pa.Array
    update_ids: pa.Array
    times: pa.Array
    clears: Sequence[int]
    snapshots: Sequence[int]

    def upto(self, seq: int) -> int:
        """How many rows are at or before a ``seq``."""
        return bisect_right(self.seqs, seq)

    def last_clear(self, start: int, stop: int) -> int | None:
        """The last row between two positions that empties the book."""
        before = bisect_left(self.clears, stop)
        return self.clears[before - 1] if before and self.clears[before - 1] >= start else None

    def joins_after(self, seq: int) -> Iterator[int]:
        """Each later ``seq`` with which a snapshot joined."""
        while (before := bisect_left(self.snapshots, self.upto(seq))) < len(self.snapshots):
            seq = self.seqs[self.snapshots[before]]
            yield seq

    def snapshot(self, seq: int) -> "list[Stretch]":
        """Rows of the snapshot that joined with a frame; none or one stretch."""
        first = bisect_left(self.snapshots, self.upto(seq - 1))
        last = bisect_left(self.snapshots, self.upto(seq)) - 1
        if first > last:
            return []
        return [Stretch(self, self.snapshots[first], self.snapshots[last] + 1)]


class Stretch(NamedTuple):
    """Rows from one position up to another."""

    rows: Levels
    start: int
    stop: int


def levels_in(decoded: Decoded, lot: Lot) -> Mapping[str, Levels]:
    """The depth rows of a lot, by the window of their stream."""

    def make() -> dict[str, Levels]:
        batch = decoded.read(lot, _FORM)
        windows = batch.column("window").dictionary.to_pylist()
        if len(windows) == 1:
            return {windows[0]: _levels(batch)}
        return {window: _levels(batch.filter(_is(batch, "window", window))) for window in windows}

    return decoded.cache.get(("levels", lot.name), make, _size)


def fold(book: Book, stretches: Sequence[Stretch]) -> None:
    """Bring a book up to date with rows that follow it. No quantity deletes a level."""
    if not stretches:
        return
    parts = [
        (rows.levels.slice(start, stop - start), rows.qtys.slice(start, stop - start))
        for rows, start, stop in stretches
    ]
    levels, qtys = zip(*parts, strict=True)
    last = _last_of_each(pa.chunked_array(levels), pa.chunked_array(qtys))
    for level, qty in last:
        if qty:
            book[level] = qty
        else:
            book.pop(level, None)


def warm_up() -> None:
    """Let pyarrow import now what it would import at the first fold: 0.2 s where pandas is."""
    _last_of_each(pa.chunked_array([[0]]), pa.chunked_array([[0]]))


def _last_of_each(levels: pa.ChunkedArray, qtys: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
    """The last quantity of each level."""
    table = pa.table({"level": levels, "qty": qtys})
    grouped = table.group_by("level", use_threads=False)  # threads lose the order
    last = grouped.aggregate([("qty", "last")])
    return zip(last["level"].to_pylist(), last["qty_last"].to_pylist(), strict=True)


def _levels(batch: pa.RecordBatch) -> Levels:
    prices = batch.column("price").cast(ARROW[Unit.PRICE]).view(_INT)
    asks = pc.cast(_is(batch, "side", "ask"), _INT)
    return Levels(
        ints(batch.column("seq")),
        pc.add(pc.multiply(prices, 2), asks),
        batch.column("qty").cast(ARROW[Unit.QTY]).view(_INT),
        batch.column("last_update_id"),
        batch.column("ts_engine").cast(ARROW[Unit.TIME]).view(_INT),
        _positions(batch, "clear"),
        _positions(batch, "snapshot"),
    )


def _is(batch: pa.RecordBatch, column: str, word: str) -> pa.Array:
    words = batch.column(column)
    return pc.equal(words.indices, words.dictionary.index(word).as_py())


def _positions(batch: pa.RecordBatch, action: str) -> Sequence[int]:
    found = pc.indices_nonzero(_is(batch, "action", action))
    return ints(found.cast(_INT))


def _size(found: Mapping[str, Levels]) -> int:
    """Bytes: five columns, and what keeps them."""
    return sum(1_000 + 42 * len(levels.seqs) for levels in found.values())
