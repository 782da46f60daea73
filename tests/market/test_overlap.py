"""What several open connections mean for a stream, by hand; at random: ``test_weave``."""

import pytest

from market.engine import Engine
from market.held import HELD_BYTES, HELD_LIMIT, HOLD_NS
from market.sync_states import State
from schemas.frames import (
    ConnectionOpened,
    FramesLost,
    Judgement,
    Kind,
    LoadTurned,
    MessagesCopied,
    Moment,
    SilenceNoted,
    to_json,
)
from schemas.gaps import GapKey
from schemas.rows import Depth, Gap, Row, Trade
from schemas.shedding import Level
from tests.market.hand import SYMBOL, Hand, actions
from tests.market.stamps import event, subscribe, unsubscribe
from tests.market.test_rolls import head, rolled

DEPTH, TRADE, QUOTE, TICKER = (f"{c}.{SYMBOL}" for c in ("depth", "trade", "bookTicker", "ticker"))
ALL = (DEPTH, TRADE, QUOTE, TICKER)
TWO_MISSING = [("trade_ids", 14, 2)]
BID, ASK = [("100.7", "1")], [("100.8", "1")]
MS = 1_000_000
NO_COPIES = to_json(MessagesCopied([], [], [], []))
SILENT = to_json(SilenceNoted(Judgement.QUIET, "", "", Moment(1, 1, 1)))


def enter(hand: Hand, conn: int, *topics: str) -> list[Row]:
    """A connection is opened, and subscribes; rows but for those of the session."""
    hand.noted(Kind.OPEN, to_json(ConnectionOpened("wss://venue")), conn)
    return hand.noted(Kind.SENT, subscribe(*(topics or ALL)), conn)[1:]


def leave(hand: Hand, conn: int, *topics: str) -> list[Row]:
    return hand.noted(Kind.SENT, unsubscribe(*topics), conn)[1:]


def trade(hand: Hand, number: int, conn: int = 1, price: str = "1.0") -> list[Row]:
    members = {"E": 2_000_000, "T": 1_000_000, "p": price, "q": "2.0", "m": True}
    return hand.data(event(TRADE, e="trade", s=SYMBOL, t=number, a="1", b="2", **members), conn)


def quote(hand: Hand, number: int, conn: int) -> list[Row]:
    members = {"E": number, "T": number, "u": number, "b": "100.7", "B": "1", "a": "100.8"}
    return hand.data(event(QUOTE, e="bookTicker", s=SYMBOL, A="1", **members), conn)


def ticker(hand: Hand, us: int, conn: int) -> list[Row]:
    return hand.data(event(TICKER, e="ticker", E=us, s=SYMBOL), conn)


def ids(rows: list[Row]) -> list[object]:
    """Trades by id, gaps by what they lack."""
    found: list[object] = []
    for row in rows:
        if isinstance(row, Gap):
            found.append((row.cause, row.expected_id, row.missing))
        if isinstance(row, Trade):
            found.append(row.trade_id)
    return found


def gaps(rows: list[Row]) -> list[Gap]:
    return [row for row in rows if isinstance(row, Gap)]


@pytest.fixture
def hand() -> Hand:
    """Two connections with the same streams, a live book at 10, a trade 5."""
    hand = Hand()
    enter(hand, 1)
    hand.join(10, bids=BID, asks=ASK)
    trade(hand, 5)
    assert enter(hand, 2) == []
    hand.wanted()
    return hand


@pytest.mark.parametrize("rolls", [False, True])
def test_the_end_of_one_costs_nothing(hand: Hand, rolls: bool) -> None:
    """The last one's costs what it always did."""
    quote(hand, 10, 1)
    if rolls:
        rolled(hand)
    assert [row.TABLE for row in hand.close(1)] == ["session"]
    assert (hand.id, hand.wanted()) == (10, [])
    assert hand.engine.state.quote(SYMBOL) is not None
    assert actions(hand.delta(11, conn=2)) == [("update", 11, 11)]
    assert ids(trade(hand, 7, conn=2)) == [("trade_ids", 6, 1), 7]
    assert [row.TABLE for row in hand.close(2)] == ["session", "gap", "depth"]
    assert (hand.id, hand.engine.state.quote(SYMBOL)) == (None, None)


