"""The same frames make the same rows, whoever feeds them and wherever a segment begins."""

from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from market.engine import Engine
from schemas.digest import Witness
from schemas.frames import Frame, Kind
from schemas.requests import Request
from schemas.rows import BookKeyframe, Gap, Row, Session
from tests.effort import examples
from tests.market.hand import SYMBOL as SYMBOL_1
from tests.market.hand import Hand
from tests.market.moves import Answer, Ask, Connect, Deliver, Move, Tick, plays
from tests.market.nasty import bent
from tests.market.play import SYMBOL, Play
from tests.market.stamps import Stamper, event, subscribe
from tests.market.texts import WELL_FORMED

SLOW = f"depth.1000ms.{SYMBOL}"  # a second book of the same market, served by the same replies


def trade(trade_id: int) -> bytes:
    """One of a stream whose ids are followed too."""
    members = {"E": 2_000_000, "T": 1_000_000, "p": "1.0", "q": "2.0", "m": True}
    stream = f"trade.{SYMBOL}"
    return event(stream, e="trade", s=SYMBOL, t=trade_id, a="1", b="2", **members).encode()


def slow(update_id: int) -> bytes:
    """Of a stream that is never subscribed and has holes."""
    levels = [["1.00", "2.00"]]
    members = {"E": 2, "T": 1, "U": update_id, "u": update_id, "a": [], "b": levels}
    return event(SLOW, e="depth", s=SYMBOL, **members).encode()


def quote(update_id: int, bid: str = "0.99") -> bytes:
    """The touch of the book as the plays begin with it, which may be wrong by then."""
    members = {"E": 2, "T": 1, "u": update_id, "b": bid, "B": "2.50", "a": "1.01", "A": "1.00"}
    return event(f"bookTicker.{SYMBOL}", e="bookTicker", s=SYMBOL, **members).encode()


BESIDE = st.one_of(
    st.integers(5, 9).map(trade),
    st.integers(4_330_360_000, 4_330_360_012).map(quote),
    st.integers(4_330_360_000, 4_330_360_003).map(quote),
    st.integers(4_330_360_000, 4_330_360_012).map(slow),
    st.sampled_from(sorted(WELL_FORMED.values())).map(str.encode),
    bent(),
)


@st.composite
def recordings(draw: st.DrawFn) -> list[Frame]:
    """Frames of a play, with those of other streams in between."""
    frames = Play().run(draw(plays())).frames
    for payload in draw(st.lists(BESIDE, max_size=12)):
        at = draw(st.integers(0, len(frames)))
        frames.insert(at, Frame(0, 0, 0, 1, Kind.DATA, "", payload))
    stamper = Stamper()
    return [stamper.frame(f.kind, f.payload, conn=f.conn, topic=f.topic) for f in frames]


