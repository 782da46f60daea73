"""A round of frames with its rows, to be moved to wherever it is to be played again.

What is moved is what sealing would have made of that round: numbers in texts, ids, times and seqs.
"""

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.rounds import Growth
from schemas.arrow import FRAMES, schema
from schemas.frames import Kind
from schemas.tables import TABLES
from schemas.topics import Topic
from tape.layout import Tape
from tape.manifest import FileEntry, Manifest
from tests.venue.reel import NUMBER

GROUP_FRAMES = 32_768  # about as many as sealing puts into a row group of such frames

_US = 1_000
_INT = pa.int64()
_OF_HEADS = ("session", "book_keyframe")  # rows of what a segment begins with


class Move(NamedTuple):
    """By how much: rounds, ns (whole microseconds), seqs."""

    rounds: int
    ns: int
    seqs: int


class Number(NamedTuple):
    """A number in a text: its value, and by how much each round and each microsecond moves it."""

    value: int
    by_round: int
    by_us: int


class Frames(NamedTuple):
    """Some frames. text: all their payloads, ``size`` bytes, with places for the numbers."""

    batch: pa.RecordBatch
    size: int
    text: str
    numbers: list[Number]

    def moved(self, move: Move) -> pa.RecordBatch:
        """The same in another round. Raises OverflowError where a number got longer."""
        us = move.ns // _US
        values = [value + move.rounds * grows + us * runs for value, grows, runs in self.numbers]
        text = (self.text % tuple(values)).encode()
        if len(text) != self.size:
            raise OverflowError("a number has more digits than in the round it was moved from")
        count = self.batch.num_rows
        offsets = self.batch.column("payload").buffers()[1]
        payload = pa.Array.from_buffers(pa.binary(), count, [None, offsets, pa.py_buffer(text)])
        moved = _grown(self.batch, {"seq": move.seqs, "ts_recv": move.ns, "ts_mono": move.ns})
        return pa.RecordBatch.from_arrays([*moved.columns[:-1], payload], schema=FRAMES)


class Rows(NamedTuple):
    """The rows of one table and market."""

    table: str
    symbol: str
    batch: pa.RecordBatch
    growth: Growth

    def moved(self, move: Move) -> pa.RecordBatch:
        """The same in another round."""
        updates, trades = (move.rounds * ids for ids in self.growth)
        times = dict.fromkeys(("ts_recv", "ts_event", "ts_engine"), move.ns)
        ids = dict.fromkeys(("first_update_id", "last_update_id", "update_id"), updates)
        return _grown(self.batch, {"seq": move.seqs, "trade_id": trades} | times | ids)


class Pattern(NamedTuple):
    """All of a round. topics: how many frames of each."""

    frames: list[Frames]
    rows: list[Rows]
    topics: dict[str, int]

    @property
    def messages(self) -> int:
        """How many frames."""
        return sum(self.topics.values())

    @property
    def first_seq(self) -> int:
        """Of the first one."""
        seq: int = self.frames[0].batch.column("seq")[0].as_py()
        return seq

    @property
    def last_ts(self) -> int:
        """When the last one was received."""
        ts: int = self.frames[-1].batch.column("ts_recv")[-1].value
        return ts


def pattern_of(tape: Tape, sealed: Manifest, growth: Mapping[str, Growth]) -> Pattern:
    """The venue's messages in a segment, and their rows."""
    (entry,) = sealed.files_of("frames")
    frames = _read(tape, entry, FRAMES)
    data = frames.filter(pc.equal(frames["kind"], Kind.DATA.value))
    groups = [data.slice(at, GROUP_FRAMES) for at in range(0, data.num_rows, GROUP_FRAMES)]
    rows = [
        _rows(tape, entry, growth)
        for entry in sealed.files
        if entry.table in TABLES and entry.table not in _OF_HEADS
    ]
    return Pattern([_frames(group, growth) for group in groups], rows, dict(sealed.topics))


def _frames(group: pa.Table, growth: Mapping[str, Growth]) -> Frames:
    payloads = group["payload"].to_pylist()
    texts: list[str] = []
    numbers: list[Number] = []
    for payload, topic in zip(payloads, group["topic"].to_pylist(), strict=True):
        text = payload.decode()
        ids = growth[Topic.parse(topic).symbol]
        numbers += [_number(key, int(value), ids) for key, value in NUMBER.findall(text)]
        texts.append(NUMBER.sub(r'"\1":%d', text.replace("%", "%%")))
    columns = [*_one(group).columns[:-1], pa.array(payloads, pa.binary())]
    batch = pa.RecordBatch.from_arrays(columns, schema=FRAMES)
    return Frames(batch, sum(map(len, payloads)), "".join(texts), numbers)


def _number(key: str, value: int, ids: Growth) -> Number:
    """Times are in microseconds (protocol section 2)."""
    if key in "ET":
        return Number(value, 0, 1)
    return Number(value, ids.trades if key == "t" else ids.updates, 0)


def _rows(tape: Tape, entry: FileEntry, growth: Mapping[str, Growth]) -> Rows:
    assert entry.symbol is not None, "all streams of the capture are of a market"
    batch = _one(_read(tape, entry, schema(TABLES[entry.table])))
    return Rows(entry.table, entry.symbol, batch, growth[entry.symbol])


def _read(tape: Tape, entry: FileEntry, wanted: pa.Schema) -> pa.Table:
    return pq.ParquetFile(tape.root / entry.path).read().cast(wanted)


def _one(table: pa.Table) -> pa.RecordBatch:
    (batch,) = table.combine_chunks().to_batches()
    return batch


def _grown(batch: pa.RecordBatch, by: Mapping[str, int]) -> pa.RecordBatch:
    """Those columns that are named with a number added to their whole numbers or times."""
    columns = [
        pc.add(column.view(_INT), by[field.name]).view(field.type) if field.name in by else column
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
