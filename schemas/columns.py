"""Units of columns: what a field of a row is in memory and on disk (design section 3)."""

from decimal import Decimal
from enum import Enum
from typing import Annotated, NamedTuple

from msgspec import Meta

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


# What fits no column is refused where it is read from a tape. Made of other numbers, it is not.
_INT64 = Meta(ge=-(2**63), le=2**63 - 1)
_DIGITS_18 = Meta(gt=-(10**18), lt=10**18)
Count = Annotated[int, Unit.COUNT, _INT64]
Time = Annotated[int, Unit.TIME, _INT64]
Price = Annotated[int, Unit.PRICE, _DIGITS_18]
Qty = Annotated[int, Unit.QTY, _DIGITS_18]
Wide = Annotated[Decimal, Unit.WIDE]
Rate = Annotated[Decimal, Unit.RATE]
Flag = Annotated[bool, Unit.FLAG]
Word = Annotated[str, Unit.WORD]
Text = Annotated[str, Unit.TEXT]
