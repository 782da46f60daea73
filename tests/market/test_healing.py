"""Trades that are asked for by REST: of replies that are right, late, wrong or useless."""

import json
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.healing import TRIES
from schemas.frames import Kind, RequestFailed, to_json
from schemas.requests import DEEPEST, LARGEST_PAGE, TradesRequest, rest_symbol, trades_symbol
from schemas.rows import Gap, Reject, Row, Trade
from tests.market.hand import SYMBOL, Hand
from tests.market.stamps import trades_path
from tests.market.test_rolls import rolled
from tests.market.test_trades import TOPIC, said, trade

PATH = trades_path(SYMBOL, 100)
SECOND_NS = 1_000_000_000


def reply(hand: Hand, *ids: int, **members: object) -> list[Row]:
    """REST says that these trades were made; ``members`` are otherwise than usual."""
    usual = {"price": "1", "quantity": "1.0", "isBuyerMaker": True, "timestamp": 1}
    found = [usual | {"id": number} | members for number in sorted(ids, reverse=True)]
    return heard(hand, Kind.REPLY, json.dumps(found).encode())


def heard(hand: Hand, kind: Kind, payload: bytes) -> list[Row]:
    """Rows of the answer to a request, but for that of the session."""
    rows = hand.engine.feed(hand.stamper.frame(kind, payload, topic=PATH))
    return [row for row in rows if row.TABLE != "session"]


def asked(hand: Hand) -> list[tuple[int, int, int]]:
    """First and last id and delay in ms of what is asked for since the last call."""
    found = hand.engine.take_requests()
    assert all(isinstance(request, TradesRequest) for request in found)
    return [(r.first_id, r.last_id, r.delay_ns // 10**6) for r in found if len(r) == 4]


def ids(rows: Iterable[Row]) -> list[int]:
    """Of trades."""
    return [row.trade_id for row in rows if isinstance(row, Trade)]


def states(rows: Iterable[Row]) -> list[str]:
    """Of gaps."""
    return [row.state for row in rows if isinstance(row, Gap)]


def test_a_gap_is_asked_for_and_healed() -> None:
    """By a row for each trade, which says where it is from and knows nothing of orders."""
    hand = Hand()
    trade(hand, 5, 1_000)
    trade(hand, 8, 3_000)
    assert asked(hand) == [(6, 7, 500)]
    six, seven, gap = reply(hand, *range(4, 10), timestamp=2)
    assert isinstance(six, Trade)
    assert (six.seq, six.symbol, six.trade_id, six.ts_event, six.ts_engine) == (
        *(3, SYMBOL, 6, None, 2_000_000),
    )
    assert (six.price, six.qty, six.side) == (10**9, 10**6, "sell")
    assert (six.buyer_order_id, six.seller_order_id, six.source) == (None, None, "rest")
    assert ids([seven]) == [7]
    assert said([gap]) == [("healed", "trade_ids", 1, 6, 8, 2)]
    assert asked(hand) == []
    assert ids(hand.engine.state.trades(SYMBOL)) == [5, 6, 7, 8]
    assert reply(hand, *range(4, 10), timestamp=2) == []


def test_the_rest_of_a_gap_is_asked_for_at_once() -> None:
    """As a page has no more than a thousand."""
    hand = Hand()
    trade(hand, 0)
    trade(hand, 3_000)
    assert asked(hand) == [(1, 2_999, 500)]
    assert len(reply(hand, *range(951))) == 950
    assert asked(hand) == [(951, 2_999, 0)]


def test_it_is_given_up_after_some_tries() -> None:
    """Each later than the one before. It stays open, the next one is asked for, and what comes
    late by the stream is taken all the same."""
    hand = Hand()
    for number in (5, 7, 9):
        trade(hand, number)
    waits = []
    for _ in range(TRIES):
        ((first, last, wait),) = asked(hand)
        assert (first, last) == (6, 6)
        waits.append(wait)
        assert reply(hand, 9, 7, 5) == []
    assert waits == [500, 5_000, 10_000, 20_000, 40_000]
    assert asked(hand) == [(8, 8, 500)]
    assert ids(reply(hand, 8)) == [8]
    assert asked(hand) == []
    assert states(trade(hand, 6)) == ["healed"]


@pytest.mark.parametrize(
    ("kind", "payload", "rejects", "wait"),
    [
        (Kind.FAILED, to_json(RequestFailed(0, "cut", "")), 0, 5_000),
        (Kind.FAILED, to_json(RequestFailed(400, "Bad Request", "")), 0, 60_000),
        (Kind.REPLY, b"<html>", 1, 5_000),
        (Kind.REPLY, b'[{"id":6}]', 1, 5_000),
        (Kind.REPLY, b"[" * 100_000, 1, 5_000),
        (Kind.REPLY, b"[]", 0, 5_000),
    ],
)
def test_no_answer_is_a_try(kind: Kind, payload: bytes, rejects: int, wait: int) -> None:
    """What cannot be read is doubt."""
    hand = Hand()
    trade(hand, 5)
    trade(hand, 7)
    asked(hand)
    rows = heard(hand, kind, payload)
    assert [row.reason for row in rows if isinstance(row, Reject)] == ["bad_reply"] * rejects
    assert asked(hand) == [(6, 6, wait)]


@pytest.mark.parametrize(
    "members", [{"price": "2"}, {"quantity": "2"}, {"isBuyerMaker": False}], ids=str
)
def test_rest_is_not_believed_over_the_stream(members: dict[str, object]) -> None:
    """Whichever of them speaks first."""
    hand = Hand()
    trade(hand, 5)
    trade(hand, 7)
    (doubt,) = reply(hand, 5, **members)
    assert isinstance(doubt, Reject)
    assert (doubt.reason, doubt.topic) == ("bad_reply", TOPIC)
    assert [row.TABLE for row in reply(hand, 6, **members)] == ["trade", "gap"]
    (late,) = trade(hand, 6)
    assert isinstance(late, Reject)
    assert reply(hand, 7) == trade(hand, 5) == []


def test_what_is_of_another_numbering_is_not_taken() -> None:
    """The ids are missing, and are those of trades long before."""
    hand = Hand()
    trade(hand, 5, 5_000_000)
    trade(hand, 7, 5_000_001)
    (doubt,) = reply(hand, 6, timestamp=3_999)
    assert isinstance(doubt, Reject)
    assert ids(reply(hand, 6, timestamp=4_001)) == [6]


def test_a_number_that_does_not_fit_stays_missing() -> None:
    hand = Hand()
    trade(hand, 5)
    trade(hand, 8)
    rows = reply(hand, 6, price="0.0000000001") + reply(hand, 7)
    assert [row.TABLE for row in rows] == ["reject", "trade"]
    assert states(trade(hand, 6)) == ["healed"]


def test_what_is_out_of_reach_is_not_asked_for() -> None:
    """REST has the newest ten thousand."""
    hand = Hand()
    trade(hand, 0)
    trade(hand, DEEPEST + 10)
    assert asked(hand) == [(11, DEEPEST + 9, 500)]
    trade(hand, 3 * DEEPEST)
    assert asked(hand) == []
    reply(hand, DEEPEST + 9)
    assert asked(hand) == [(2 * DEEPEST + 1, 3 * DEEPEST - 1, 0)]


def test_nothing_is_asked_for_when_nobody_wants_it() -> None:
    hand = Hand()
    trade(hand, 5)
    trade(hand, 7)
    sent = json.dumps({"method": "UNSUBSCRIBE", "params": [TOPIC]}).encode()
    hand.noted(Kind.SENT, sent, conn=1)
    asked(hand)
    assert reply(hand, 6) == []
    assert asked(hand) == []


_MOVES = st.one_of(
    st.tuples(st.just("stream"), st.integers(1, 60)),
    st.tuples(st.just("rest"), st.sets(st.integers(1, 60), max_size=20)),
    st.tuples(st.just("fail"), st.none()),
    st.tuples(st.just("roll"), st.none()),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_MOVES, max_size=40))
def test_each_trade_makes_one_row_wherever_it_comes_from(
    moves: Sequence[tuple[str, int | set[int] | None]],
) -> None:
    """REST adds what is between the first trade and the newest and has not come, and nothing else;
    a gap is healed with its last trade, whoever brings it; in any segment."""
    hand = Hand()
    first = newest = 0
    have: set[int] = set()
    gaps: list[set[int]] = []
    for what, which in moves:
        rows: list[Row] = []
        new: set[int] = set()
        if what == "stream" and isinstance(which, int):
            rows = trade(hand, which)
            first = first or which
            if which > newest:
                gaps += [set(range(newest + 1, which))] if have and which > newest + 1 else []
                newest = which
            new = {which} - have if which >= first else set()
        elif what == "rest" and isinstance(which, set):
            rows = reply(hand, *which)
            new = {number for number in which if first < number < newest} - have
        elif what == "fail":
            assert heard(hand, Kind.FAILED, to_json(RequestFailed(0, "", ""))) == []
        else:
            hand = rolled(hand)
        assert sorted(ids(rows)) == sorted(new)
        assert not [row for row in rows if isinstance(row, Reject)]
        have |= new
        over = [gap for gap in gaps if gap and gap <= have and gap & new]
        assert states(rows).count("healed") == len(over)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 12_000), st.integers(0, 12_000), st.integers(0, 2_000), st.integers(-50, 49))
