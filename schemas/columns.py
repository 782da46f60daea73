"""Units of columns: what a field of a row is in memory and on disk (design section 3)."""

from decimal import Decimal
from enum import Enum
from typing import Annotated, NamedTuple

from schemas.numbers import PRICE_DIGITS, QTY_DIGITS, RATE_DIGITS, WIDE_DIGITS


class Unit(Enum):
    """Unit of a column; the Arrow type follows from it in `schemas.arrow`."""

    COUNT = "whole number"
    TIME = "ns since the epoch, UTC"
    PRICE = f"quote per base, exact to 1e-{PRICE_DIGITS}"
    QTY = f"base units, exact to 1e-{QTY_DIGITS}"
    WIDE = f"decimal, exact to 1e-{WIDE_DIGITS}"
    RATE = f"fraction per funding interval, exact to 1e-{RATE_DIGITS}"
    FLAG = "true or false"
    WORD = "text, few different values"
    TEXT = "text"


class Doc(NamedTuple):
    """What a column means."""

    text: str


class Added(NamedTuple):
    """A column that tables before ``schema`` do not have, and what their rows are given for it."""

    schema: int
    value: str | None = None


Count = Annotated[int, Unit.COUNT]
Time = Annotated[int, Unit.TIME]
Price = Annotated[int, Unit.PRICE]
Qty = Annotated[int, Unit.QTY]
Wide = Annotated[Decimal, Unit.WIDE]
Rate = Annotated[Decimal, Unit.RATE]
Flag = Annotated[bool, Unit.FLAG]
Word = Annotated[str, Unit.WORD]
Text = Annotated[str, Unit.TEXT]
