"""Trades that a recording lacks, and could have by REST: where they are missing, and since what."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from schemas.rows import Gap, Trade
from tape.batches import Excerpt
from tape.doubts import read_table
from tape.patterns import Patterns
from tape.reader import read_batches
from tape.recordings import Recording, in_order
from tape.stored import left_of
from tape.trade_ids import CHANNEL, TradeIds, trade_ids
from tape.view import seen

UNRECORDED = "unrecorded"  # cause, where no row has shown the gap

_NEIGHBOUR = Excerpt(columns=("seq", "ts_recv", "ts_engine", "trade_id"))


class Lack(msgspec.Struct, frozen=True):
    """A gap of a stream of trades. ranges: first and last id of each stretch that is missing.

    cause, expected_id, received_id, missing, since_seq, ts_since, ts_engine_since: as the row has
        them that showed it. session: the one that since_seq is of.
    """

    topic: str
    session: str
    cause: str
    expected_id: int
    received_id: int
    missing: int
    since_seq: int
    ts_since: int
    ts_engine_since: int | None
    ranges: tuple[tuple[int, int], ...]

    @property
    def symbol(self) -> str:
        return self.topic.removeprefix(CHANNEL)

    @property
    def left(self) -> int:
        """Ids that are missing still."""
        return sum(last - first + 1 for first, last in self.ranges)


def lacking(there: Sequence[Recording], wanted: Patterns | None = None) -> list[Lack]:
    """The gaps of all streams of trades, by topic and id. Of a stream whose numbering began again
    those since then: the venue's REST knows no others.

    Raises TapeError for a file that cannot be read.
    """
    newest = {found.topic: found for found in trade_ids(there, wanted)}
    streams = [found for found in newest.values() if found.missing]
    shown = _shown(there, streams)
    split = {found.topic: _assigned(found, shown[found.topic]) for found in streams}
    alone = {
        topic: {first - 1 for first, _ in ranges} for topic, (_, ranges) in split.items() if ranges
    }
    known = _neighbours(there, alone)
    lacks = [lack for of_rows, _ in split.values() for lack in of_rows]
    for topic, (_, ranges) in split.items():
        lacks += (_unshown(topic, span, known[topic, span[0] - 1]) for span in ranges)
    return sorted(lacks, key=lambda lack: (lack.topic, lack.expected_id))


def _shown(
    there: Sequence[Recording], streams: Iterable[TradeIds]
) -> defaultdict[str, list[tuple[str, Gap]]]:
    """Rows that show gaps of these streams, and the sessions they are of, the newest first."""
    since = {found.topic: found.since or 0 for found in streams}
    found: defaultdict[str, list[tuple[str, Gap]]] = defaultdict(list)
    for (tape, _, _), manifest in reversed(in_order(there)):
        for row in read_table(tape, manifest, Gap):
            of_ids = row.topic in since and row.missing and row.expected_id is not None
            if of_ids and row.topic and (row.ts_engine_since or 0) >= since[row.topic]:
                found[row.topic].append((row.session or manifest.session, row))
    return found


def _assigned(
    stream: TradeIds, shown: Sequence[tuple[str, Gap]]
) -> tuple[list[Lack], list[tuple[int, int]]]:
    """What is missing as gaps that rows have shown, and what none has."""
    mine: dict[int, list[tuple[int, int]]] = {}
    alone = []
    for first, last in stream.gaps:
        for at, (_, row) in enumerate(shown):
            if (row.expected_id or 0) <= first and last < (row.received_id or 0):
                mine.setdefault(at, []).append((first, last))
                break
        else:
            alone.append((first, last))
    lacks = [_of_row(stream.topic, *shown[at], ranges) for at, ranges in mine.items()]
    return lacks, alone


def _of_row(topic: str, session: str, row: Gap, ranges: Sequence[tuple[int, int]]) -> Lack:
    return Lack(
        topic, session, row.cause, row.expected_id or 0, row.received_id or 0, row.missing or 0,
        row.since_seq, row.ts_since, row.ts_engine_since, tuple(ranges),
    )  # fmt: skip


def _unshown(topic: str, span: tuple[int, int], since: tuple[str, int, int, int]) -> Lack:
    session, seq, ts_recv, ts_engine = since
    first, last = span
    return Lack(
        topic, session, UNRECORDED, first, last + 1, last - first + 1, seq, ts_recv, ts_engine,
        (span,),
    )  # fmt: skip


def _neighbours(
    there: Sequence[Recording], wanted: dict[str, set[int]]
) -> dict[tuple[str, int], tuple[str, int, int, int]]:
    """Session, seq, time of receipt and engine time of trades, by topic and id; of several of one
    id the newest."""
    found: dict[tuple[str, int], tuple[str, int, int, int]] = {}
    left = {each.tape.root: left_of(*each) for each in there}
    for (tape, _, _), manifest in in_order(there):
        for entry in seen(tape, manifest.files_of(Trade.TABLE)):
            topic = f"{CHANNEL}{entry.symbol}"
            if topic in wanted and left[tape.root].has(entry):
                for batch in read_batches(tape, entry, _NEIGHBOUR):
                    for number, seq, ts_recv, ts_engine in _among(batch, wanted[topic]):
                        found[topic, number] = manifest.session, seq, ts_recv, ts_engine
    return found


def _among(batch: pa.RecordBatch, wanted: set[int]) -> Iterator[tuple[int, int, int, int]]:
    """Id, seq, time of receipt and engine time of those that are wanted."""
    some = batch.filter(pc.is_in(batch.column("trade_id"), pa.array(wanted, pa.int64())))
    names = ("trade_id", "seq", "ts_recv", "ts_engine")
    columns = [some.column(name).cast(pa.int64()).to_pylist() for name in names]
    yield from zip(*columns, strict=True)