class Run:
    """An engine, and all that comes out of it."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or Engine()
        self.witness = Witness()
        self.rows: list[list[Row]] = []
        self.requests: list[list[Request]] = []
        self.books: list[object] = []

    def feed(self, frames: Iterable[Frame]) -> "Run":
        """Feed all."""
        for frame in frames:
            rows = self.engine.feed(frame)
            self.witness.see(frame, rows)
            self.rows.append(rows)
            self.requests.append(self.engine.take_requests())
            self.books.append(levels(self.engine))
        return self


def levels(engine: Engine) -> object:
    """All of the live book."""
    book = engine.book(SYMBOL)
    return book and (book.bids.top(), book.asks.top(), book.last_update_id, book.ts_engine)


def head(engine: Engine, last: Frame) -> list[Frame]:
    """What a recorder puts at the head of a segment. Numbered like the frame before it, so that
    rows with and without a new segment can be compared."""

    def noted(kind: Kind, payload: bytes, topic: str) -> Frame:
        return Frame(last.seq, last.ts_recv, last.ts_mono, 0, kind, topic, payload)

    keyframes = [noted(Kind.KEYFRAME, state, topic) for topic, state in engine.keyframes()]
    return [noted(Kind.SEGMENT, b"{}", ""), *keyframes]


LIVE: list[Move] = [
    Connect(told=True),
    Ask(eager=False),
    Answer(as_asked=False, behind=0),
    Tick({98: 1}, {101: 0}, 5),
    Deliver(1),
    Tick({97: 2}, {}, 5),
    Deliver(1),
]


@settings(max_examples=examples(125), deadline=None)
@given(recordings(), st.integers(0, 10**6))
@example(Play().run(LIVE).frames, 6)
@example(Play().run(LIVE).frames, 5)
@example(Play().run(LIVE).frames, 1)
def test_a_segment_may_begin_anywhere(frames: list[Frame], cut: int) -> None:
    """After a SEGMENT frame and the keyframes, a fresh engine and the one that goes on make the
    same rows, books and requests of all that follows; and so does one that never heard of the new
    segment. Whoever holds a book of the engine that goes on, still holds its book."""
    cut = 1 + cut % len(frames)
    before, after = frames[:cut], frames[cut:]
    unrolled = Run().feed(before).engine
    rolled = Run().feed(before).engine
    book = rolled.book(SYMBOL)
    at_cut = levels(rolled)
    begin = head(rolled, frames[cut - 1])
    same, fresh = Run(rolled).feed(begin), Run().feed(begin)
    assert rolled.book(SYMBOL) is book
    assert levels(rolled) == at_cut == levels(fresh.engine)
    same.feed(after)
    fresh.feed(after)
    assert same.rows == fresh.rows
    assert same.books == fresh.books
    assert same.requests == fresh.requests
    assert same.witness.checkpoint() == fresh.witness.checkpoint()
    assert rolled.audited == fresh.engine.audited
    assert sorted(rolled.keyframes()) == sorted(fresh.engine.keyframes())
    never = Run(unrolled).feed(after)
    assert rolled.audited == unrolled.audited
    assert same.rows[len(begin) :] == never.rows
    assert same.books[len(begin) :] == never.books
    assert same.requests[len(begin) :] == never.requests


@settings(max_examples=examples(50), deadline=None)
@given(recordings())
@example(Play().run(LIVE).frames)
def test_the_keyframe_rows_are_the_live_books(frames: list[Frame]) -> None:
    """So that a reader of one segment's rows can begin with them."""
    engine = Run().feed(frames).engine
    rows = [row for frame in head(engine, frames[-1]) for row in Engine().feed(frame)]
    kept = [row for row in rows if isinstance(row, BookKeyframe) and row.window == ""]
    book = engine.book(SYMBOL)
    if book is not None and engine.book_state(f"depth.{SYMBOL}") == "live":
        assert [(r.price, r.qty) for r in kept if r.side == "bid"] == book.bids.top()
        assert [(r.price, r.qty) for r in kept if r.side == "ask"] == book.asks.top()
        assert {r.last_update_id for r in kept} <= {book.last_update_id}
    else:
        assert not [row for row in kept if row.symbol == SYMBOL]


@settings(max_examples=examples(50), deadline=None)
@given(recordings(), st.lists(st.integers(0, 10**6), max_size=5))
def test_feeding_is_a_fold(frames: list[Frame], pauses: list[int]) -> None:
    """However the frames come in bunches, and whoever looks at the engine in between."""
    whole = Run().feed(frames)
    engine, witness = Engine(), Witness()
    stops = {pause % len(frames) for pause in pauses}
    for at, frame in enumerate(frames):
        if at in stops:  # look at everything, and leave the requests where they are
            list(engine.keyframes())
            levels(engine)
            engine.book_state(frame.topic)
        witness.see(frame, engine.feed(frame))
    assert witness.checkpoint() == whole.witness.checkpoint()


def rolled(hand: Hand) -> Hand:
    """The same stream, followed by an engine that begins with a new segment."""
    begin = head(hand.engine, hand.stamper.frame(Kind.CHECKPOINT))
    hand.engine = Run().feed(begin).engine
    return hand


def test_a_delta_across_the_snapshot_may_come_in_the_next_segment() -> None:
    """That the snapshot was the last that happened is part of the state."""
    hand = Hand()
    hand.subscribe()
    hand.join(10, bids=[("1", "1")])
    rolled(hand).delta(8, 13)
    assert hand.id == 13
    assert rolled(hand).delta(12, 15)[0].TABLE == "gap"


def test_how_long_a_book_has_lived_goes_over_segments() -> None:
    """So does how often it was asked for in vain."""
    for step_ns, expected in ((1_000_000, 1_000), (11_000_000_000, 500)):
        hand = Hand(step_ns=step_ns)
        hand.subscribe()
        hand.delta(12)
        hand.ask()
        hand.reply(10)
        rolled(hand).join(12)
        rolled(hand).delta(20)
        assert hand.wanted() == [expected]