def test_a_page_has_what_is_asked_for(back: int, size: int, first: int, ahead: int) -> None:
    """Counted from the newest trade back, which may be some ahead of, or behind, the newest we
    know; or the oldest that can be had."""
    last = first + size
    newest = last + back
    path = TradesRequest("A.US_USDC", first, last, 0).path(newest)
    assert trades_symbol(path) == rest_symbol(path) == "A.US_USDC"
    query = dict(part.split("=") for part in path.partition("?")[2].split("&"))
    limit, offset = int(query["limit"]), int(query.get("offset", 0))
    assert 1 <= limit <= LARGEST_PAGE
    assert limit + offset <= DEEPEST
    assert ("/history?" in path) == (offset > 0)
    listed = range(newest + ahead - offset, newest + ahead - offset - limit, -1)
    if newest - first < DEEPEST - 100:
        assert min(first, newest + ahead) in listed
        assert size > LARGEST_PAGE - 101 or min(last, newest + ahead) in listed


def test_what_was_asked_for_is_kept_over_a_roll() -> None:
    """The request is on its way still: nobody asks twice."""
    hand = Hand()
    trade(hand, 5)
    trade(hand, 7)
    assert asked(hand)
    hand = rolled(hand)
    assert asked(hand) == []
    trade(hand, 9)
    assert asked(hand) == []
    assert ids(reply(hand, 6)) == [6]
    assert asked(hand) == [(8, 8, 0)]