def test_a_stream_that_the_other_has_not_ends_with_its_connection(hand: Hand) -> None:
    slow = f"depth.200ms.{SYMBOL}"
    hand.noted(Kind.SENT, subscribe(slow), 2)
    hand.topic = slow
    hand.delta(11, conn=2)
    assert hand.engine.book_state(slow) is State.BUFFERING
    hand.close(2)
    assert hand.engine.book_state(slow) is State.EMPTY
    assert hand.engine.book_state(DEPTH) is State.LIVE


def test_servers_may_merge_differently(hand: Hand) -> None:
    """One server does not go back on itself."""
    hand.delta(11, 13, conn=1)
    assert actions(hand.delta(12, 15, bids=[("100.7", "3")], conn=2)) == [("update", 12, 15)]
    assert (hand.id, hand.bids) == (15, [("100.7", "3")])
    gap, *_ = hand.delta(15, 16, conn=2)
    assert isinstance(gap, Gap)
    assert (gap.cause, gap.expected_id, gap.received_id) == ("depth_ids", 16, 15)


def test_what_the_closed_one_brought_last_may_be_merged_by_the_other(hand: Hand) -> None:
    hand.delta(11, conn=1)
    hand.close(1)
    assert actions(rolled(hand).delta(11, 12, conn=2)) == [("update", 11, 12)]


@pytest.mark.parametrize("rolls", [False, True])
def test_what_comes_early_waits_and_has_the_stamps_of_what_it_waited_for(
    hand: Hand, rolls: bool
) -> None:
    assert trade(hand, 7, conn=1) == hand.delta(12, conn=1) == []
    assert (hand.id, hand.engine.book_state(DEPTH)) == (10, State.LIVE)
    if rolls:
        rolled(hand)
    rows = [*trade(hand, 6, conn=2), *hand.delta(11, conn=2)]
    assert ids(rows) == [6, 7]
    assert actions(rows) == [("update", 11, 11), ("update", 12, 12)]
    assert len({row.seq for row in rows}) == 2
    assert hand.id == 12


def test_it_waits_for_a_second_by_the_frames_of_its_stream_and_of_none(hand: Hand) -> None:
    """Frames of other streams, and REST, may not be there for who selects this one."""
    trade(hand, 7, conn=1)
    early = hand.stamper.seq
    last = HOLD_NS // MS - 1
    for _ in range(last):
        assert ids(ticker(hand, 1, 1)) == []
    hand.stamper.seq = early + last - 1
    assert ids(hand.noted(Kind.COPIES, NO_COPIES)) == []
    assert ids([*ticker(hand, 1, 1), *hand.ask()]) == []
    before = hand.engine.digest()
    assert hand.noted(Kind.CHECKPOINT, b"{}") == []
    assert hand.engine.digest() == before, "it speaks of what is remembered, and changes nothing"
    assert ids(hand.noted(Kind.SILENCE, SILENT)) == [], "it is about another stream"
    assert ids(hand.noted(Kind.COPIES, NO_COPIES)) == [("trade_ids", 6, 1), 7]
    assert ids(trade(hand, 9, conn=2)) == []
    hand.stamper.seq += HOLD_NS // MS
    assert ids(trade(hand, 10, conn=2)) == [("trade_ids", 8, 1), 9, 10]


def test_gaps_that_one_frame_shows_are_not_taken_for_one(hand: Hand) -> None:
    """Each begins with the frame that brought the trade before it, and heals for itself."""
    begun = hand.stamper.seq
    for number in (7, 9, 11):
        trade(hand, number, conn=1)
    hand.stamper.seq += HOLD_NS // MS
    shown = gaps(hand.noted(Kind.COPIES, NO_COPIES))
    assert [(gap.expected_id, gap.since_seq - begun) for gap in shown[1:]] == [(8, 1), (10, 2)]
    assert len({GapKey.of(gap) for gap in shown}) == 3
    (healed,) = gaps(trade(hand, 8, conn=2))
    assert (healed.state, GapKey.of(healed)) == ("healed", GapKey.of(shown[1]))


