"""Faults on purpose: the same for the same seed, as often as asked, and named clearly."""

import random
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.server.chaos import PLAIN, Chaos, Fate
from schemas.errors import UsageError

SESSION = "20260902T164310Z-0007"
DAY = "seed=7,drop=0.001,dup=0.001,delay=0.01:250ms,disconnect=0.0001,rest=0.05"

probabilities = st.decimals(0, 1, allow_nan=False, allow_infinity=False, places=6)
seqs = st.lists(st.integers(1, 10**12), min_size=1, max_size=20)


@st.composite
def chaoses(draw: st.DrawFn) -> Chaos:
    """Any that a text can say."""
    units = [(1_000, 10**6), (1_000_000, 60_000), (1_000_000_000, 60), (60_000_000_000, 1)]
    lates = st.sampled_from(units).flatmap(
        lambda unit: st.integers(1, unit[1]).map(lambda number: number * unit[0])
    )
    chances = {
        name: draw(st.just(Decimal(0)) | probabilities)
        for name in ("drop", "dup", "delay", "disconnect", "rest")
    }
    late = draw(lates) if chances["delay"] else 0
    return Chaos(
        draw(st.integers(0, 10**18 - 1)),
        chances["drop"],
        chances["dup"],
        chances["delay"],
        chances["disconnect"],
        chances["rest"],
        late,
    )


@given(chaos=chaoses())
def test_what_it_says_of_itself_makes_it_again(chaos: Chaos) -> None:
    again = Chaos.parse(str(chaos))
    assert again == chaos
    assert str(again) == str(chaos)


@given(chaos=chaoses(), seqs=seqs, session=st.text(max_size=20), rng=st.randoms())
def test_a_fate_depends_on_nothing_else(
    chaos: Chaos, seqs: list[int], session: str, rng: random.Random
) -> None:
    fates = {seq: chaos.fate(session, seq) for seq in seqs}
    again = Chaos.parse(str(chaos))
    order = [*seqs, *range(1, 30)]
    rng.shuffle(order)
    found = {seq: again.fate(session, seq) for seq in order}
    assert {seq: found[seq] for seq in seqs} == fates
    assert [again.rest_fails(seq) for seq in seqs] == [chaos.rest_fails(seq) for seq in seqs]


def test_the_fates_of_a_seed_stay_what_they_are() -> None:
    """In all versions and on all machines: people compare the days they made."""
    chaos = Chaos.parse("seed=7,drop=0.1,dup=0.1,delay=0.1:250ms,disconnect=0.1,rest=0.1")
    fates = {seq: chaos.fate(SESSION, seq).faults for seq in range(1, 31)}
    assert {seq: faults for seq, faults in fates.items() if faults} == {
        1: ("drop",),
        3: ("dup",),
        4: ("dup",),
        6: ("dup",),
        9: ("disconnect",),
        14: ("delay",),
        16: ("drop",),
        19: ("disconnect",),
        23: ("delay",),
        26: ("drop",),
        29: ("dup",),
    }
    day = Chaos.parse(DAY)
    rare = {seq: fate.faults[0] for seq in range(1, 500) if (fate := day.fate(SESSION, seq)).faults}
    assert rare == {
        33: "delay",
        55: "drop",
        96: "delay",
        101: "delay",
        123: "delay",
        248: "delay",
        287: "delay",
        322: "drop",
        383: "delay",
        394: "drop",
        407: "delay",
    }
    failed = {number: chaos.rest_fails(number) for number in range(1, 30)}
    assert {number: status for number, status in failed.items() if status} == {
        19: 500,
        28: 500,
        29: 500,
    }


@pytest.mark.parametrize("of", ["seed", "session", "number"])
def test_others_have_other_fates(of: str) -> None:
    one = Chaos.parse("seed=1,drop=0.5")
    two = Chaos.parse("seed=2,drop=0.5") if of == "seed" else one
    session = "b" if of == "session" else "a"
    first = 1_001 if of == "number" else 1
    fates = [one.fate("a", seq).copies for seq in range(1, 101)]
    assert fates != [two.fate(session, seq).copies for seq in range(first, first + 100)]


COUNT = 40_000


