"""Trades that come late: a dumb model, and what is remembered of those that are missing."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.missing import RANGES_LIMIT
from schemas.frames import FramesLost, Kind, to_json
from schemas.rows import Gap, Row, Trade
from tests.market.hand import SYMBOL, Hand
from tests.market.stamps import MONO_NS, START_NS, STEP_NS, event
from tests.market.test_rolls import rolled

TOPIC = f"trade.{SYMBOL}"
SECOND_US = 1_000_000


class Seen(NamedTuple):
    """The newest trade: its frame, id and connection."""

    seq: int
    id: int
    conn: int


class Wanted(NamedTuple):
    """A gap, and what of it has not come."""

    since: int
    expected: int
    received: int
    cause: str
    ids: set[int]


def trade(hand: Hand, number: int, us: int = 5, conn: int = 1) -> list[Row]:
    """A trade arrives, of an engine time."""
    members = {"p": "1", "q": "1", "m": True, "a": "1", "b": "2", "E": us, "T": us, "t": number}
    return hand.data(event(TOPIC, e="trade", s=SYMBOL, **members), conn=conn)


class Model:
    """Every id that has not come, gap by gap."""

    def __init__(self) -> None:
        self.newest: Seen | None = None
        self.gaps: list[Wanted] = []
        self.repeats = 0

    def take(self, seq: int, number: int, conn: int) -> list[tuple[object, ...]]:
        """What a trade should say: its id, and what of gaps."""
        newest = self.newest
        if newest is None or number > newest.id:
            self.newest = Seen(seq, number, conn)
            if newest is None or number == newest.id + 1:
                return [(number,)]
            cause = "trade_ids" if conn == newest.conn else "disconnect"
            ids = set(range(newest.id + 1, number))
            self.gaps.append(Wanted(newest.seq, newest.id + 1, number, cause, ids))
            return [self._said(self.gaps[-1], "open", len(ids)), (number,)]
        for gap in self.gaps:
            if number in gap.ids:
                gap.ids.remove(number)
                count = gap.received - gap.expected
                return [(number,), *([] if gap.ids else [self._said(gap, "healed", count)])]
        self.repeats += 1
        return []

    def _said(self, gap: Wanted, state: str, missing: int) -> tuple[object, ...]:
        return state, gap.cause, gap.since, gap.expected, gap.received, missing


def said(rows: list[Row]) -> list[tuple[object, ...]]:
    """The same of rows."""
    result: list[tuple[object, ...]] = []
    for row in rows:
        if isinstance(row, Trade):
            result.append((row.trade_id,))
        if isinstance(row, Gap):
            assert row.topic == TOPIC
            ids = row.expected_id, row.received_id, row.missing
            result.append((row.state, row.cause, row.since_seq, *ids))
    return result


_ID = st.tuples(st.integers(1, 40), st.sampled_from([1, 1, 1, 2]), st.integers(0, 9).map(bool))


@settings(max_examples=300, deadline=None)
@given(st.lists(_ID, max_size=60))
def test_each_trade_makes_one_row_in_whatever_order_they_come(
    arrivals: list[tuple[int, int, bool]],
) -> None:
    """On either connection, in any segment; and a gap is healed by the last of its ids."""
    hand, model = Hand(), Model()
    for number, conn, stays in arrivals:
        if not stays:
            repeats, hand = hand.engine.repeats, rolled(hand)
            assert hand.engine.repeats == repeats
        expected = model.take(hand.stamper.seq + 1, number, conn)
        assert said(trade(hand, number, conn=conn)) == expected
    assert hand.engine.repeats == model.repeats


def test_a_healed_gap_lasted_until_the_frame_that_completed_it() -> None:
    """By all clocks, from the last trade before it."""
    hand = Hand()
    trade(hand, 5, 10)
    trade(hand, 8, 40)
    trade(hand, 7, 30)
    late, healed = trade(hand, 6, 20)
    assert isinstance(late, Trade)
    assert isinstance(healed, Gap)
    assert (healed.seq, healed.since_seq, healed.resync_id) == (4, 1, None)
    assert (healed.ts_since, healed.ts_until) == (START_NS + STEP_NS, START_NS + 4 * STEP_NS)
    assert (healed.ts_engine_since, healed.ts_engine_until) == (10_000, 20_000)
    assert healed.lasted_ns == MONO_NS + 4 * STEP_NS - (MONO_NS + STEP_NS)
    assert said(trade(hand, 9, 50)) == [(9,)]


def test_trades_that_were_lost_may_come_again() -> None:
    """From another connection, as it were."""
    hand = Hand()
    trade(hand, 5)
    hand.noted(Kind.LOSS, to_json(FramesLost("memory", 1, 100, True)))
    assert said(trade(hand, 7)) == [("open", "loss", 1, 6, 7, 1), (7,)]
    assert said(trade(hand, 6)) == [(6,), ("healed", "loss", 1, 6, 7, 1)]


def test_what_was_missing_before_the_ids_went_back_is_not_looked_for() -> None:
    """The same ids are other trades."""
    hand = Hand()
    trade(hand, 50)
    trade(hand, 60)
    back = trade(hand, 10, 2 * SECOND_US)
    assert [row.TABLE for row in back] == ["gap", "trade"]
    assert said(trade(hand, 55, 2 * SECOND_US)) == [
        ("open", "trade_ids", 3, 11, 55, 44),
        (55,),
    ]
    assert said(trade(hand, 54, 2 * SECOND_US)) == [(54,)]


@pytest.mark.parametrize("gaps", [RANGES_LIMIT, RANGES_LIMIT + 1])
def test_the_oldest_of_many_gaps_stays_open(gaps: int) -> None:
    """What is remembered is bounded."""
    hand = Hand()
    for number in range(0, 2 * gaps + 1, 2):
        trade(hand, number)
    kept = gaps == RANGES_LIMIT
    assert [row.TABLE for row in trade(hand, 1)] == (["trade", "gap"] if kept else [])
    assert [row.TABLE for row in trade(hand, 3)] == ["trade", "gap"]


def test_a_gap_of_which_a_part_was_given_up_does_not_heal() -> None:
    """Nobody knows whether that part has come."""
    hand = Hand()
    trade(hand, 0)
    last = 2 * RANGES_LIMIT + 2
    trade(hand, last)
    for number in range(2, last, 2):  # leaves one odd id after another
        assert said(trade(hand, number)) == [(number,)]
    rows = [row for number in range(1, last, 2) for row in trade(hand, number)]
    assert {row.TABLE for row in rows} == {"trade"}
    assert len(rows) == RANGES_LIMIT
