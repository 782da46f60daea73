"""Ways in which a book could be called live and be wrong, or a loss go without a row."""

from collections.abc import Callable

import pytest

from market.engine import Engine
from schemas.frames import Frame, Kind
from schemas.rows import Gap, Reject, Row, Trade
from tests.market.hand import SYMBOL, Hand
from tests.market.stamps import event


def gaps(rows: list[Row]) -> list[tuple[str, int | None, int | None, int | None]]:
    """What the gap rows among these say."""
    return [
        (row.cause, row.expected_id, row.received_id, row.missing)
        for row in rows
        if isinstance(row, Gap)
    ]


def rejects(rows: list[Row]) -> list[str]:
    """Reasons of the reject rows among these."""
    return [row.reason for row in rows if isinstance(row, Reject)]


@pytest.fixture
def hand() -> Hand:
    """Subscribed, one delta received."""
    hand = Hand()
    hand.subscribe()
    hand.delta(100)
    return hand


def test_a_late_reply_of_the_old_connection_does_not_join(hand: Hand) -> None:
    """It is older than the subscription, however quiet the market."""
    hand.ask()
    hand.close()
    hand.subscribe(conn=2)
    hand.ask()
    hand.reply(100)
    assert hand.id is None
    hand.reply(150)
    assert hand.id == 150


def test_a_snapshot_on_its_way_past_an_unreadable_frame_does_not_join(hand: Hand) -> None:
    """Nobody knows whether it holds what was in the frame; the next one does."""
    hand.ask()
    assert rejects(hand.delta(101, bids=[("1.00000000001", "1")])) == ["inexact"]
    hand.reply(100)
    assert hand.id is None
    assert hand.wanted()
    hand.join(101)
    assert hand.id == 101


def test_ids_missed_over_an_outage_are_told_though_a_snapshot_joined_first(hand: Hand) -> None:
    """The first delta after it shows which."""
    hand.join(100)
    hand.close()
    hand.subscribe(conn=2)
    assert gaps(hand.join(150)) == []
    assert gaps(hand.delta(151, conn=2)) == [("disconnect", 101, 151, 50)]
    assert hand.id == 151
    assert gaps(hand.delta(152, conn=2)) == []


def test_deltas_on_their_way_when_a_snapshot_joined_were_not_missed(hand: Hand) -> None:
    """The snapshot ran ahead of the socket: 149 comes late, so 101 to 148 are what is missing."""
    hand.join(100)
    hand.close()
    hand.subscribe(conn=2)
    hand.join(150)
    assert gaps(hand.delta(149, conn=2)) == [("disconnect", 101, 149, 48)]
    assert gaps(hand.delta(150, conn=2)) == []
    assert gaps(hand.delta(151, conn=2)) == []
    assert hand.id == 151


@pytest.mark.parametrize(
    "spoil",
    [
        lambda hand: hand.delta(101, 50),
        lambda hand: hand.delta(101, bids=[("99", "-5")]),
        lambda hand: hand.delta(101, asks=[("-99", "5")]),
    ],
    ids=["ids backwards", "negative quantity", "negative price"],
)
def test_nonsense_costs_the_book(hand: Hand, spoil: Callable[[Hand], list[Row]]) -> None:
    """Rather than getting into it."""
    hand.join(100)
    assert hand.id == 100
    assert rejects(spoil(hand)) == ["inexact"]
    assert hand.id is None


def test_trades_missed_over_an_outage_say_so() -> None:
    """As depth does."""
    hand = Hand()

    def trade(number: int, conn: int) -> list[Row]:
        members = {"p": "1", "q": "1", "m": True, "a": "1", "b": "2", "E": 5, "T": 5, "t": number}
        topic = f"trade.{SYMBOL}"
        return hand.data(event(topic, e="trade", s=SYMBOL, **members), conn=conn)

    assert gaps(trade(1, 1)) == []
    assert gaps(trade(3, 1)) == [("trade_ids", 2, 3, 1)]
    assert gaps(trade(50, 2)) == [("disconnect", 4, 50, 46)]
    assert isinstance(trade(51, 2)[0], Trade)


def test_repeats_are_counted(hand: Hand) -> None:
    """Nothing else shows that a frame was ignored."""
    hand.join(100)
    hand.delta(101)
    hand.delta(101)
    assert hand.engine.repeats == 1


@pytest.mark.parametrize("depth", [3, 60, 300, 900, 980, 5_000])
def test_how_deep_a_frame_may_nest_does_not_depend_on_the_stack(depth: int) -> None:
    """The same bytes are the same rows, however deep the program stands when it reads them."""
    nested = "[" * depth + "]" * depth
    text = event(f"ticker.{SYMBOL}", e="ticker", s=SYMBOL, E=5).replace(
        '"E":', f'"x": {nested}, "E":'
    )
    frame = Frame(1, 1, 1, 1, Kind.DATA, "", text.encode())
    here = Engine().feed(frame)

    def deeper(calls: int) -> list[Row]:
        return deeper(calls - 1) if calls else Engine().feed(frame)

    assert [deeper(calls) for calls in (20, 100, 300)] == [here] * 3
    assert len(here) == 1


@pytest.mark.parametrize("name", ["trade", "depth", "ticker."])
def test_a_stream_about_no_market_is_unknown(name: str) -> None:
    """Except for liquidations."""
    hand = Hand()
    assert hand.data(f'{{"data": {{}}, "stream": "{name}"}}') == []
    assert sum(hand.engine.unknown.values()) == 1
