"""Streams that are unsubscribed and subscribed again, by hand; random plays: ``test_sync``."""

import json

import pytest

from market.engine import Engine
from market.sync_states import State
from schemas.frames import FramesLost, Kind, to_json
from schemas.rows import Gap, Row
from tests.market.hand import SYMBOL, Hand, actions
from tests.market.stamps import event, subscribe, unsubscribe
from tests.market.test_rolls import Run, head

BID = [("100.7", "1")]
SLOW = f"depth.200ms.{SYMBOL}"
TICKER = f"ticker.{SYMBOL}"
TRADE = f"trade.{SYMBOL}"


@pytest.fixture
def live() -> Hand:
    """A live book at id 10."""
    hand = Hand()
    hand.subscribe()
    hand.join(10, bids=BID)
    return hand


def leave(hand: Hand, *topics: str, conn: int = 1) -> list[Row]:
    """We unsubscribe; the rows but for that of the session."""
    return hand.noted(Kind.SENT, unsubscribe(*(topics or (hand.topic,))), conn)[1:]


def enter(hand: Hand, *topics: str, conn: int = 1) -> list[Row]:
    return hand.noted(Kind.SENT, subscribe(*topics), conn)[1:]


def trade(hand: Hand, trade_id: int, conn: int = 1) -> list[str]:
    """Tables of the rows of a trade."""
    members = {"E": 2_000_000, "T": 1_000_000, "p": "1.0", "q": "2.0", "m": True}
    text = event(TRADE, e="trade", s=SYMBOL, t=trade_id, a="1", b="2", **members)
    return [row.TABLE for row in hand.data(text, conn)]


def ticker(hand: Hand, conn: int = 1) -> int:
    """How many rows a ticker makes."""
    return len(hand.data(event(TICKER, e="ticker", E=2, s=SYMBOL), conn))


def rolled(hand: Hand) -> Hand:
    """Followed by an engine that begins with a new segment."""
    begin = head(hand.engine, hand.stamper.frame(Kind.CHECKPOINT))
    hand.engine = Run().feed(begin).engine
    return hand


@pytest.mark.parametrize("rolls", [False, True])
def test_a_book_ends_and_leaves_no_ghost(live: Hand, rolls: bool) -> None:
    """What is on its way makes nothing, also where a segment begins in between; it is counted."""
    assert actions(leave(live)) == [("clear", None, None)]
    assert live.engine.streams == []
    if rolls:
        rolled(live)
    assert live.delta(11) == live.delta(13) == []
    assert live.data(f'{{"data":["no depth"],"stream":"{live.topic}"}}') == []
    assert live.engine.late == {live.topic: 3}
    assert (live.id, live.wanted()) == (None, [])
    assert live.engine.book_state(live.topic) is State.EMPTY
    assert live.engine.streams == []


def test_it_begins_anew_when_subscribed_again(live: Hand) -> None:
    """Nobody asked for the ids in between; a reply to a request of before is of no use."""
    live.ask()
    leave(live)
    live.delta(11)
    assert enter(live, live.topic) == []
    assert live.engine.streams == [live.topic]
    assert live.delta(50) == []
    assert actions(live.reply(12, bids=BID)) == []
    assert actions(live.join(49, bids=BID))[-1] == ("update", 50, 50)
    assert live.id == 50


def test_an_outage_ends_with_the_subscription(live: Hand) -> None:
    live.delta(13)
    (gap,) = leave(live)
    assert isinstance(gap, Gap)
    assert (gap.state, gap.cause, gap.missing, gap.resync_id) == (
        "unsubscribed",
        "depth_ids",
        2,
        None,
    )
    assert gap.ts_until == gap.ts_recv
    assert leave(live) == []


def test_other_streams_of_the_market_go_on(live: Hand) -> None:
    """Throttled ones are topics of their own."""
    live.topic = SLOW
    live.subscribe()
    live.join(10, bids=BID)
    leave(live)
    assert live.engine.book_state(SLOW) is State.EMPTY
    assert live.engine.book_state(f"depth.{SYMBOL}") is State.LIVE
    assert live.id == 10


def test_a_frame_on_another_connection_is_of_a_stream_nobody_announced(live: Hand) -> None:
    leave(live)
    assert live.delta(11, conn=2) == []
    assert live.wanted() == [2_000, 0]
    assert live.engine.streams == [live.topic]
    assert not live.engine.late


def test_nothing_is_on_its_way_once_its_connection_is_over(live: Hand) -> None:
    leave(live)
    live.close(1)
    assert live.engine.streams == []
    live.delta(11)
    assert (live.wanted(), live.engine.late) == ([2_000, 0], {})


@pytest.mark.parametrize("rolls", [False, True])
@pytest.mark.parametrize(
    "lost", [to_json(FramesLost("damaged", 3, 300, ended=True)), b"unreadable"]
)
def test_nor_where_nobody_knows_what_is_missing(live: Hand, lost: bytes, rolls: bool) -> None:
    """We may have subscribed again, or the frame comes late: a row says that this is in doubt, once
    for each stream."""
    leave(live)
    before = live.stamper.seq
    live.noted(Kind.LOSS, lost)
    if rolls:
        rolled(live)
    (doubt,) = live.delta(11)
    assert isinstance(doubt, Gap)
    assert (doubt.topic, doubt.cause, doubt.state) == (live.topic, "loss", "resumed")
    assert (doubt.since_seq, doubt.missing, doubt.lasted_ns is not None) == (before, None, True)
    assert live.wanted() == [2_000, 0]
    assert live.delta(12) == []


@pytest.mark.parametrize("rolls", [False, True])
def test_trades_begin_anew(rolls: bool) -> None:
    """The stretch that nobody asked for is no gap, and none of it is a repeat."""
    hand = Hand(TRADE)
    enter(hand, TRADE)
    assert trade(hand, 5) == ["trade"]
    assert trade(hand, 8) == ["gap", "trade"]
    leave(hand)
    if rolls:
        rolled(hand)
    assert trade(hand, 9) == []
    enter(hand, TRADE)
    assert trade(hand, 7) == ["trade"]
    assert trade(hand, 9) == ["gap", "trade"]


@pytest.mark.parametrize("rolls", [False, True])
def test_streams_without_memory_end_too(rolls: bool) -> None:
    hand = Hand(TICKER)
    assert ticker(hand) == 1
    leave(hand)
    if rolls:
        rolled(hand)
    assert (ticker(hand), hand.engine.late, hand.engine.streams) == (0, {TICKER: 1}, [])
    assert ticker(hand, conn=2) == 1
    assert hand.engine.streams == [TICKER]
    leave(hand)
    enter(hand, TICKER)
    assert ticker(hand) == 1


def test_counts_of_the_session_stay(live: Hand) -> None:
    live.ask()
    live.reply(10, bids=BID)
    assert live.engine.audited == 1
    leave(live)
    assert rolled(live).engine.audited == 1


def test_requests_that_make_no_sense_end_nothing(live: Hand) -> None:
    for text in (b"", b"[]", b'{"method":"UNSUBSCRIBE","params":7}', b'{"method":"UNSUBSCRIBE"}'):
        live.noted(Kind.SENT, text, 1)
    leave(live, "", "depth", "nothing.X", f"depth.{SYMBOL}x")
    assert live.delta(11) != []
    assert live.id == 11


def test_keyframes_of_before_are_read() -> None:
    """They say nothing of streams that ended."""
    engine = Engine()
    state = json.dumps({"heard": None, "open": [1], "gap": None, "loss": None}).encode()
    hand = Hand()
    assert engine.feed(hand.stamper.frame(Kind.KEYFRAME, state)) == []
