"""Which trades of a market are there, by their ids: sequential, so that whatever is missing shows.

Columns are counted, never rows: a million trades take a fraction of a second. Where the numbering
began again, the same ids are other trades, so each numbering is counted for itself.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from schemas.rows import Gap, Trade
from tape.batches import Excerpt
from tape.doubts import read_table
from tape.layout import Tape
from tape.manifest import FileEntry, Manifest
from tape.patterns import Patterns
from tape.reader import read_batches
from tape.recordings import Recording, in_order
from tape.stored import left_of
from tape.view import seen

CHANNEL = "trade."
REST = "rest"
BACKWARDS_NS = 1_000_000_000  # an old id with an engine time newer than this is of a new numbering

_BACKWARDS = "ids_backwards"
_COLUMNS = Excerpt(columns=("seq", "ts_engine", "trade_id", "source"), batch_rows=65_536)


class Contiguous(msgspec.Struct, frozen=True):
    """A stretch in which every id is there. rest: how many of its trades only REST has told."""

    first_id: int
    last_id: int
    rest: int

    @property
    def trades(self) -> int:
        """All of it."""
        return self.last_id - self.first_id + 1


class TradeIds(msgspec.Struct, frozen=True):
    """One stream of trades, over all sessions.

    since: engine time from which on the numbering is this one, ns; None for the first.
    stretches: in order of ids. trades: in all. rest: of these. missing: ids between stretches.
    """

    topic: str
    since: int | None
    stretches: tuple[Contiguous, ...]
    trades: int
    rest: int
    missing: int

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """First and last of the ids that are missing between two stretches."""
        return [(a.last_id + 1, b.first_id - 1) for a, b in pairwise(self.stretches)]


def trade_ids(there: Sequence[Recording], wanted: Patterns | None = None) -> list[TradeIds]:
    """Of each stream of trades that is asked for, by topic and numbering, over all recordings: its
    market may have moved from shard to shard. What was pruned is not there.

    Raises TapeError for a file that cannot be read.
    """
    streams: dict[str, _Stream] = {}
    left = {each.tape.root: left_of(*each) for each in there}
    for (tape, _, _), manifest in in_order(there):
        for entry in seen(tape, manifest.files_of(Trade.TABLE)):
            topic = f"{CHANNEL}{entry.symbol}"
            if left[tape.root].has(entry) and (wanted is None or wanted.wants(topic)):
                streams.setdefault(topic, _Stream()).read(tape, manifest, entry)
        for row in read_table(tape, manifest, Gap):
            if row.cause == _BACKWARDS and row.topic in streams and row.ts_engine_until is not None:
                streams[row.topic].cuts.add(row.ts_engine_until)
    return [found for topic in sorted(streams) for found in streams[topic].found(topic)]


class _Stream:
    """What was read of one stream. cuts: engine times at which the numbering began again."""

    def __init__(self) -> None:
        self.cuts: set[int] = set()
        self._parts: list[pa.RecordBatch] = []
        self._session = ""
        self._newest: tuple[int, int] | None = None  # engine time and id

    def read(self, tape: Tape, manifest: Manifest, entry: FileEntry) -> None:
        """One file."""
        begins = self._session != manifest.session
        for batch in read_batches(tape, entry, _COLUMNS):
            part = _part(batch)
            self._parts.append(part)
            heard = part.filter(pc.invert(part.column("rest")))
            if heard.num_rows:
                self._see(heard, begins)
                begins = False
                self._session = manifest.session

    def found(self, topic: str) -> Iterator[TradeIds]:
        """Each numbering."""
        table = pa.Table.from_batches(self._parts)
        times = sorted(self.cuts)
        for start, until in pairwise([None, *times, None]):
            among = table
            if start is not None:
                among = among.filter(pc.greater_equal(among.column("time"), start))
            if until is not None:
                among = among.filter(pc.less(among.column("time"), until))
            if among.num_rows:
                yield _counted(topic, start, among)

    def _see(self, heard: pa.RecordBatch, begins: bool) -> None:
        """Trades of the stream itself; with the first of a session the numbering may be another."""
        time, number = (heard.column(name)[0].as_py() for name in ("time", "id"))
        newest = self._newest
        if begins and newest and time > newest[0] + BACKWARDS_NS and number <= newest[1]:
            self.cuts.add(time)
        last = pc.max(heard.column("time"))
        at_last = heard.filter(pc.equal(heard.column("time"), last))
        found = last.as_py(), pc.max(at_last.column("id")).as_py()
        self._newest = found if newest is None else max(newest, found)


def _part(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The columns that count; files of before there was a source have the stream's."""
    if "source" in batch.schema.names:
        rest = pc.equal(batch.column("source"), REST)
    else:
        rest = pa.repeat(pa.scalar(False), batch.num_rows)
    time = batch.column("ts_engine").cast(pa.int64())
    return pa.RecordBatch.from_arrays(
        [batch.column("trade_id"), time, rest], names=["id", "time", "rest"]
    )


def _counted(topic: str, since: int | None, table: pa.Table) -> TradeIds:
    heard = _ordered(table.filter(pc.invert(table.column("rest"))).column("id"))
    told = _ordered(table.filter(table.column("rest")).column("id"))
    both = heard.filter(pc.is_in(heard, told))  # the other way round takes five times as long
    told = told.filter(pc.invert(pc.is_in(told, both)))
    ids = _ordered(pa.chunked_array([heard, told]))
    breaks = pc.indices_nonzero(pc.greater(pc.pairwise_diff(ids), 1)).to_pylist()
    only_rest = told.to_pylist()
    stretches = []
    for start, until in pairwise([0, *breaks, len(ids)]):
        first, last = ids[start].as_py(), ids[until - 1].as_py()
        rest = bisect_right(only_rest, last) - bisect_right(only_rest, first - 1)
        stretches.append(Contiguous(first, last, rest))
    missing = stretches[-1].last_id - stretches[0].first_id + 1 - len(ids)
    return TradeIds(topic, since, tuple(stretches), len(ids), len(only_rest), missing)


def _ordered(column: pa.ChunkedArray) -> pa.Array:
    """Each id once, in order. Mostly they are so; to make sure takes half as long as to sort."""
    ids = column.combine_chunks()
    if pc.all(pc.greater(pc.pairwise_diff(ids), 0), min_count=0).as_py():
        return ids
    ids = ids.take(pc.sort_indices(ids))
    return ids.filter(pc.fill_null(pc.greater(pc.pairwise_diff(ids), 0), True))
