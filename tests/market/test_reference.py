"""The 23 places where the reference goes wrong (protocol section 8), each as what we do instead.

Those that are about the engine; what is about the recorder is in tests/recorder/test_reference.py.
The numbers are those of the section; docs/ccxt.md tells of them.
"""

import json
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from market.sync import IDLE_LIMIT
from schemas.account_rows import Order, Position
from schemas.rows import (
    BookTicker,
    Gap,
    Kline,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Row,
    Session,
    Ticker,
    Trade,
)
from tests.market.hand import START_US, SYMBOL, Hand, actions
from tests.market.stamps import event

R = TypeVar("R", bound=Row)

AT_NS = START_US * 1_000


def only(kind: type[R], rows: list[Row]) -> R:
    """The one row there is, which is of this kind."""
    assert [type(row) for row in rows] == [kind]
    (row,) = rows
    assert isinstance(row, kind)
    return row


def hear(hand: Hand, stream: str, **members: Any) -> list[Row]:
    """An event a tenth of a second after the start, emitted 200 us after the engine made it."""
    return hand.data(event(stream, **({"E": START_US + 200, "T": START_US, "s": SYMBOL} | members)))


def trade(hand: Hand, trade_id: int, **members: Any) -> list[Row]:
    """A trade."""
    whole = {"t": trade_id, "p": "98.98", "q": "5.14", "m": False, "a": "11", "b": "22"} | members
    return hear(hand, f"trade.{SYMBOL}", e="trade", **whole)


def order(hand: Hand, e: str, **members: Any) -> Order:
    """An event of our order."""
    whole = {"i": "7", "S": "Bid", "q": "3", "p": "98.98", "X": "New", "z": "0", "Z": "0"} | members
    return only(Order, hear(hand, "account.orderUpdate", e=e, **whole))


@pytest.fixture
def live() -> Hand:
    """A live book at id 10."""
    hand = Hand()
    hand.subscribe()
    hand.join(10, bids=[("98.90", "1.00")], asks=[("99.10", "2.00")])
    assert hand.id == 10
    return hand


def test_01_a_delta_over_a_gap_is_not_applied(live: Hand) -> None:
    rows = live.delta(12, bids=[("98.91", "4.00")])
    assert [(r.expected_id, r.received_id) for r in rows if isinstance(r, Gap)] == [(11, 12)]
    assert live.id is None
    assert live.wanted(), "nobody asks for a new snapshot"


def test_02_an_id_that_was_applied_is_no_update(live: Hand) -> None:
    assert live.delta(11, bids=[("98.91", "4.00")])
    assert live.delta(11, bids=[("98.91", "4.00")]) == []
    assert (live.id, live.engine.repeats) == (11, 1)


def test_03_a_new_connection_begins_every_book_anew(live: Hand) -> None:
    """Even if its first frame happens to continue what was known."""
    assert actions(live.close()) == [("clear", None, None)]
    live.subscribe(conn=2)
    assert actions(live.delta(11, bids=[("98.91", "4.00")], conn=2)) == []
    assert live.engine.book(SYMBOL) is None
    assert actions(live.join(11, bids=[("98.91", "4.00")]))[0][0] == "clear"
    assert (live.id, live.bids) == (11, [("98.91", "4")])


def test_04_a_quiet_market_gets_its_book_and_the_buffer_is_bounded() -> None:
    hand = Hand()
    hand.subscribe()
    assert hand.wanted() == [2_000], "a snapshot is wanted although nothing was heard"
    hand.delta(1)
    assert hand.wanted() == [0], "the first delta makes it urgent"
    for update_id in range(2, IDLE_LIMIT + 100):
        hand.delta(update_id)
    assert hand.wanted() == [], "one request is enough"
    hand.ask()
    hand.fail(503)
    assert hand.wanted(), "it failed: another one"
    hand.join(50, bids=[("98.90", "1.00")])  # what was to follow is not kept any more
    assert hand.id is None
    hand.join(IDLE_LIMIT + 50, bids=[("98.90", "1.00")])
    assert hand.id == IDLE_LIMIT + 99


def test_05_what_is_kept_must_chain_and_meet_the_snapshot() -> None:
    hand = Hand()
    hand.subscribe()
    hand.delta(20)
    hand.delta(22)  # 21 is missing
    hand.join(19, bids=[("98.90", "1.00")])
    assert hand.id is None
    hand.join(21, bids=[("98.90", "1.00")])
    assert hand.id == 22


