"""Arrow schemas of frames and rows, derived from their classes."""

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

from schemas.columns import Added, Doc, Unit
from schemas.numbers import PRICE_DIGITS, QTY_DIGITS, RATE_DIGITS, WIDE_DIGITS
from schemas.rows import Row

PARTITIONS = ("symbol",)  # in the path, not in the file, as Hive readers expect

ARROW: dict[Unit, pa.DataType] = {
    Unit.COUNT: pa.int64(),
    Unit.TIME: pa.timestamp("ns", tz="UTC"),
    Unit.PRICE: pa.decimal64(18, PRICE_DIGITS),
    Unit.QTY: pa.decimal64(18, QTY_DIGITS),
    Unit.WIDE: pa.decimal128(38, WIDE_DIGITS),
    Unit.RATE: pa.decimal128(38, RATE_DIGITS),
    Unit.FLAG: pa.bool_(),
    Unit.WORD: pa.string(),
    Unit.TEXT: pa.string(),
}

FRAMES = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("ts_recv", pa.timestamp("ns", tz="UTC"), nullable=False),
        pa.field("ts_mono", pa.int64(), nullable=False),
        pa.field("conn", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("topic", pa.string()),
        pa.field("payload", pa.binary(), nullable=False),
    ]
)


class Column(NamedTuple):
    """One column of a table; ``added`` where older tables do not have it."""

    name: str
    unit: Unit
    nullable: bool
    doc: str
    added: Added | None = None

    @property
    def arrow(self) -> pa.DataType:
        return ARROW[self.unit]


def columns(row: type[Row]) -> list[Column]:
    """All columns of a table, in order, the partition columns among them."""
    return list(_columns(row))


@cache
def schema(row: type[Row]) -> pa.Schema:
    """Arrow schema of a table's files: its columns without the partition columns."""
    whole = whole_schema(row)
    kept = [field for field in whole if field.name not in PARTITIONS]
    return pa.schema(kept, metadata=whole.metadata)


@cache
def whole_schema(row: type[Row]) -> pa.Schema:
    """The same with the partition columns, for files that stand alone."""
    return pa.schema(
        [
            pa.field(c.name, c.arrow, nullable=c.nullable, metadata={"unit": c.unit.value})
            for c in columns(row)
        ],
        metadata={"table": row.TABLE},
    )


@cache
def _columns(row: type[Row]) -> tuple[Column, ...]:
    hints = get_type_hints(row, include_extras=True)
    return tuple(_column(name, hints[name]) for name in row.__struct_fields__)


def _column(name: str, hint: Any) -> Column:
    notes = list(_notes(hint))
    unit = next(n for n in notes if isinstance(n, Unit))
    doc = next(n.text for n in notes if isinstance(n, Doc))
    added = next((n for n in notes if isinstance(n, Added)), None)
    return Column(name, unit, type(None) in list(_leaves(hint)), doc, added)


def _notes(hint: Any) -> Iterator[Any]:
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        yield from notes
        yield from _notes(inner)
    elif _is_union(hint):
        for part in get_args(hint):
            yield from _notes(part)


def _leaves(hint: Any) -> Iterator[Any]:
    if get_origin(hint) is Annotated:
        yield from _leaves(get_args(hint)[0])
    elif _is_union(hint):
        for part in get_args(hint):
            yield from _leaves(part)
    else:
        yield hint


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)
