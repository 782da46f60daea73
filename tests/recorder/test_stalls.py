"""Which connection has stalled."""

from hypothesis import given
from hypothesis import strategies as st

from recorder.stalls import ENOUGH, Stalls

PATIENCE = 20.0


def test_one_that_brings_nothing_while_another_does() -> None:
    stalls = Stalls(PATIENCE)
    told = [stalls.find({1: 50 * second, 2: 7}, float(second)) for second in range(60)]
    assert [second for second, conn in enumerate(told) if conn is not None] == [20, 40]
    assert {conn for conn in told if conn is not None} == {2}


def test_where_little_comes_nobody_can_tell() -> None:
    stalls = Stalls(PATIENCE)
    assert all(stalls.find({1: second, 2: 7}, float(second)) is None for second in range(ENOUGH))


def test_another_that_goes_does_not_hide_it() -> None:
    """Nor what it had brought: the last one's messages count from where they are."""
    stalls = Stalls(PATIENCE)
    told = []
    for second in range(30):
        others = {1: 50 * second} if second >= 5 else {1: 50 * second, 3: 10_000 + 50 * second}
        told.append(stalls.find({2: 7, **others}, float(second)))
    assert [second for second, conn in enumerate(told) if conn is not None] == [20]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans()), max_size=60))
def test_only_by_a_patience_in_which_it_brought_nothing(
    looks: list[tuple[int, int, bool]],
) -> None:
    stalls, history = Stalls(PATIENCE), []
    counts = [0, 0]
    for second, (one, other, is_up) in enumerate(looks):
        counts[0] += one
        counts[1] += other
        brought = {1: counts[0], 2: counts[1]} if is_up else {1: counts[0]}
        history.append(brought)
        conn = stalls.find(brought, float(second))
        if conn is not None:
            before = history[-1 - int(PATIENCE) :]
            assert len(before) == int(PATIENCE) + 1
            assert len({then.get(conn) for then in before}) == 1
            assert sum(brought.values()) - sum(before[0].values()) >= ENOUGH
