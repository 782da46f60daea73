"""What nests too deep is decided by the bytes alone."""

from hypothesis import given
from hypothesis import strategies as st

from market.engine import Engine
from schemas.nesting import too_deep
from schemas.rows import Row
from tests.market.stamps import Stamper

PAIRS = {"[": "]", "{": "}"}


def deepest(text: str) -> int:
    """How many brackets are open at most."""
    most = now = 0
    for letter in text:
        now += (letter in PAIRS) - (letter in PAIRS.values())
        most = max(most, now)
    return most


@given(
    st.lists(st.sampled_from("[{"), max_size=60), st.integers(0, 400), st.sampled_from(["", "1"])
)
def test_what_the_venue_may_send_is_not_too_deep(
    opened: list[str], width: int, inside: str
) -> None:
    """However wide, up to sixty deep, which is far more than the four that were seen."""
    middle = ",".join(["[1,2]"] * width) or inside
    text = "".join(opened) + middle + "".join(PAIRS[letter] for letter in reversed(opened))
    assert deepest(text) <= 61
    assert not too_deep(text.encode())


@given(st.lists(st.sampled_from("[{"), min_size=300, max_size=900), st.booleans())
def test_what_a_decoder_might_give_up_on_is_too_deep(opened: list[str], closed: bool) -> None:
    """Whether it is closed again or not."""
    text = "".join(opened)
    text += "".join(PAIRS[letter] for letter in reversed(opened)) if closed else ""
    assert deepest(text) >= 300
    assert too_deep(text.encode())


def fed_below(calls: int, payload: str) -> list[Row]:
    """The rows of a message, with so many calls on the stack."""
    return Engine().feed(Stamper().data(payload)) if calls == 0 else fed_below(calls - 1, payload)


def test_rows_do_not_depend_on_who_calls() -> None:
    """A recorder stands deeper in its own calls than a replay; the rows are the same."""
    for depth in (10, 60, 100, 130, 200, 400, 800, 900, 940, 980, 2_000):
        inner = "[" * depth + "]" * depth
        payload = (
            f'{{"data":{{"E":1,"e":"openInterest","new":{inner},"o":"1","s":"A"}},'
            '"stream":"openInterest.A"}'
        )
        assert fed_below(0, payload) == fed_below(100, payload), depth