def test_faults_are_as_frequent_as_asked_and_independent() -> None:
    """Within five standard deviations; what is dropped is nothing else, but may cut."""
    chaos = Chaos.parse("seed=3,drop=0.1,dup=0.2,delay=0.3:5ms,disconnect=0.25")
    counts: Counter[tuple[str, ...]] = Counter()
    for seq in range(1, COUNT + 1):
        counts[chaos.fate(SESSION, seq).faults] += 1
    kept = Decimal("0.9")
    for faults, chance in {
        (): kept * 4 / 5 * 7 / 10 * 3 / 4,
        ("drop",): Decimal("0.1") * 3 / 4,
        ("drop", "disconnect"): Decimal("0.1") / 4,
        ("dup",): kept / 5 * 7 / 10 * 3 / 4,
        ("delay",): kept * 4 / 5 * 3 / 10 * 3 / 4,
        ("dup", "delay"): kept / 5 * 3 / 10 * 3 / 4,
        ("disconnect",): kept * 4 / 5 * 7 / 10 / 4,
        ("dup", "delay", "disconnect"): kept / 5 * 3 / 10 / 4,
    }.items():
        assert_near(counts[faults], chance, COUNT)


def assert_near(found: int, chance: Decimal, count: int) -> None:
    deviation = (count * chance * (1 - chance)).sqrt()
    assert abs(found - count * chance) < 5 * deviation + 1


@pytest.mark.parametrize("chance", ["0.0001", "0.01", "0.5", "0.999"])
def test_rare_and_frequent_ones_too(chance: str) -> None:
    chaos = Chaos.parse(f"seed=11,disconnect={chance},rest={chance}")
    cut = sum(chaos.fate(SESSION, seq).disconnect for seq in range(COUNT))
    assert_near(cut, Decimal(chance), COUNT)
    failed = Counter(chaos.rest_fails(number) for number in range(5_000))
    del failed[None]
    assert_near(failed.total(), Decimal(chance), 5_000)
    for status in (503, 429, 500) if failed.total() > 100 else ():
        assert_near(failed[status], Decimal(1) / 3, failed.total())


def test_never_and_always() -> None:
    never, always = Chaos.parse("seed=1"), Chaos.parse("drop=1,rest=1.0,disconnect=1")
    both = Chaos.parse("dup=1,delay=1:1s")
    for number in range(1, 500):
        assert never.fate(SESSION, number) is PLAIN
        assert never.rest_fails(number) is None
        assert always.fate(SESSION, number) == Fate(0, 0, True)
        assert always.rest_fails(number) in (503, 429, 500)
        assert both.fate(SESSION, number) == Fate(2, 1_000_000_000, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (DAY, DAY),
        (" rest = 0.50 , drop=0.0100 ", "seed=0,drop=0.01,rest=0.5"),
        ("delay=0.01:1000ms", "seed=0,delay=0.01:1s"),
        ("delay=0.01:59s", "seed=0,delay=0.01:59s"),
        ("delay=1:60s", "seed=0,delay=1:1m"),
        ("delay=0:250ms,drop=0", "seed=0"),
        ("seed=007", "seed=7"),
    ],
)
def test_there_is_one_spelling(text: str, says: str) -> None:
    assert str(Chaos.parse(text)) == says


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "'' is not a name and a value"),
        ("drop", "'drop' is not a name and a value"),
        ("drop=0.1,", "'' is not a name and a value"),
        ("drpo=0.1", "no fault 'drpo'; nearest: drop"),
        ("latency=0.1", "no fault 'latency'; nearest: "),
        ("drop=0.1,drop=0.2", "drop is said twice"),
        ("drop=1.01", "drop=1.01 is not a probability from 0 to 1"),
        ("drop=-0.1", "drop=-0.1 is not a probability"),
        ("drop=nan", "drop=nan is not a probability"),
        ("rest=5%", "rest=5% is not a probability"),
        ("dup=0.1:250ms", "dup=0.1:250ms is not a probability"),
        ("delay=0.01", "delay=0.01 does not say how long"),
        ("delay=0.01:250", "delay=0.01:250 does not say how long"),
        ("delay=0.01:0ms", "does not say how long"),
        ("delay=0.1:61s", "delay=0.1:61s is longer than 1m"),
        ("delay=2:250ms", "delay=2 is not a probability"),
        ("seed=x", "seed=x is not a whole number"),
        ("seed=", "seed= is not a whole number"),
    ],
)
def test_what_cannot_be_is_explained(text: str, wrong: str) -> None:
    with pytest.raises(UsageError) as caught:
        Chaos.parse(text)
    message = str(caught.value)
    assert wrong in message
    assert message.endswith(f"for example {DAY}")