@pytest.mark.parametrize("rolls", [False, True])
def test_the_first_trade_of_all_may_be_overtaken(rolls: bool) -> None:
    """It is no repeat. What is missing up to the one that came first is a gap; one connection does
    not go back on itself."""
    hand = Hand()
    enter(hand, 1)
    enter(hand, 2)
    assert ids(trade(hand, 12, conn=1)) == [12]
    if rolls:
        rolled(hand)
    assert ids(trade(hand, 11, conn=2)) == [11]
    assert ids(trade(hand, 11, conn=2)) == []
    assert ids(trade(hand, 8, conn=2)) == [8, ("trade_ids", 9, 2)]
    assert ids(trade(hand, 13, conn=1)) == [13]
    assert ids(trade(hand, 7, conn=1)) == []
    assert ids(trade(hand, 9, conn=2)) == [9]
    trades = [9, 10, 11]
    assert [row.state for row in gaps(trade(hand, 10, conn=2))] == ["healed"]
    assert [ids(trade(hand, number, conn=2)) for number in trades] == [[]] * 3


@pytest.mark.parametrize("shed", [False, True])
def test_what_several_streams_let_go_has_one_order(shed: bool) -> None:
    """Which of them was heard first does not matter: a segment that is replayed alone does not
    know."""
    made = []
    for alone in (False, True):
        hand = Hand()
        enter(hand, 1, TRADE, DEPTH)
        enter(hand, 2, TRADE, DEPTH)
        trade(hand, 5)
        hand.delta(10)
        hand.join(10, bids=BID, asks=ASK)
        begin = head(hand.engine, hand.stamper.frame(Kind.CHECKPOINT))
        hand.engine = Engine() if alone else hand.engine
        for frame in begin:
            hand.engine.feed(frame)
        assert ids(trade(hand, 7)) == []
        if shed:
            made.append(hand.noted(Kind.LOAD, to_json(LoadTurned(Level.NO_ROWS))))
        else:
            hand.close(2)
            made.append(hand.close(1))
        assert {"gap", "trade", "depth"} <= {row.TABLE for row in made[-1]}
    assert made[0] == made[1]


def test_too_many_do_not_wait(hand: Hand) -> None:
    begun = hand.stamper.seq
    for number in range(HELD_LIMIT):
        assert ids(trade(hand, 7 + 2 * number, conn=1)) == []
        hand.stamper.seq = begun  # all at one time
    last = 7 + 2 * HELD_LIMIT
    assert ids(trade(hand, last, conn=1)) == [("trade_ids", 6, 1), 7]


