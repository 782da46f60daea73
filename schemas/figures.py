"""Numbers that the venue writes now as a text, now as a JSON number (protocol section 4)."""

from decimal import Decimal
from typing import Any

_EXPONENT_DIGITS = 2  # what has more is left as it is, and fits no column


class Figure(str):
    """A number as it was written. Wire classes name it as the type of such a member.

    JSON numbers never pass through a binary fraction: what the venue wrote is what is kept.
    """

    __slots__ = ()


def figure_of_number(text: str) -> Figure:
    """A JSON number with a fraction or an exponent, of which the latter is written out.

    >>> figure_of_number("2.5e-7")
    '0.00000025'
    """
    exponent = text.lower().partition("e")[2]
    if not exponent or len(exponent.lstrip("+-0")) > _EXPONENT_DIGITS:
        return Figure(text)
    return Figure(format(Decimal(text), "f"))


def figure_of(kind: type[Any], value: Any) -> Figure:
    """What a decoder made of a member, as a `Figure`; raises TypeError, which it tells as a member
    of another type."""
    if kind is not Figure:
        raise TypeError(f"no member is a {kind.__name__}")
    if isinstance(value, str):
        return Figure(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Figure(str(value))
    raise TypeError(f"Expected a number or a text, got `{type(value).__name__}`")
