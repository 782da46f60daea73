"""What was known at any moment of a recording, from its sealed files and without replaying it.

A lookup decodes the row groups that it needs and keeps them, so it costs the same at any position
of a recording of any length, and next to nothing where the one before it was.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property, wraps
from itertools import chain
from operator import attrgetter
from typing import Concatenate, ParamSpec, TypeVar, cast

import pyarrow as pa
import pyarrow.compute as pc

from schemas.arrow import PARTITIONS, columns
from schemas.columns import Unit
from schemas.rows import Row
from schemas.tables import TABLES
from tape.batches import DamagedFile
from tape.book_at import BookAt, BooksAt
from tape.columns import arrow_to_rows
from tape.decoded import Decoded, Form, Lot, Mark, ints
from tape.frames_at import FramesAt
from tape.layout import Tape
from tape.levels import warm_up
from tape.manifest import Manifest

__all__ = ["BookAt", "History", "Mark", "Where"]

_LOWEST_TS = 2  # format since which a manifest's last_ts is the highest
_STEP = 256  # rows made at a time to look for those that are to be kept

R = TypeVar("R", bound=Row)
P = ParamSpec("P")
T = TypeVar("T")
Where = tuple[str, str]  # a column of text, and the word that is to be in it


def _patiently(
    look: Callable[Concatenate["History", P], T],
) -> Callable[Concatenate["History", P], T]:
    """Look again where a file is gone: compaction, if it is at work, has put it into another."""

    @wraps(look)
    def again(self: "History", /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return look(self, *args, **kwargs)
        except DamagedFile as error:
            if error.path.exists():
                raise
            self.forget_files()
            return look(self, *args, **kwargs)

    return again


class History:
    """Rows, books and REST replies as of a `Mark`. For one thread at a time.

    segments: as `tape.reader.segments` has them. What is before a mark is all of the segments
        before its own, of whatever session, and of its own all up to its frame.
    cache_bytes: bound on what is kept in memory between lookups.

    All raises TapeError for what cannot be read. Where rows are asked for, ``symbol`` is None for
    those about no market, and ``where`` picks those with a word in a column, such as
    ``("interval", "1m")`` of klines.
    """

    def __init__(
        self, tape: Tape, segments: Sequence[Manifest], cache_bytes: int = 256 << 20
    ) -> None:
        self.segments = segments
        self._decoded = Decoded(tape, segments, cache_bytes)
        self._frames = FramesAt(self._decoded)
        self._books = BooksAt(self._decoded, self._frames)
        warm_up()

    def symbols(self, row: type[Row]) -> list[str]:
        """Markets with rows of a table, in whatever segment; sorted."""
        return sorted(self._decoded.symbols(row.TABLE))

    def has_market(self, symbol: str) -> bool:
        """Whether anything was recorded about a market."""
        return symbol in self._markets

    @cached_property
    def _markets(self) -> frozenset[str]:
        return frozenset().union(*map(self._decoded.symbols, TABLES))

    def last(
        self, row: type[R], symbol: str | None, mark: Mark, where: Where | None = None
    ) -> R | None:
        """The newest row at or before a mark; None where there is none."""
        return next(iter(self.tail(row, symbol, mark, 1, where=where)), None)

    @_patiently
    def tail(
        self,
        row: type[R],
        symbol: str | None,
        mark: Mark,
        count: int,
        *,
        where: Where | None = None,
        keep: Callable[[R], bool] | None = None,
    ) -> list[R]:
        """The newest ``count`` rows at or before a mark, or of those to ``keep``; oldest first."""
        found: list[list[R]] = []
        missing = count
        for batch in self._newest_first(row, symbol, mark, where):
            stop = batch.num_rows
            while stop and missing > 0:
                start = max(0, stop - (missing if keep is None else max(missing, _STEP)))
                rows = _rows(row, symbol, batch.slice(start, stop - start))
                found.append((rows if keep is None else list(filter(keep, rows)))[-missing:])
                missing -= len(found[-1])
                stop = start
            if missing <= 0:
                break
        return list(chain.from_iterable(reversed(found)))

    @_patiently
    def since(
        self, row: type[R], symbol: str | None, mark: Mark, ts_recv: int, where: Where | None = None
    ) -> list[R]:
        """Rows at or before a mark that were received at or after a time (ns, UTC); oldest first.

        The wall clock is what the recorder's said, which may have been set meanwhile.
        """
        found: list[R] = []
        for index in range(mark.segment + 1):
            segment = self.segments[index]
            if segment.format >= _LOWEST_TS and segment.last_ts < ts_recv:
                continue
            for lot in self._lots(row, symbol, mark, index):
                if lot.last_ts is None or lot.last_ts >= ts_recv:
                    batch = self._upto(mark, index, self._batch(row, lot, where))
                    times = batch.column("ts_recv").cast(pa.int64())
                    late = batch.filter(pc.greater_equal(times, ts_recv))
                    found += _rows(row, symbol, late)
        return found

    @_patiently
    def book(self, symbol: str, mark: Mark) -> BookAt | None:
        """The live book of a market after a frame, as `replay.Replay.book` has it; None while there
        is none. Where a market has several depth streams, the real-time one comes first."""
        return self._books.book(symbol, mark)

    @_patiently
    def next_book(self, symbol: str, mark: Mark, within_ns: int) -> BookAt | None:
        """The next snapshot after a mark that a book of the market begins anew with, in the same
        session and as the venue sent it; None where none was received up to ``within_ns`` after the
        frame at the mark. The real-time stream's comes first; one without levels is passed over.
        """
        return self._books.next_book(symbol, mark, within_ns)

    @_patiently
    def said(self, path: str, mark: Mark) -> bytes | None:
        """Body of the newest recorded reply to a REST request at or before a mark, else of the
        first one after it; None where there is none. path: with its query, exactly as asked for.

        The first time this looks into all segments that may have it, some ms each.
        """
        return self._frames.said(path, mark)

    def forget_files(self) -> None:
        """Ask the manifests anew which files there are."""
        self._decoded.forget_files()

    def _newest_first(
        self, row: type[Row], symbol: str | None, mark: Mark, where: Where | None
    ) -> Iterator[pa.RecordBatch]:
        """Rows at or before a mark, lot by lot; in each the oldest is first."""
        for index in range(mark.segment, -1, -1):
            for lot in reversed(self._lots(row, symbol, mark, index)):
                yield self._upto(mark, index, self._batch(row, lot, where))

    def _lots(self, row: type[Row], symbol: str | None, mark: Mark, segment: int) -> Sequence[Lot]:
        """Those of a segment that may have rows at or before a mark."""
        lots = self._decoded.lots(segment, row.TABLE, symbol)
        if segment < mark.segment:
            return lots
        return [lot for lot in lots if lot.first_seq <= mark.seq]

    def _upto(self, mark: Mark, segment: int, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Those rows of a segment that are at or before a mark, if it is not after them all."""
        if segment < mark.segment:
            return batch
        return batch.slice(0, bisect_right(ints(batch.column("seq")), mark.seq))

    def _batch(self, row: type[Row], lot: Lot, where: Where | None) -> pa.RecordBatch:
        if where is None:
            return self._decoded.batch(lot, _form(row))

        def make() -> pa.RecordBatch:
            batch = self._decoded.batch(lot, _form(row))
            return batch.filter(_has(batch.column(where[0]), where[1]))

        return self._decoded.cache.get(("where", lot.name, where), make, attrgetter("nbytes"))


@cache
def _form(row: type[Row]) -> Form:
    """All columns; words are left as they are stored, if files of all versions have them."""
    own = [column for column in columns(row) if column.name not in PARTITIONS]
    return Form(None, tuple(c.name for c in own if c.unit is Unit.WORD and c.added is None))


def _has(column: pa.Array, word: str) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return pc.equal(column.indices, column.dictionary.index(word).as_py())
    return pc.equal(column, word)


def _rows(row: type[R], symbol: str | None, batch: pa.RecordBatch) -> list[R]:
    return cast(list[R], arrow_to_rows(row, symbol, batch))
