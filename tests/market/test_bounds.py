"""What a venue may make up without bounds: none of it fills memory, keyframes or manifests."""

import json

import pytest

from market.engine import Engine
from market.lanes import LANE_LIMIT, LARGEST_STATE, LONGEST_NAME
from market.markets import MARKETS_LIMIT
from market.orders import FILLS_KEPT, OVER_KEPT, RESTING_KEPT, STRETCHES_KEPT
from market.unknown import NAMELESS, NAMES_LIMIT
from schemas.frames import Frame, Kind
from schemas.requests import MARKETS_PATH
from schemas.rows import Reject, Row
from tests.market.hand import SYMBOL, Hand
from tests.market.stamps import Stamper, event
from tests.market.test_rolls import head

ORDERS = "account.orderUpdate"
PLAIN = {"s": SYMBOL, "E": 1, "S": "Bid", "X": "New", "z": "0", "Z": "0"}


def fed(*payloads: str, engine: Engine | None = None) -> list[Row]:
    """Rows of messages."""
    stamper, engine = Stamper(), engine or Engine()
    return [row for payload in payloads for row in engine.feed(stamper.data(payload))]


@pytest.mark.parametrize("member", ["i", "S", "X", "o", "f", "B", "Y", "R", "N", "V", "O", "I"])
def test_a_text_of_an_order_is_bounded(member: str) -> None:
    """Thousands of orders are kept: with long texts their keyframe did not fit into a journal."""
    members = PLAIN | {"i": "1", "T": 1}
    rows = fed(event(ORDERS, e="orderAccepted", **members | {member: "1" * 129}))
    assert [row.reason for row in rows if isinstance(row, Reject)] in (["bad_field"], ["inexact"])
    (row,) = fed(event(ORDERS, e="orderAccepted", **members | {member: "1" * 64}))
    assert row.TABLE == "order"


@pytest.mark.parametrize(
    ("stream", "members"),
    [
        ("trade", {"e": "trade", "T": 1, "t": 1, "p": "1", "q": "1", "m": True, "a": "1" * 129}),
        ("liquidation", {"e": "liquidation", "p": "1", "q": "1", "S": "x" * 65}),
        ("stockPrice", {"e": "stockPrice", "session": "x" * 65}),
        ("account.rfqUpdate", {"e": "rfqActive", "R": 1, "C": "x" * 129}),
        ("account.rfqUpdate", {"e": "rfqActive", "R": 1, "X": "x" * 65}),
    ],
)
def test_so_is_one_of_another_stream(stream: str, members: dict[str, object]) -> None:
    rows = fed(event(f"{stream}.{SYMBOL}", s=SYMBOL, E=1, **members))
    assert [row.reason for row in rows if isinstance(row, Reject)] == ["bad_field"]


def test_the_largest_keyframe_of_orders_fits() -> None:
    """Of words that take the most room in JSON, and every order with all its stretches."""
    engine, long = Engine(), "\x01" * 64
    words = dict.fromkeys(("S", "X", "o", "f", "B", "d", "g", "R", "N", "V", "O"), long)
    names = {"i": "\x01" * 128, "I": "\x01" * 128}
    fed(event(ORDERS, e="orderFill", **PLAIN | words | names, l="1"), engine=engine)
    ((_, state),) = [found for found in engine.keyframes() if found[0] == ORDERS]
    stretches = STRETCHES_KEPT * len("[999999999999999999,999999999999999999],")
    each = len(state) // 2 + stretches  # the order is in there, and its fill
    assert each * (RESTING_KEPT + OVER_KEPT + FILLS_KEPT) < LARGEST_STATE


def test_a_stream_with_a_longer_name_than_any_is_unknown() -> None:
    engine = Engine()
    name = f"{ORDERS}.{'X' * (LONGEST_NAME - len(ORDERS) - 1)}"
    message = {"e": "orderAccepted", "i": "1", **PLAIN}
    fed(event(name, **message), event(f"{name}X", **message), engine=engine)
    assert engine.streams == [name]
    assert engine.unknown == {ORDERS: 1}


def test_unknown_names_are_counted_one_by_one_only_so_far() -> None:
    engine = Engine()
    names = [f"made-up-{number}" for number in range(NAMES_LIMIT + 10)]
    fed(*(event(f"{name}.X") for name in [*names, names[0]]), engine=engine)
    assert len(engine.unknown) == NAMES_LIMIT + 1
    assert (engine.unknown[NAMELESS], engine.unknown[names[0]]) == (10, 2)


def test_streams_beyond_the_limit_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LANE_LIMIT == 20_000
    monkeypatch.setattr("market.lanes.LANE_LIMIT", 3)
    engine = Engine()
    message = {"e": "orderAccepted", "i": "1", **PLAIN}
    fed(*(event(f"{ORDERS}.{number}", **message) for number in range(5)), engine=engine)
    assert len(engine.streams) == 3
    assert engine.unknown == {ORDERS: 2}


def test_a_list_of_too_many_markets_changes_nothing() -> None:
    """Its keyframe would be four times its size."""
    engine, stamper = Engine(), Stamper()

    def listed(count: int) -> list[Row]:
        body = json.dumps([{"symbol": str(number)} for number in range(count)]).encode()
        return engine.feed(stamper.frame(Kind.REPLY, body, topic=MARKETS_PATH))

    assert len([row for row in listed(MARKETS_LIMIT) if row.TABLE == "market"]) == MARKETS_LIMIT
    rows = listed(MARKETS_LIMIT + 1)
    assert [row.reason for row in rows if isinstance(row, Reject)] == ["bad_reply"]
    assert all(row.TABLE != "market" for row in rows)


def test_a_book_too_large_for_a_keyframe_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is forgotten where the segment ends, by the engine that goes on as by a fresh one; the
    next delta asks for a snapshot."""
    hand = Hand()
    hand.subscribe()
    hand.join(10, bids=[("1", "1")])
    hand.delta(11, bids=[("1", "2")])
    assert hand.id == 11
    monkeypatch.setattr("market.lanes.LARGEST_STATE", 10)
    begin: list[Frame] = head(hand.engine, hand.stamper.frame(Kind.DATA))
    fresh = Hand()
    fresh.stamper.seq = hand.stamper.seq
    for one in (hand, fresh):
        for frame in begin:
            one.engine.feed(frame)
        one.wanted()
        one.delta(12, bids=[("1", "3")])
        assert one.id is None
        assert one.wanted()
        one.join(12, bids=[("1", "3")])
        assert one.id == 12
    assert hand.engine.digest() == fresh.engine.digest()
