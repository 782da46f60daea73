"""What is counted once though it is told twice."""

from recorder.holes import Holes
from schemas.rows import Gap


def gap(topic: str | None, since: int, cause: str = "depth_ids", until: int | None = None) -> Gap:
    """A row of a gap; with an end if ``until`` is given."""
    state = "open" if until is None else "resynced"
    return Gap(
        since + 1, 100, None, None, topic, cause, None, None, None, since, 50,
        state, None, until, None, None, None,
    )  # fmt: skip


def test_a_gap_that_ends_is_one_gap() -> None:
    """Its second row only says how."""
    holes = Holes()
    holes.see(gap("depth.X", 5))
    assert (holes.counts, holes.open) == ({"depth.X": 1}, {"depth.X": 1})
    holes.see(gap("depth.X", 5, until=200))
    assert (holes.counts, holes.open) == ({"depth.X": 1}, {})


def test_a_gap_that_has_ended_when_it_shows_is_one_gap() -> None:
    holes = Holes()
    holes.see(gap("depth.X", 5, until=200))
    holes.see(gap("depth.X", 9, until=300))
    assert (holes.counts, holes.open) == ({"depth.X": 2}, {})


def test_gaps_that_are_too_many_to_know_stay_open() -> None:
    """As those of trades do, of which a recorder that does not keep up makes more and more."""
    holes = Holes(open_limit=5)
    for seq in range(8):
        holes.see(gap("trade.X", seq))
    assert holes.open == holes.counts == {"trade.X": 8}
    holes.see(gap("trade.X", 7, until=10**6))
    assert holes.open == {"trade.X": 7}
    holes.see(gap("trade.X", 0, until=10**6))  # nobody knows it any more
    assert holes.open == {"trade.X": 7}


def test_gaps_of_all_streams_are_told_apart_by_their_cause() -> None:
    """A loss during an outage may have begun with the same frame."""
    holes = Holes()
    holes.see(gap(None, 5, "disconnect"))
    holes.see(gap(None, 5, "loss"))
    holes.see(gap(None, 5, "loss", until=200))
    assert (holes.counts, holes.open) == ({"all streams": 2}, {"all streams": 1})


def test_what_is_said_again_of_a_gap_that_has_ended_is_not_another() -> None:
    """A delta may tell what was missing after a snapshot has made up for it."""
    holes = Holes()
    holes.see(gap("depth.X", 5, "unreadable"))
    holes.see(gap("depth.X", 5, "unreadable", until=200))
    holes.see(gap("depth.X", 5, until=200))
    assert (holes.counts, holes.open) == ({"depth.X": 1}, {})


def test_several_holes_of_one_outage_are_one_gap() -> None:
    """Deltas that are missing while the book is lost already."""
    holes = Holes()
    for _ in range(3):
        holes.see(gap("depth.X", 5))
    holes.see(gap("depth.Y", 5))
    assert (holes.counts, holes.open) == ({"depth.X": 1, "depth.Y": 1},) * 2
    holes.see(gap("depth.X", 5, until=200))
    assert (holes.counts, holes.open) == ({"depth.X": 1, "depth.Y": 1}, {"depth.Y": 1})


def test_a_gap_that_ends_after_another_has_shown_is_no_third() -> None:
    holes = Holes()
    holes.see(gap("trade.X", 5))
    holes.see(gap("trade.X", 9))
    holes.see(gap("trade.X", 5, until=200))
    assert (holes.counts, holes.open) == ({"trade.X": 2}, {"trade.X": 1})
