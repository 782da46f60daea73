"""Stretches against sets of whole numbers."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tape.layout import DAY_NS
from tape.spans import Stretch, by_day, length, union, without

numbers = st.integers(-5, 40)
stretches = st.lists(st.builds(Stretch, numbers, numbers), max_size=8)


def ints(found: list[Stretch]) -> set[int]:
    return {number for start, until in found for number in range(start, until)}


def is_tidy(found: list[Stretch]) -> bool:
    """In order, none empty, none touching the next."""
    ends = [end for stretch in found for end in stretch]
    return all(one < other for one, other in pairwise(ends))


@given(some=stretches)
def test_a_union_is_tidy_and_covers_the_same(some: list[Stretch]) -> None:
    assert is_tidy(union(some))
    assert ints(union(some)) == ints(some)
    assert length(union(some)) == len(ints(some))


@given(some=stretches, taken=stretches)
def test_what_is_left_is_the_difference(some: list[Stretch], taken: list[Stretch]) -> None:
    left = without(some, taken)
    assert is_tidy(left)
    assert ints(left) == ints(some) - ints(taken)


@given(some=stretches)
def test_days_add_up_to_the_whole(some: list[Stretch]) -> None:
    hours = [Stretch(start * DAY_NS // 7, until * DAY_NS // 7) for start, until in some]
    days = by_day(union(hours))
    for day, parts in days.items():
        assert all(day * DAY_NS <= start < until <= (day + 1) * DAY_NS for start, until in parts)
    assert list(days) == sorted(days)
    assert union([part for parts in days.values() for part in parts]) == union(hours)
