"""What a ring keeps and when it is written, against models that only remember."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from recorder.ring import Ring
from recorder.triggers import Triggers


class Piece(NamedTuple):
    """A stretch of time."""

    since: int
    until: int


LENGTHS = st.integers(1, 9)


@given(st.integers(1, 20), st.lists(st.tuples(LENGTHS, st.integers(0, 30), st.booleans())))
def test_a_ring_reaches_back_far_enough_and_no_further(
    reach: int, steps: list[tuple[int, int, bool]]
) -> None:
    """Each step: a piece of some length ends, some time later what is too old goes; perhaps all is
    taken. What is held covers the reach, or all there is; without its oldest it would not."""
    ring, pieces, end, taken = Ring[Piece](reach), list[Piece](), 0, 0
    for length, later, take in steps:
        pieces.append(Piece(end, end + length))
        ring.add(pieces[-1])
        end += length
        now = end + later
        gone = ring.expire(now)
        kept = [piece for piece in pieces[taken:] if piece.until > now - reach]
        assert gone == [piece for piece in pieces[taken:] if piece not in kept]
        taken = len(pieces) - len(kept)
        assert (ring.oldest, len(ring)) == (kept[0] if kept else None, len(kept))
        if take:
            assert ring.take() == kept
            taken = len(pieces)
            assert ring.take() == []
    left = pieces[taken:]
    while left:
        assert ring.shorten() == left.pop(0)
    assert ring.oldest is None


@given(st.integers(0, 20), st.lists(st.tuples(st.integers(0, 6), st.sampled_from("ab"))))
def test_each_thing_is_dumped_once_and_all_that_follows_is(
    after: int, steps: list[tuple[int, str]]
) -> None:
    """Each step: some time passes, then something happens; a dump is taken whenever one is due.
    Each thing is counted in one dump; some dump begins when what is to follow it has come; none
    does before something is due."""
    triggers, now, happened, dumps = Triggers(after), 0, list[tuple[int, str]](), list[int]()
    counted = Counter[str]()
    for seq, (passed, why) in enumerate([*steps, (10**6, "")]):
        for _ in range(min(passed, 100)):
            now += 1
            if triggers.is_due(now):
                assert any(dumps[-1:] < [at + after] <= [now] for at, _ in happened)
                counted += counts(triggers.take(now).why)
                dumps.append(now)
        if why:
            happened.append((now, why))
            triggers.pull(why, seq, now)
    assert counted == Counter(why for _, why in happened)
    for at, _ in happened:
        assert any(at + after <= dump <= at + max(after, 1) + after for dump in dumps)
    assert triggers.since is None
    assert len(dumps) <= len(happened)


def counts(why: str) -> Counter[str]:
    """How often each was said to have happened."""
    found = Counter[str]()
    for text in () if why.startswith("what followed on") else why.split(", "):
        count, _, name = text.rpartition(" x ")
        found[name] += int(count or 1)
    return found


def test_causes_are_short_and_can_be_printed() -> None:
    """Whoever named them."""
    triggers = Triggers(0)
    for why in ("a\nb\ud800", "x" * 10_000, "c", "d", "e"):
        triggers.pull(why, 7, 0)
    end = triggers.take(0).end
    assert end.startswith(f"dump: a?b?, {'x' * 160}, c and 2 others at frame 7")
