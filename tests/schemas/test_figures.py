"""Numbers that come as a text or as a number: what was written is what is kept."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.figures import Figure, figure_of, figure_of_number


class Message(msgspec.Struct):
    """One such member."""

    x: Figure | None = None


decode = msgspec.json.Decoder(
    Message, strict=False, dec_hook=figure_of, float_hook=figure_of_number
).decode


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ('"100.70"', "100.70"),
        ("100.70", "100.70"),
        ("-0.000473", "-0.000473"),
        ("5", "5"),
        ("-0", "0"),
        ('"80%"', "80%"),
        ("1.5e-7", "0.00000015"),
        ("2E+3", "2000"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("18446744073709551615", "18446744073709551615"),
        ("1e99999999999999999999999", "1e99999999999999999999999"),
        ("1e-100", "1e-100"),
        ('""', ""),
        ("null", None),
    ],
)
def test_what_is_written_is_kept(written: str, kept: str | None) -> None:
    assert decode(f'{{"x":{written}}}') == Message(kept if kept is None else Figure(kept))


@given(st.integers(), st.integers(0, 40), st.integers(-99, 99))
def test_an_exponent_is_written_out_exactly(digits: int, places: int, exponent: int) -> None:
    text = str(abs(digits)).rjust(places + 1, "0")
    text = f"{text[: len(text) - places]}.{text[len(text) - places :]}" if places else text
    text = f"{'-' * (digits < 0)}{text}e{exponent}"
    made = figure_of_number(text)
    assert not {"e", "E"} & set(made)
    assert Fraction(made) == Fraction(digits, 10**places) * Fraction(10) ** exponent


@pytest.mark.parametrize("written", ["true", "[]", "[1.5]", "{}", '{"a":1.5}'])
def test_nothing_else_is_a_number(written: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"Expected a number or a text.*\$\.x"):
        decode(f'{{"x":{written}}}')


def test_no_other_type_is_made_here() -> None:
    with pytest.raises(TypeError, match="complex"):
        figure_of(complex, "1")