def test_06_snapshots_that_are_too_old_grow_apart() -> None:
    hand = Hand()
    hand.subscribe()
    hand.delta(100)
    hand.wanted()
    delays = []
    for _ in range(9):
        hand.ask()
        hand.reply(50)
        delays += hand.wanted()
    assert delays == sorted(delays)
    assert delays[0] >= 500
    assert delays[-1] == 60_000, "and are never given up"


def test_08_numbers_are_exact(live: Hand) -> None:
    """Both spellings of a price are one level; 1e-9 ticks and rates of 28 decimals are kept."""
    live.delta(11, bids=[("98.9", "0.00")], asks=[("99.1", "0.000001"), ("0.000000001", "1")])
    assert (live.bids, live.asks[0]) == ([], ("0.000000001", "1"))
    assert live.asks[1] == ("99.1", "0.000001")
    rate = "-0.0019226427158784468464417899"
    members = {"e": "markPrice", "s": "X_PERP", "p": "1.00000001", "f": rate, "i": "1"}
    row = only(MarkPrice, hear(live, "markPrice.X_PERP", **members, n=1_790_136_000_000))
    assert row.funding_rate == Decimal(rate)
    assert row.mark_price == 1_000_000_010


def test_09_times_are_whole_and_of_each_clock() -> None:
    row = only(Trade, trade(Hand(), 1, E=START_US + 345, T=START_US + 1))
    assert (row.ts_event, row.ts_engine) == (AT_NS + 345_000, AT_NS + 1_000)
    assert row.ts_recv not in (row.ts_event, row.ts_engine)


def test_10_a_quote_keeps_its_id_and_may_lack_a_side() -> None:
    row = only(BookTicker, Hand().quote(77, None, ("99.10", "2.00")))
    assert row.update_id == 77
    assert (row.bid_price, row.bid_qty) == (None, None)
    assert (row.ask_price, row.ask_qty) == (99_100_000_000, 2_000_000)


KLINE = {"e": "kline", "t": "2026-09-02T16:43:00", "T": "2026-09-02T16:44:00", "n": 0, "X": True}
NO_TRADES: dict[str, Any] = {"o": None, "h": None, "l": None, "c": None, "v": None}


def test_11_a_candle_is_named_by_its_beginning() -> None:
    row = only(Kline, hear(Hand(), f"kline.1m.{SYMBOL}", **(KLINE | NO_TRADES)))
    assert row.ts_open == 1_788_367_380 * 1_000_000_000  # 16:43:00 UTC
    assert row.ts_close - row.ts_open == 60 * 1_000_000_000
    assert row.interval == "1m"


def test_12_a_candle_says_whether_it_is_final_and_has_nulls_if_nothing_traded() -> None:
    hand = Hand()
    empty = only(Kline, hear(hand, f"kline.1m.{SYMBOL}", **(KLINE | NO_TRADES)))
    assert empty.closed
    assert (empty.open, empty.close, empty.volume) == (None, None, None)
    prices = {"o": "98.98", "h": "99", "l": "98.98", "c": "98.99", "v": "5.14", "n": 2, "X": False}
    traded = only(Kline, hear(hand, f"kline.1m.{SYMBOL}", **(KLINE | prices)))
    assert not traded.closed
    assert (traded.open, traded.trades) == (98_980_000_000, 2)


@pytest.mark.parametrize(("buyer_is_maker", "side"), [(True, "sell"), (False, "buy")])
def test_13_the_side_of_a_trade_is_the_aggressors(buyer_is_maker: bool, side: str) -> None:
    assert only(Trade, trade(Hand(), 1, m=buyer_is_maker)).side == side


def test_14_a_trade_keeps_both_orders_and_a_missing_id_is_a_gap() -> None:
    hand = Hand()
    row = only(Trade, trade(hand, 1, b="22", a="11"))
    assert (row.buyer_order_id, row.seller_order_id) == ("22", "11")
    gap = trade(hand, 4)[0]
    assert isinstance(gap, Gap)
    assert (gap.expected_id, gap.received_id, gap.missing) == (2, 4, 2)


