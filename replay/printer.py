"""Rows as lines of JSON, one object each, exact.

What a JSON reader would spoil is text: prices, quantities, volumes and rates are decimals in their
shortest form, times are ISO 8601 with nanoseconds (as numbers they are beyond 2**53, from where
on jq and JavaScript round).
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, BinaryIO

import msgspec

from schemas.arrow import columns
from schemas.columns import Unit
from schemas.numbers import pretty_price, pretty_qty
from schemas.rows import Row
from schemas.tables import TABLES
from tape.moment import stamp

_BATCH_BYTES = 1 << 16
_NS = 1_000_000_000

Show = Callable[[Any], Any]


class Printer:
    """Writes rows to a binary file; ``eager`` after each call, for a consumer that watches."""

    def __init__(self, out: BinaryIO, eager: bool = False) -> None:
        self._out = out
        self._limit = 0 if eager else _BATCH_BYTES
        self._buffer = bytearray()
        self._encode_into = msgspec.json.Encoder().encode_into
        self._show = {row: _shower(row) for row in TABLES.values()}

    def print(self, rows: Iterable[Row]) -> None:
        """Write a line per row; raises BrokenPipeError where nobody reads any more."""
        buffer = self._buffer
        for row in rows:
            self._encode_into(self._show[type(row)](row), buffer, -1)
            buffer += b"\n"
        if len(buffer) > self._limit:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        # Taken first: should writing be interrupted, no line is written twice.
        waiting = bytes(self._buffer)
        self._buffer.clear()
        self._out.write(waiting)
        self._out.flush()


def shown(row: Row) -> msgspec.Struct:
    """A row as it is printed: ``table``, then its columns under their names."""
    return _shower(type(row))(row)


@cache
def _shower(row: type[Row]) -> Callable[[Row], msgspec.Struct]:
    """Makes of a row the struct that is printed: ``table`` first, then its columns."""
    shown = msgspec.defstruct(
        f"Shown{row.__name__}",
        [(column.name, Any) for column in columns(row)],
        tag_field="table",
        tag=row.TABLE,
        gc=False,
    )
    ways = [(at, _SHOW[c.unit]) for at, c in enumerate(columns(row)) if c.unit in _SHOW]

    def show(row: Row) -> msgspec.Struct:
        values = list(msgspec.structs.astuple(row))
        for at, way in ways:
            value = values[at]
            if value is not None:
                values[at] = way(value)
        return shown(*values)

    return show


# Rows of a frame share their times, and those of a second all but the decimals.
@lru_cache(maxsize=1_024)
def _time(ns: int) -> str:
    return f"{_second(ns // _NS)}{ns % _NS:09d}Z"


@lru_cache(maxsize=1_024)
def _second(second: int) -> str:
    return stamp(second * _NS)[: -len("000000000Z")]


def _decimal(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


_SHOW: dict[Unit, Show] = {
    Unit.TIME: _time,
    Unit.PRICE: lru_cache(maxsize=65_536)(pretty_price),
    Unit.QTY: lru_cache(maxsize=65_536)(pretty_qty),
    Unit.WIDE: _decimal,
    Unit.RATE: _decimal,
}
