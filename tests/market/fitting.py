"""Whether a row can be stored: by its class's units, and by Arrow."""

from decimal import Decimal
from functools import cache

import pyarrow as pa

from schemas.arrow import Column, columns
from schemas.columns import Unit
from schemas.rows import Row

_INTS = (Unit.COUNT, Unit.TIME, Unit.PRICE, Unit.QTY)
_DIGITS = {Unit.PRICE: 18, Unit.QTY: 18}


@cache
def _columns(kind: type[Row]) -> list[Column]:
    return columns(kind)


def check_fits(row: Row) -> None:
    """Each value has the type of its column and fits it."""
    for column in _columns(type(row)):
        value = getattr(row, column.name)
        if value is None:
            assert column.nullable, column
        elif column.unit in _INTS:
            assert type(value) is int, column
            assert -(2**63) <= value < 2**63, column
            assert abs(value) < 10 ** _DIGITS.get(column.unit, 19), column
        else:
            _check_other(column, value)


def _check_other(column: Column, value: object) -> None:
    if column.unit is Unit.FLAG:
        assert type(value) is bool, column
    elif column.unit in (Unit.WIDE, Unit.RATE):
        assert isinstance(value, Decimal), column
        assert pa.array([value], type=column.arrow).to_pylist() == [value], column
    else:
        assert type(value) is str, column
        value.encode()
