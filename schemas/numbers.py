"""Texts of the wire to exact integers and decimals (design section 3). No float anywhere.

Padded and unpadded spellings of one number give one value: ``"100.70"`` and ``"100.7"`` are the
same level (protocol fact 2).
"""

import re
from decimal import Context, Decimal, Inexact, InvalidOperation

from schemas.errors import InexactNumber

PRICE_DIGITS = 9
QTY_DIGITS = 6
WIDE_DIGITS = 18
RATE_DIGITS = 30

_INT64_DIGITS = 18  # decimal(18, s) is what one int64 holds
_WIDE_PRECISION = 38  # decimal128
_PLAIN = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?", re.ASCII)
_MEMO_LIMIT = 65_536
_MEMO_TEXT = 40  # characters; a number may have any number of zeros before it
_POWERS: list[int] = [10**n for n in range(_INT64_DIGITS + 1)]
_EXACT = Context(prec=_WIDE_PRECISION, traps=[Inexact, InvalidOperation])


def scaled(text: str, digits: int) -> int:
    """``text`` times 10**digits as an int; raises InexactNumber where that is not a whole number.

    >>> scaled("100.70", 9)
    100700000000
    """
    whole, _, fraction = text.partition(".")
    places = digits - len(fraction)
    if 0 <= places < digits and len(whole) + digits <= _INT64_DIGITS and text.isascii():
        both = whole + fraction
        if whole and both.isdigit():
            return int(both) * _POWERS[places]  # all that the venue sends ends here
    return _odd_scaled(text, digits)


def _odd_scaled(text: str, digits: int) -> int:
    """Whole numbers, signs, superfluous zeros, and what is no number."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise InexactNumber(f"{text[:40]!r} is not a plain decimal number")
    sign, whole, fraction = match.groups(default="")
    fraction = fraction.rstrip("0")
    if len(fraction) > digits:
        raise InexactNumber(f"{text[:40]!r} has more than {digits} decimals")
    magnitude = (whole + fraction.ljust(digits, "0")).lstrip("0")
    if len(magnitude) > _INT64_DIGITS:
        raise InexactNumber(f"{text[:40]!r} needs more than {_INT64_DIGITS} digits at 1e-{digits}")
    return int(sign + (magnitude or "0"))


class Memo(dict[str, int]):
    """Scaled ints by text, remembered, since prices and quantities repeat.

    Used as ``PRICES[text]``: a hit is a plain dict look-up, half the time of ``lru_cache``, whose
    list of uses is touched by every hit. When full it simply begins again.
    """

    def __init__(self, digits: int) -> None:
        super().__init__()
        self._digits = digits

    def __missing__(self, text: str) -> int:
        if len(self) >= _MEMO_LIMIT:
            self.clear()
        value = scaled(text, self._digits)
        if value < 0:
            raise InexactNumber(f"{text[:40]!r} is negative")
        if len(text) <= _MEMO_TEXT:
            self[text] = value
        return value


PRICES = Memo(PRICE_DIGITS)
QUANTITIES = Memo(QTY_DIGITS)


def price(text: str) -> int:
    """A price in units of 1e-9."""
    return PRICES[text]


def qty(text: str) -> int:
    """A quantity in units of 1e-6."""
    return QUANTITIES[text]


def optional_price(text: str | None) -> int | None:
    """A price, or None where the venue says ``null``."""
    return None if text is None else price(text)


def optional_qty(text: str | None) -> int | None:
    """A quantity, or None."""
    return None if text is None else qty(text)


def signed_qty(text: str) -> int:
    """A quantity that may be negative: that of a position, which is short then.

    >>> signed_qty("-0.5")
    -500000
    """
    return scaled(text, QTY_DIGITS)


def optional_signed_qty(text: str | None) -> int | None:
    """The same, or None."""
    return None if text is None else signed_qty(text)


def wide(text: str) -> Decimal:
    """A volume or an amount of money for decimal128(38, 18)."""
    return _decimal(text, WIDE_DIGITS)


def optional_wide(text: str | None) -> Decimal | None:
    """The same, or None."""
    return None if text is None else wide(text)


def optional_rate(text: str | None) -> Decimal | None:
    """A funding rate for decimal128(38, 30); 28 decimals were seen (protocol fact 10)."""
    return None if text is None else _decimal(text, RATE_DIGITS)


def _decimal(text: str, digits: int) -> Decimal:
    if _PLAIN.fullmatch(text) is None:
        raise InexactNumber(f"{text[:40]!r} is not a plain decimal number")
    try:
        value = Decimal(text).quantize(Decimal(1).scaleb(-digits), context=_EXACT)
    except ArithmeticError:
        raise InexactNumber(f"{text[:40]!r} does not fit {digits} decimals exactly") from None
    return value if value else value.copy_abs()  # a column knows no negative zero


def pretty(value: int, digits: int) -> str:
    """The shortest decimal text of a scaled int, for people.

    >>> pretty(100700000000, 9)
    '100.7'
    """
    sign = "-" if value < 0 else ""
    text = str(abs(value)).rjust(digits + 1, "0")
    whole, fraction = text[:-digits], text[-digits:].rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def pretty_price(value: int) -> str:
    """``98.97`` for 98970000000."""
    return pretty(value, PRICE_DIGITS)


def pretty_qty(value: int) -> str:
    """``22.39`` for 22390000."""
    return pretty(value, QTY_DIGITS)
