"""Rows and frames become columns and come back exactly, also by way of a Parquet file."""

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.arrow import FRAMES, Column, columns, schema
from schemas.columns import Unit
from schemas.frames import Frame, Kind
from schemas.numbers import RATE_DIGITS, WIDE_DIGITS
from schemas.rows import Row
from schemas.tables import TABLES
from tape.columns import (
    arrow_to_frames,
    arrow_to_rows,
    filed_topic,
    frames_to_arrow,
    rows_to_arrow,
)
from tape.parquet import PartFile
from tests.effort import examples
from tests.tape.dumb import any_frame

_int64 = st.integers(-(2**63), 2**63 - 1)
_scaled = st.integers(-(10**18) + 1, 10**18 - 1)  # all that decimal(18, s) holds


def _decimal(digits: int) -> st.SearchStrategy[Decimal]:
    most = 10**38 - 1
    return st.integers(-most, most).map(lambda number: _exactly(number, digits))


def _exactly(number: int, digits: int) -> Decimal:
    """``number`` times 10**-digits, without a context that rounds."""
    return Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -digits))


VALUES: dict[Unit, st.SearchStrategy[Any]] = {
    Unit.COUNT: _int64,
    Unit.TIME: _int64,
    Unit.PRICE: _scaled,
    Unit.QTY: _scaled,
    Unit.WIDE: _decimal(WIDE_DIGITS),
    Unit.RATE: _decimal(RATE_DIGITS),
    Unit.FLAG: st.booleans(),
    Unit.WORD: st.text(max_size=8),
    Unit.TEXT: st.text(max_size=30),
}


def any_value(column: Column) -> st.SearchStrategy[Any]:
    value = VALUES[column.unit]
    return st.none() | value if column.nullable else value


def any_rows(row: type[Row], symbol: str | None) -> st.SearchStrategy[list[Row]]:
    values = [
        st.just(symbol) if column.name == "symbol" else any_value(column) for column in columns(row)
    ]
    return st.lists(st.tuples(*values).map(lambda cells: row(*cells)), max_size=12)


@pytest.mark.parametrize("table", TABLES)
@settings(max_examples=examples(25))
@given(symbol=st.sampled_from([None, "ETH_USDC"]), data=st.data())
def test_rows_of_every_table_come_back(table: str, symbol: str | None, data: st.DataObject) -> None:
    row = TABLES[table]
    rows = data.draw(any_rows(row, symbol))
    batch = rows_to_arrow(row, rows)
    assert batch.schema.equals(schema(row), check_metadata=True)
    batch.validate(full=True)
    assert arrow_to_rows(row, symbol, batch) == rows


@pytest.mark.parametrize("table", TABLES)
@settings(max_examples=examples(8))
@given(data=st.data())
def test_rows_come_back_from_a_file(table: str, data: st.DataObject) -> None:
    row = TABLES[table]
    rows = data.draw(any_rows(row, "X").filter(bool))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.00001.parquet"
        file = PartFile(path, schema(row), {"table": table})
        file.write([rows_to_arrow(row, rows)])
        entry = file.finish(Path(folder), table, "X")
        (batch,) = pq.ParquetFile(path).iter_batches()
    assert arrow_to_rows(row, "X", batch) == rows
    seqs = [each.seq for each in rows]
    assert (entry.rows, entry.first_seq, entry.last_seq) == (len(rows), min(seqs), max(seqs))


@given(st.lists(any_frame, max_size=12))
def test_frames_come_back_with_their_own_topics(frames: list[Frame]) -> None:
    batch = frames_to_arrow(frames, [filed_topic(frame) for frame in frames])
    assert batch.schema.equals(FRAMES)
    made = (Kind.DATA, Kind.BINARY)
    own = [replace(frame, topic="") if frame.kind in made else frame for frame in frames]
    assert arrow_to_frames(batch) == own


@pytest.mark.parametrize(
    ("payload", "topic"),
    [
        (b'{"data":{"e":"depth"},"stream":"depth.SOL_USDC"}', "depth.SOL_USDC"),
        (b'{"id":null,"error":{"code":4002}}', None),
        (b'{"stream":7}', None),
        (b'{"stream":"depth', None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (b'{"stream":"\\ud800"}', None),
        (b"", None),
    ],
)
def test_the_topic_of_a_message_is_its_stream(payload: bytes, topic: str | None) -> None:
    frame = Frame(1, 1, 1, 1, Kind.DATA, "", payload)
    assert filed_topic(frame) == topic
    frames_to_arrow([frame], [filed_topic(frame)])


def test_other_kinds_keep_their_topic() -> None:
    path = "/api/v1/depth?symbol=SOL_USDC"
    frame = Frame(1, 1, 1, 0, Kind.REPLY, path, b'{"stream":"x"}')
    assert filed_topic(frame) == path


def test_a_kind_from_the_future_is_refused() -> None:
    frame = Frame(1, 1, 1, 0, Kind.REPLY, "", b"")
    batch = frames_to_arrow([frame], [""]).set_column(4, FRAMES.field("kind"), pa.array(["dream"]))
    with pytest.raises(KeyError, match="dream"):
        arrow_to_frames(batch)
