"""Texts to exact numbers, against ``Fraction`` (which reads them another way)."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import InexactNumber
from schemas.numbers import (
    PRICES,
    optional_price,
    optional_rate,
    optional_wide,
    pretty,
    pretty_price,
    pretty_qty,
    price,
    qty,
    scaled,
)

DIGITS = st.text("0123456789", min_size=1, max_size=24)
FRACTION = st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=34).map(".".__add__))
PLAIN = st.builds("{}{}{}".format, st.sampled_from(["", "-"]), DIGITS, FRACTION)
SCALES = st.sampled_from([0, 1, 6, 9, 18])

INT64_DIGITS = 18  # of decimal(18, s)
WIDE_DIGITS = 38  # of decimal128


def exactly(text: str, digits: int, limit: int) -> Fraction | None:
    """The number times 10**digits; None if that is no whole number, or has too many digits."""
    value = Fraction(text) * 10**digits
    return value if value.denominator == 1 and abs(value) < 10**limit else None


def not_negative(value: Fraction | None) -> Fraction | None:
    """What a price or a quantity may be."""
    return None if value is None or value < 0 else value


def result(read: Callable[[str], int | Decimal | None], text: str) -> int | Decimal | None:
    """What is read; None if it is refused."""
    try:
        return read(text)
    except InexactNumber:
        return None


@given(PLAIN, SCALES)
@example("999999999.999999999", 9)
@example("1000000000", 9)
@example("1000000000.0", 9)
@example("000000000000000000000000000001.5", 9)
@example("0.0000000010000000000000000000", 9)
@example("0.0000000001", 9)
@example("-0.0", 9)
@example("1", 0)
@example("1.0", 0)
def test_a_plain_text_is_read_exactly_or_refused(text: str, digits: int) -> None:
    """Never rounded, and never refused if it fits."""
    expected = exactly(text, digits, INT64_DIGITS)
    value = result(lambda said: scaled(said, digits), text)
    assert value == expected
    assert value is None or type(value) is int


@given(PLAIN)
@example("999999999.999999999")
@example("1000000000")
@example("0.000001")
@example("999999999999.999999")
@example("1000000000000")
def test_prices_and_quantities_have_their_scales(text: str) -> None:
    """1e-9 and 1e-6; the same the second time, when it is remembered. Below zero there is none."""
    for _ in range(2):
        assert result(price, text) == not_negative(exactly(text, 9, INT64_DIGITS))
        assert result(qty, text) == not_negative(exactly(text, 6, INT64_DIGITS))


@given(PLAIN)
@example("0.0000284626671014998234328730")
@example("-0.000000000000000000000000000001")
@example("99999999.999999999999999999999999999999")
@example("100000000")
@example("99999999999999999999.999999999999999999")
@example("100000000000000000000")
def test_volumes_and_rates_are_read_exactly_or_refused(text: str) -> None:
    """decimal128: 18 decimals and 30."""
    for read, digits in ((optional_wide, 18), (optional_rate, 30)):
        value = result(read, text)
        expected = exactly(text, digits, WIDE_DIGITS)
        assert (None if value is None else Fraction(value) * 10**digits) == expected
        if value is not None:
            assert isinstance(value, Decimal)
            assert value.as_tuple().exponent == -digits


@given(PLAIN, st.integers(0, 3), st.integers(0, 12))
def test_padding_changes_nothing(text: str, before: int, after: int) -> None:
    """Fact 2: ``100.70`` is ``100.7``, to the last bit, also for whoever compares texts."""
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    tail = ("." if "." not in text else "") + "0" * after if after else ""
    padded = sign + "0" * before + digits + tail
    assert result(price, padded) == result(price, text)
    assert result(qty, padded) == result(qty, text)
    assert str(result(optional_wide, padded)) == str(result(optional_wide, text))
    assert str(result(optional_rate, padded)) == str(result(optional_rate, text))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "-", ".", "-.", ".5", "5.", "-5.", "+5", "--5", "5-", "1e5", "1E5", "1.5e0"),
        *(" 1", "1 ", "1\n", "\t1", "1 000", "1_000", "1,000", "1.000.0", "1..0", "0x1", "1f"),
        *("NaN", "nan", "Infinity", "inf", "-inf", "null", "None", "True"),
        *("\u0661", "1\u0662", "\uff11", "1.\u0665", "\u00b2", "1\u2212", "1\x00", "\ud83d\ude00"),
    ],
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    """Whatever ``int``, ``float`` or ``Decimal`` would make of it."""
    for read in (price, qty, optional_wide, optional_rate):
        with pytest.raises(InexactNumber):
            read(text)


@given(st.text("0123456789.+-eE_ \u0661\n", max_size=8))
def test_what_is_read_was_plain(text: str) -> None:
    """Nothing else gets through."""
    whole, point, fraction = text.removeprefix("-").partition(".")
    digits = set("0123456789")
    plain = bool(whole) and set(whole + fraction) <= digits and bool(fraction) == bool(point)
    for read, size in ((price, 9), (qty, 6)):
        value = not_negative(exactly(text, size, INT64_DIGITS)) if plain else None
        assert (result(read, text) is None) == (value is None)
    value = exactly(text, 18, WIDE_DIGITS) if plain else None
    assert (result(optional_wide, text) is None) == (value is None)


@pytest.mark.parametrize("read", [optional_price, optional_wide, optional_rate])
def test_null_stays_null(read: Callable[[str | None], object]) -> None:
    """An empty side is not zero."""
    assert read(None) is None
    assert read("0") == 0


def test_a_long_text_is_refused_in_few_words() -> None:
    """Reject rows hold the message."""
    with pytest.raises(InexactNumber) as caught:
        price("9" * 10_000)
    assert len(str(caught.value)) < 120


def test_what_is_remembered_has_a_bound() -> None:
    """More texts than the memory holds are read as well, before and after it begins again."""
    for cents in range(70_000):
        assert price(f"{cents // 100}.{cents % 100:02d}") == cents * 10_000_000
    assert price("0.01") == 10_000_000
    assert len(PRICES) < 70_000


@given(st.integers(-(10**18) + 1, 10**18 - 1), st.sampled_from([1, 6, 9]))
def test_pretty_is_the_way_back(value: int, digits: int) -> None:
    """Exactly, in the fewest characters."""
    text = pretty(value, digits)
    assert Fraction(text) * 10**digits == value
    assert scaled(text, digits) == value
    assert text == text.removesuffix(".")
    if "." in text:
        assert not text.endswith("0")
    assert not text.removeprefix("-").startswith("00")


@given(st.integers(0, 10**18 - 1))
def test_pretty_prices_and_quantities_are_the_way_back(value: int) -> None:
    """Each with its scale."""
    assert price(pretty_price(value)) == value
    assert qty(pretty_qty(value)) == value