def test_15_a_fill_is_one_thing_and_what_is_filled_another() -> None:
    members = {"l": "1", "L": "98.97", "z": "2.5", "Z": "247.45", "X": "PartiallyFilled"}
    more = {"n": "-0.01", "N": "USDC", "t": 12, "m": True, "O": "USER", "R": "x", "P": "97"}
    row = order(Hand(), "orderFill", **members, **more)
    assert (row.executed_qty, row.executed_quote_qty) == (2_500_000, Decimal("247.45"))
    assert (row.fill_qty, row.fill_price) == (1_000_000, 98_970_000_000)
    assert (row.fee, row.fee_asset, row.trade_id, row.maker) == (Decimal("-0.01"), "USDC", 12, True)
    assert (row.origin, row.expiry_reason, row.trigger_price) == ("USER", "x", 97_000_000_000)


POSITION = {"q": "0.001", "Q": "0.005", "l": "0", "B": "4236.36", "b": "4238.4", "i": 5, "M": "1"}


@pytest.mark.parametrize("several", [False, True])
def test_16_a_position_that_was_there_before_has_no_event(several: bool) -> None:
    members = POSITION | {"E": START_US, "s": "ETH_USDC_PERP"}
    data = [members] if several else members
    text = json.dumps({"data": data, "stream": "account.positionUpdate"})
    row = only(Position, Hand().data(text))
    assert (row.symbol, row.event, row.net_qty) == ("ETH_USDC_PERP", None, 1_000)


def test_17_the_size_of_a_position_leaves_open_orders_out() -> None:
    stream = "account.positionUpdate"
    row = only(Position, hear(Hand(), stream, e="positionOpened", **POSITION))
    assert (row.net_qty, row.exposure_qty) == (1_000, 5_000)
    assert "liquidation" not in " ".join(row.__struct_fields__)
    closed = only(Position, hear(Hand(), stream, e="positionClosed", **(POSITION | {"q": "0"})))
    assert closed.net_qty == 0


def test_18_every_stream_has_rows_and_the_unknown_is_counted(live: Hand) -> None:
    interest = {"e": "openInterest", "s": "SOL_USDC_PERP", "o": "9"}
    assert only(OpenInterest, hear(live, "openInterest.SOL_USDC_PERP", **interest))
    sold = {"e": "liquidation", "p": "98", "q": "1", "S": "Bid"}
    assert only(Liquidation, hear(live, "liquidation", **sold))
    assert live.data(event("novelty.SOL_USDC", e="novelty", x=1)) == []
    assert hear(live, f"ticker.{SYMBOL}", e="tickerOfTomorrow") == []
    assert dict(live.engine.unknown) == {"novelty": 1, "ticker/tickerOfTomorrow": 1}
    throttled = Hand(f"depth.200ms.{SYMBOL}")
    throttled.subscribe()
    throttled.join(10, bids=[("98.90", "1.00")])
    throttled.delta(11, 15, bids=[("98.91", "1.00")])
    assert (throttled.id, throttled.bids[0]) == (15, ("98.91", "1"))


def test_19_an_error_reply_costs_nobody_anything(live: Hand) -> None:
    text = '{"id":null,"error":{"code":4006,"message":"Invalid stream"}}'
    row = only(Session, live.data(text))
    assert (row.event, row.detail) == ("error", text)
    assert live.delta(11, bids=[("98.91", "4.00")])
    assert live.id == 11


def test_21_a_market_nobody_knows_is_recorded_like_any_other() -> None:
    symbol = "NEWEST.US_USDC_PERP"
    row = only(Trade, trade_of(Hand(), symbol))
    assert (row.symbol, row.trade_id) == (symbol, 1)


def trade_of(hand: Hand, symbol: str) -> list[Row]:
    """A trade of some market."""
    members = {"t": 1, "p": "1", "q": "1", "m": True, "s": symbol}
    return hear(hand, f"trade.{symbol}", e="trade", **members)


def test_22_times_are_numbers_and_a_ticker_is_a_ticker() -> None:
    """Written as texts, as in the samples that mislead, they are the same."""
    hand = Hand()
    rows = [
        only(Ticker, hear(hand, f"ticker.{SYMBOL}", e="ticker", c="98.98", E=time))
        for time in (START_US, str(START_US))
    ]
    assert [row.ts_event for row in rows] == [AT_NS, AT_NS]
    assert hear(hand, f"ticker.{SYMBOL}", e="bookTicker", c="98.98") == []
    assert hand.engine.unknown["ticker/bookTicker"] == 1