def test_a_repeated_trade_is_one_in_the_next_segment_too() -> None:
    """By id and time of the newest one."""
    hand = Hand()
    hand.data(trade(7).decode())
    assert rolled(hand).data(trade(7).decode()) == []
    assert [row.TABLE for row in hand.data(trade(9).decode())] == ["gap", "trade"]


def test_one_stream_too_many_is_too_many_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many streams an engine follows is part of its state, so it must not depend on those of
    earlier segments, of which no keyframe speaks."""
    monkeypatch.setattr("market.lanes.LANE_LIMIT", 3)
    stamper = Stamper()
    others = [WELL_FORMED[name].encode() for name in ("ticker", "kline", "openInterest")]
    before = [stamper.data(text) for text in (trade(1), *others)]
    after = [stamper.data(text) for text in (*reversed(others), trade(3))]
    rolled = Run().feed(before).engine
    begin = head(rolled, before[-1])
    fresh = Run().feed([*begin, *after])
    assert Run(rolled).feed([*begin, *after]).rows == fresh.rows


def test_a_keyframe_that_cannot_be_read_is_rejected() -> None:
    """A tape may be damaged, or of another version."""
    stamper, engine = Stamper(), Engine()
    engine.feed(stamper.frame(Kind.SENT, subscribe(f"depth.{SYMBOL}"), conn=1))
    for topic in (f"depth.{SYMBOL}", f"trade.{SYMBOL}", f"ticker.{SYMBOL}", "nothing", ""):
        for payload in (b"", b'{"open":7}', b"[1]", b'{"open":["\xff"]}'):
            (row,) = engine.feed(stamper.frame(Kind.KEYFRAME, payload, topic=topic))
            assert row.TABLE == "reject"
    assert engine.book(SYMBOL) is None


def test_a_new_segment_forgets_what_no_keyframe_says() -> None:
    """Or it could not be replayed alone: books, ids seen, and what was counted."""
    hand = Hand()
    hand.subscribe()
    hand.join(10, bids=[("1", "1")])
    hand.delta(11)
    hand.data(trade(1).decode())
    hand.data('{"data":{},"stream":"news.A"}')
    (row,) = hand.engine.feed(hand.stamper.frame(Kind.SEGMENT, b"{}"))
    assert isinstance(row, Session)
    assert hand.id is None
    assert not hand.engine.unknown
    assert hand.delta(20) == []
    assert [row.TABLE for row in hand.data(trade(100).decode())] == ["trade"]


V1_DEPTH = (
    b'{"conn":1,"fresh":false,"repeats":0,"seen":{"id":11,"seq":4,"ts_recv":5},"joined":null,'
    b'"sync":{"state":"live","attempts":0,"flying":[],"joined_id":10,"joined_mono":1,'
    b'"last_update_id":11,"ts_engine":9,"bids":[[1000000000,2000000]],"asks":[],"buffer":[]}}'
)
V1_TRADE = b'{"conn":1,"seen":{"id":7,"seq":4,"ts_recv":5},"ts_engine":1000000000,"repeats":0}'


def test_keyframes_of_format_1_are_read() -> None:
    """They do not say when by the monotonic clock, nor what nobody looked for then."""
    hand = Hand()
    for topic, payload in ((f"depth.{SYMBOL_1}", V1_DEPTH), (f"trade.{SYMBOL}", V1_TRADE)):
        frame = hand.stamper.frame(Kind.KEYFRAME, payload, topic=topic)
        assert {row.TABLE for row in hand.engine.feed(frame)} <= {"book_keyframe"}
    assert (hand.id, hand.bids) == (11, [("1", "2")])
    gap, clear = hand.delta(14)
    assert isinstance(gap, Gap)
    assert (gap.since_seq, gap.ts_engine_since, gap.lasted_ns) == (4, None, None)
    assert clear.TABLE == "depth"
    ended = hand.join(14)[1]
    assert isinstance(ended, Gap)
    assert (ended.state, ended.since_seq, ended.lasted_ns) == ("resynced", 4, None)
    assert [row.TABLE for row in hand.data(trade(9).decode())] == ["gap", "trade"]
