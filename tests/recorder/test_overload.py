"""When a recorder is behind, told from signs alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.overload import (
    CALM_NS,
    EMPTY,
    LARGEST_EMPTY,
    LATE_NS,
    LONGEST_RELIEF_NS,
    LOSING,
    PATIENCE_NS,
    RELIEF_NS,
    STEADY_NS,
    URGENT,
    URGENT_NS,
    Overload,
    Signs,
)
from schemas.shedding import Level

MS = 1_000_000
STEP = 10 * MS  # between two looks
FULL = 200_000  # bytes; not urgent


class Seen:
    """An overload that is looked at every `STEP`."""

    def __init__(self) -> None:
        self.overload = Overload()
        self.mono = 5_000_000 * MS
        self.levels: list[Level] = []

    def see(self, unread: int, late: int = 0, rate: int = 0) -> Level:
        """The next look."""
        self.mono += STEP
        self.levels.append(self.overload.see(Signs(self.mono, unread, late, rate)))
        return self.levels[-1]

    def until(self, level: Level, unread: int, late: int = 0, rate: int = 0) -> int:
        """How long it takes until a level holds; it must come within an hour's looks."""
        began = self.mono
        while self.see(unread, late, rate) is not level:
            assert self.mono - began < 3_600_000 * MS
        return self.mono - began


@given(st.lists(st.integers(0, 50_000_000), max_size=300), st.integers(1, URGENT_NS // STEP))
def test_who_finds_the_sockets_empty_now_and_then_sheds_nothing(
    bursts: list[int], every: int
) -> None:
    """However large the bursts, that are read within the time of one level."""
    seen = Seen()
    for number, unread in enumerate(bursts):
        assert seen.see(0 if number % every == 0 else unread) is Level.ALL


@pytest.mark.parametrize(
    ("unread", "late", "each"),
    [
        (FULL, 0, PATIENCE_NS),
        (EMPTY + 1, 0, PATIENCE_NS),
        (URGENT, 0, URGENT_NS),
        (FULL, LATE_NS + 1, URGENT_NS),
    ],
)
def test_who_never_does_sheds_more_and_more(unread: int, late: int, each: int) -> None:
    """Level by level, and no further than the last."""
    seen = Seen()
    for level in list(Level)[1:]:
        due = each * LOSING if level > Level.NO_ROWS else each
        assert due <= seen.until(level, unread, late) <= due + 2 * STEP
    assert {seen.see(unread, late) for _ in range(1_000)} == {Level.NOTHING}


def test_what_comes_in_a_moment_is_no_backlog() -> None:
    """However much that is, up to what a system is sure to let wait."""
    seen = Seen()
    for _ in range(1_000):
        assert seen.see(200_000, rate=2_000_000) is Level.ALL
    seen.until(Level.NO_TICKER_ROWS, LARGEST_EMPTY + 1, rate=50_000_000)


def test_a_pause_of_the_whole_machine_is_no_load() -> None:
    """Ten seconds in which nobody ran: what has come meanwhile is read, and gets less."""
    seen = Seen()
    seen.see(0)
    seen.mono += 10_000 * MS
    for unread in range(6_000_000, 0, -100_000):
        assert seen.see(unread) is Level.ALL


def test_two_looks_are_no_load() -> None:
    """However long nobody ran in between."""
    seen = Seen()
    for level in (Level.ALL, Level.ALL, Level.NO_TICKER_ROWS):
        seen.mono += 10_000 * MS
        assert seen.see(URGENT) is level


def test_relief_comes_level_by_level() -> None:
    seen = Seen()
    seen.until(Level.NOTHING, URGENT)
    for level in reversed(list(Level)[:-1]):
        assert RELIEF_NS <= seen.until(level, 0) <= RELIEF_NS + 2 * STEP


def test_no_relief_while_the_loop_is_late_or_seldom_empty() -> None:
    seen = Seen()
    seen.until(Level.NO_ROWS, FULL)
    for _ in range(500):
        assert seen.see(0, LATE_NS + 1) is Level.NO_ROWS
    for _ in range(50):  # empty, but not often enough to be calm
        assert seen.see(0) is Level.NO_ROWS
        for _ in range(CALM_NS // STEP + 1):
            assert seen.see(FULL) is Level.NO_ROWS


def test_who_goes_back_too_early_waits_longer_each_time() -> None:
    """A recorder that can bear one level but not the one below: books are lost less and less
    often, and after a good while it is all forgotten."""
    seen = Seen()
    seen.until(Level.NO_ROWS, FULL)
    waits = []
    for _ in range(10):
        waits.append(seen.until(Level.NO_QUOTE_ROWS, 0))
        seen.until(Level.NO_ROWS, FULL)
    growing = [RELIEF_NS << number for number in range(10)]
    for wait, meant in zip(waits, growing, strict=True):
        assert abs(wait - min(meant, LONGEST_RELIEF_NS)) <= 2 * STEP
    assert seen.until(Level.ALL, 0) <= LONGEST_RELIEF_NS + 2 * RELIEF_NS + 6 * STEP
    for _ in range(STEADY_NS // STEP + 2):
        seen.see(0)
    seen.until(Level.NO_TICKER_ROWS, FULL)
    assert seen.until(Level.ALL, 0) <= RELIEF_NS + 2 * STEP


@given(st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(0, 10**9)), max_size=200))
def test_levels_go_by_one(signs: list[tuple[int, int]]) -> None:
    """Up and down, whatever is seen."""
    seen = Seen()
    for unread, late in signs:
        seen.see(unread, late)
    assert all(abs(one - other) <= 1 for one, other in pairwise([Level.ALL, *seen.levels]))