@pytest.mark.parametrize("rolls", [False, True])
def test_nor_do_large_ones(hand: Hand, rolls: bool) -> None:
    """As many as fit, whichever engine holds them; one that is too large for that, not at all."""
    price = "0" * (HELD_BYTES // 4) + "1"
    begun = hand.stamper.seq
    for number in (7, 9, 11):
        assert ids(trade(hand, number, price=price)) == []
        if rolls:
            rolled(hand)
        hand.stamper.seq = begun
    assert 3 * len(price) < hand.engine.held < HELD_BYTES
    assert ids(trade(hand, 13, price=price)) == [("trade_ids", 6, 1), 7]
    assert ids(trade(hand, 8)) == [8, 9]
    huge = trade(hand, 16, price="0" * HELD_BYTES + "1")
    assert ids(huge) == [*(("trade_ids", 10, 1), 11), *(("trade_ids", 12, 1), 13), *TWO_MISSING, 16]
    assert hand.engine.held == 0
    assert ids(trade(hand, 12)) == [12, ("trade_ids", 12, 1)]  # it has healed


def test_what_one_stream_holds_matters_to_no_other(hand: Hand) -> None:
    """Else a replay of some streams would let go what the recorder held."""
    price = "0" * (HELD_BYTES // 2) + "1"
    trade(hand, 7, price=price)
    for number in range(12, 400, 2):
        assert hand.delta(number, bids=[("0" * (HELD_BYTES // 500) + "1", "1")] * 2) == []
    assert hand.engine.held > HELD_BYTES
    assert ids(trade(hand, 6, conn=2)) == [6, 7]


def test_what_cannot_be_read_is_told_at_once(hand: Hand) -> None:
    """And nothing that waits is lost with it."""
    trade(hand, 7, conn=1)
    assert [row.TABLE for row in trade(hand, 9, conn=2, price="x")] == ["reject"]
    assert [row.TABLE for row in trade(hand, 6, conn=2, price="x")] == ["reject"]
    assert ids(trade(hand, 6, conn=2)) == [6, 7]


def test_what_waits_is_let_go_where_frames_are_missing_or_the_stream_ends(hand: Hand) -> None:
    trade(hand, 7, conn=1)
    lost = to_json(FramesLost("memory"))
    assert ids(hand.noted(Kind.LOSS, lost))[-2:] == [("trade_ids", 6, 1), 7]
    trade(hand, 8, conn=1)
    trade(hand, 10, conn=1)
    assert ids(leave(hand, 1, TRADE)) == []
    assert ids(leave(hand, 2, TRADE)) == [("trade_ids", 9, 1), 10]


@pytest.mark.parametrize("rolls", [False, True])
def test_a_stream_ends_with_the_last_that_has_it(hand: Hand, rolls: bool) -> None:
    """What comes late on any connection is counted."""
    assert leave(hand, 1, *ALL) == []
    if rolls:
        rolled(hand)
    assert actions(hand.delta(11, conn=1)) == [("update", 11, 11)]  # on its way; as good as any
    assert hand.engine.streams == list(ALL)
    assert actions(leave(hand, 2, *ALL)) == [("clear", None, None)]
    if rolls:
        rolled(hand)
    assert [*hand.delta(12, conn=1), *hand.delta(13, conn=2), *trade(hand, 6, 2)] == []
    assert (hand.engine.streams, hand.engine.late) == ([], {DEPTH: 2, TRADE: 1})
    assert (hand.wanted(), enter(hand, 3, DEPTH), hand.wanted()) == ([], [], [2_000])


def test_who_left_does_not_carry_a_stream(hand: Hand) -> None:
    """Though something of it comes there late."""
    leave(hand, 1, DEPTH)
    hand.delta(11, conn=1)
    assert actions(hand.close(2)) == [("clear", None, None)]


def test_a_late_quote_is_not_the_newest(hand: Hand) -> None:
    """It makes a row all the same; so with all of which the last is kept."""
    for number, conn in ((7, 1), (9, 2), (8, 1), (8, 1)):
        assert [row.TABLE for row in quote(hand, number, conn)] == ["book_ticker"]
        assert len(ticker(hand, number, conn)) == 1
    newest, statistics = hand.engine.state.quote(SYMBOL), hand.engine.state.ticker(SYMBOL)
    assert newest is not None
    assert statistics is not None
    assert (newest.update_id, statistics.ts_event) == (9, 9_000)


@pytest.mark.parametrize("rolls", [False, True])
def test_who_is_open_shows_where_that_was_lost(rolls: bool) -> None:
    """Frames that come on both in turn are of both; two in a row may be of one after the other."""
    hand = Hand()
    hand.noted(Kind.LOSS, to_json(FramesLost("damaged", 3, 300, ended=True)))
    hand.delta(11, conn=1)
    hand.delta(12, conn=2)
    hand.delta(13, conn=1)
    if rolls:
        rolled(hand)
    hand.join(13, bids=BID)
    for at in range(14, 20):
        assert actions(hand.delta(at, conn=1 + at % 2)) == [("update", at, at)]
    assert hand.delta(21, conn=1) == []
    assert len(hand.delta(20, conn=2)) == 2
    assert [row for row in hand.close(1) if isinstance(row, Depth)] == []
    assert hand.id == 21
