"""Walks ``TABLES`` and ``STREAMS``: what is written once must be there for each."""

from typing import Annotated

import pyarrow as pa
import pytest

from market.streams import PUBLIC, STREAMS
from schemas.arrow import ARROW, FRAMES, PARTITIONS, columns, schema
from schemas.columns import Count, Doc, Time, Unit
from schemas.frames import Frame
from schemas.rows import Row, table_name
from schemas.tables import ACCOUNT_TABLES, TABLES

PROTOCOL_CHANNELS = {
    *("bookTicker", "depth", "kline", "trade", "ticker", "markPrice", "openInterest"),
    *("liquidation", "externalTicker", "stockPrice", "stockIndicativeQuote"),
    *("account.orderUpdate", "account.positionUpdate"),
    *("account.balanceUpdate", "account.rfqUpdate"),
}
DECIMALS = {Unit.PRICE: 9, Unit.QTY: 6, Unit.WIDE: 18, Unit.RATE: 30}


def subclasses(row: type[Row]) -> set[type[Row]]:
    """All row classes under one."""
    return {row} | {leaf for child in row.__subclasses__() for leaf in subclasses(child)}


def test_each_channel_of_the_protocol_is_a_stream() -> None:
    """Sections 2 and 4, topic grammars; and no other."""
    assert set(STREAMS) == PROTOCOL_CHANNELS


@pytest.mark.parametrize("channel", sorted(STREAMS))
def test_a_stream_is_whole(channel: str) -> None:
    """Its rows have a table, somebody makes them, and its messages say what event they are."""
    stream = STREAMS[channel]
    assert stream.channel == channel
    assert TABLES[stream.row.TABLE] is stream.row
    assert (stream.handler is None) != (stream.tracker is None)
    assert {"e", "s", "E"} <= set(stream.message.__struct_fields__)
    assert (stream.message.__doc__ or "").strip()


def test_what_is_of_an_account_is_told_apart() -> None:
    """By its streams and by its tables: the same ones."""
    assert set(PUBLIC) == {channel for channel in STREAMS if not channel.startswith("account.")}
    private = {stream.row for stream in STREAMS.values() if stream.private}
    assert private == set(ACCOUNT_TABLES)
    assert not private & {stream.row for stream in PUBLIC.values()}


def test_each_row_class_is_a_table() -> None:
    """None is forgotten, none is there under another's name or tag."""
    found = {row for row in subclasses(Row) - {Row} if row.__module__.startswith("schemas.")}
    classes = {row for row in found if not row.__name__.startswith("_")}
    assert set(TABLES.values()) == classes
    assert [row.TABLE for row in TABLES.values()] == list(TABLES)
    assert {row.__struct_config__.tag for row in classes} == set(TABLES)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_each_column_has_a_unit_and_a_doc(name: str) -> None:
    """And the first four are the same in every table."""
    found = columns(TABLES[name])
    assert [column.name for column in found[:4]] == ["seq", "ts_recv", "ts_event", "symbol"]
    assert [column.name for column in found] == list(TABLES[name].__struct_fields__)
    for column in found:
        assert isinstance(column.unit, Unit)
        assert len(column.doc) > 2
        assert (column.unit is Unit.TIME) == column.name.startswith("ts_"), column
    assert (TABLES[name].__doc__ or "").strip()


@pytest.mark.parametrize("name", sorted(TABLES))
def test_arrow_types_follow_from_the_units(name: str) -> None:
    """Decimals with the digits of design section 3, times in ns and UTC, no float anywhere; the
    symbol is in the path."""
    found = {column.name: column for column in columns(TABLES[name])}
    made = schema(TABLES[name])
    assert made.names == [column for column in found if column != "symbol"]
    for field in made:
        column = found[field.name]
        assert field.nullable == column.nullable
        assert not pa.types.is_floating(field.type)
        assert field.type == ARROW[column.unit]
        if column.unit in DECIMALS:
            assert field.type.scale == DECIMALS[column.unit]
            assert field.type.precision == (18 if column.unit in (Unit.PRICE, Unit.QTY) else 38)
        if column.unit is Unit.TIME:
            assert field.type == pa.timestamp("ns", tz="UTC")


def test_there_is_a_type_for_each_unit() -> None:
    """Each is used, too."""
    assert set(ARROW) == set(Unit)
    assert {column.unit for row in TABLES.values() for column in columns(row)} == set(Unit)
    assert PARTITIONS == ("symbol",)


def test_nullable_is_what_may_be_none() -> None:
    """However the annotation is written."""

    class _Written(Row, tag="written"):
        """Two ways."""

        inside: Annotated[Time | None, Doc("one way")]
        outside: Annotated[Count, Doc("another")] | None
        never: Annotated[Count, Doc("not at all")]

    nullable = {column.name: column.nullable for column in columns(_Written)}
    assert (nullable["inside"], nullable["outside"], nullable["never"]) == (True, True, False)
    assert (nullable["seq"], nullable["ts_event"]) == (False, True)


def test_frames_have_their_columns() -> None:
    """In the order of the class."""
    assert FRAMES.names == list(Frame.__struct_fields__)


@pytest.mark.parametrize(
    ("name", "table"), [("BookTicker", "book_ticker"), ("Gap", "gap"), ("Kline", "kline")]
)
def test_table_names(name: str, table: str) -> None:
    """Snake case of the class."""
    assert table_name(name) == table
