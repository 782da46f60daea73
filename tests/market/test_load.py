"""What an engine makes of a recorder that did not keep up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.engine import Engine
from market.sync_states import State
from schemas.frames import ConnectionOpened, Frame, Kind, LoadTurned, SegmentHead, to_json
from schemas.rows import Depth, Gap, Row
from schemas.shedding import STREAM_LIMIT, Level
from tests.market.model_venue import ENGINE_PRICE, ENGINE_QTY
from tests.market.moves import Move, Renumber, plays
from tests.market.play import SYMBOL, Play
from tests.market.row_book import RowBook
from tests.market.stamps import Stamper, depth_path, event, subscribe
from tests.recorder.market import SNAPSHOT, SOL, TRADES, bid, trade

SLOW = "depth.200ms.SOL_USDC"
PATH = depth_path("SOL_USDC")
turns = st.tuples(st.integers(0, 60), st.sampled_from(Level))
HEAD = SegmentHead("20261122T063000Z-0000", 1, 4, "0", (SOL, TRADES), "ws://a", "http://a")


class Scene:
    """An engine with a live book at id 12, whose last trade was 3; perhaps one that is put in the
    place of another, with its keyframes, after each frame."""

    def __init__(self, rolls: bool) -> None:
        self._rolls = rolls
        self._stamper = Stamper()
        self.engine = Engine()
        self.feed(Kind.OPEN, to_json(ConnectionOpened("ws://a")), conn=1)
        self.feed(Kind.SENT, subscribe(SOL, SLOW, TRADES), conn=1)
        self.snapshot()
        for text in (bid(11), bid(12), trade(3)):
            self.say(text)
        assert self.engine.book_state(SOL) is State.LIVE

    def feed(self, kind: Kind, payload: bytes, *, conn: int = 0, topic: str = "") -> list[Row]:
        """A frame; its rows."""
        rows = self.engine.feed(self._stamper.frame(kind, payload, conn=conn, topic=topic))
        if self._rolls:
            self._roll()
        return rows

    def say(self, text: str) -> list[Row]:
        """A message of the venue."""
        return self.feed(Kind.DATA, text.encode(), conn=1)

    def snapshot(self) -> list[Row]:
        """One is asked for, and comes."""
        self.feed(Kind.REQUEST, b"", topic=PATH)
        return self.feed(Kind.REPLY, SNAPSHOT.encode(), topic=PATH)

    def turn(self, level: Level, **lost: int) -> list[Row]:
        """Another level; without the session row that says so."""
        names = {name.replace("_of_", "."): count for name, count in lost.items()}
        return self.feed(Kind.LOAD, to_json(LoadTurned(level, names)))[1:]

    def _roll(self) -> None:
        keyframes = list(self.engine.keyframes())
        self.engine = Engine()
        self._feed_alone(self._stamper.frame(Kind.SEGMENT, to_json(HEAD)))
        for topic, state in keyframes:
            self._feed_alone(self._stamper.frame(Kind.KEYFRAME, state, topic=topic))
        assert list(self.engine.keyframes()) == keyframes

    def _feed_alone(self, frame: Frame) -> None:
        assert not any(row.TABLE == "reject" for row in self.engine.feed(frame))


@pytest.fixture(params=[False, True], ids=["", "rolled"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param)


def gaps(rows: list[Row]) -> list[tuple[str | None, str, int | None, str]]:
    """What matters of the gap rows."""
    return [(r.topic, r.cause, r.missing, r.state) for r in rows if isinstance(r, Gap)]


def test_a_book_is_lost_at_once_and_no_snapshot_joins_before_the_end(scene: Scene) -> None:
    rows = scene.turn(Level.NO_ROWS)
    cleared = {(r.action, r.window) for r in rows if isinstance(r, Depth)}
    assert cleared == {("clear", ""), ("clear", "200ms")}
    assert scene.engine.book("SOL_USDC") is None
    assert scene.say(bid(13)) == []
    assert not any(isinstance(row, Depth) for row in scene.snapshot())
    assert scene.engine.book_state(SOL) is State.STALE


def test_a_book_comes_back_with_one_request_and_the_ids_are_told(scene: Scene) -> None:
    scene.turn(Level.NO_ROWS)
    for text in (bid(13), bid(14), trade(4)):
        assert scene.say(text) == []
    scene.engine.take_requests()
    rows = scene.turn(Level.ALL)
    assert gaps(rows) == [
        (SOL, "load_rows", 2, "resumed"),
        (TRADES, "load_rows", 1, "resumed"),
    ]
    if not scene._rolls:  # keyframes leave out what the door was asked for
        assert {request.symbol for request in scene.engine.take_requests()} == {"SOL_USDC"}
    assert gaps(scene.say(bid(17))) == [(SOL, "load", 4, "open")]
    assert gaps(scene.say(trade(7))) == [(TRADES, "load", 3, "open")]
    behind = SNAPSHOT.replace('"10"', '"16"')
    scene.feed(Kind.REQUEST, b"", topic=PATH)
    rows = scene.feed(Kind.REPLY, behind.encode(), topic=PATH)
    assert gaps(rows) == [(SOL, "load", 4, "resynced")]
    book = scene.engine.book("SOL_USDC")
    assert book is not None
    assert book.last_update_id == 17


def test_a_reply_asked_for_before_the_shedding_joins_nothing_after_it(scene: Scene) -> None:
    """It may be older than what was skipped."""
    scene.feed(Kind.REQUEST, b"", topic=PATH)
    scene.turn(Level.NO_ROWS)
    scene.turn(Level.ALL)
    rows = scene.feed(Kind.REPLY, SNAPSHOT.encode(), topic=PATH)
    assert not any(isinstance(row, Depth) for row in rows)
    assert scene.engine.book("SOL_USDC") is None


def test_a_throttled_book_goes_first(scene: Scene) -> None:
    scene.turn(Level.NO_QUOTE_ROWS)
    assert scene.engine.book_state(SLOW) is not State.LIVE
    assert scene.engine.book_state(SOL) is State.LIVE
    assert len(scene.say(bid(13))) == 1
    assert scene.say(event(SLOW, e="depth", s="SOL_USDC")) == []
    assert gaps(scene.turn(Level.ALL)) == [(SLOW, "load_rows", 1, "resumed")]
    assert scene.engine.book_state(SOL) is State.LIVE


def test_what_was_not_taken_is_told_as_soon_as_it_is_taken_again(scene: Scene) -> None:
    """Over several frames; rows that are not made go on longer."""
    assert scene.turn(Level.NOTHING) != []
    assert scene.turn(Level.NOTHING, trade_of_SOL_USDC=5, ticker_of_SOL_USDC=2) == []
    assert gaps(scene.turn(Level.NO_QUOTES, trade_of_SOL_USDC=6)) == [
        (TRADES, "load_frames", 11, "resumed")
    ]
    assert scene.say(trade(20)) == []
    assert gaps(scene.turn(Level.ALL)) == [
        ("ticker.SOL_USDC", "load_frames", 2, "resumed"),
        (TRADES, "load_rows", 1, "resumed"),
    ]


def test_what_is_told_too_late_is_not_forgotten(scene: Scene) -> None:
    """No recorder of ours says it so; but what is remembered does not depend on segments."""
    assert gaps(scene.turn(Level.ALL, trade_of_SOL_USDC=2)) == []
    scene.turn(Level.NOTHING)
    assert gaps(scene.turn(Level.ALL)) == [(TRADES, "load_frames", 2, "resumed")]


def test_what_is_of_an_account_or_names_no_stream_makes_rows_at_every_level(scene: Scene) -> None:
    scene.turn(Level.NOTHING)
    for text in ('{"id":null,"error":{"code":4006,"message":"Invalid stream"}}', "oops"):
        assert len(scene.say(text)) == 1
    text = event("account.balanceUpdate", e="balanceUpdate", a="USDT", E=1, A="1", L="2", S="0")
    assert [row.TABLE for row in scene.say(text)] in (["balance"], ["reject"])


@given(st.sampled_from(["", "200ms."]), plays(), st.lists(turns, max_size=8))
@settings(max_examples=60)
def test_a_book_is_the_venues_or_none_whatever_is_shed(
    window: str, moves: list[Move], others: list[tuple[int, Level]]
) -> None:
    """With turns of the level anywhere in a play; also as rows alone tell it."""
    topic = f"depth.{window}{SYMBOL}"
    rows = RowBook()
    play = Play(topic, lambda step: rows.take(step.rows))
    plan: list[Move | Level] = [move for move in moves if not isinstance(move, Renumber)]
    for at, level in others:
        plan.insert(at % (len(plan) + 1), level)
    for move in [*plan, Level.ALL]:
        if isinstance(move, Level):
            play.turn(move)
            if move >= (Level.NO_TICKER_ROWS if window else Level.NO_ROWS):
                assert play.engine.book(SYMBOL) is None
        else:
            play.do(move)
        check_book(play, rows)
    play.settle()
    assert play.engine.book(SYMBOL) is not None
    check_book(play, rows)


def check_book(play: Play, rows: RowBook) -> None:
    """Against the venue at the id of the book, and against what the rows make."""
    book = play.engine.book(SYMBOL)
    if book is None:
        assert not rows.bids
        assert not rows.asks
        return
    truth = play.venue.now.at(book.last_update_id)
    for side, levels, told in (
        (book.bids, truth.bids, rows.bids),
        (book.asks, truth.asks, rows.asks),
    ):
        ours = dict(side.top())
        assert ours == {p * ENGINE_PRICE: q * ENGINE_QTY for p, q in levels.items()}
        assert ours == told


@pytest.mark.parametrize(
    "payload",
    [
        b'{"level":7}',
        b'{"level":-1}',
        b'{"level":"3"}',
        b'{"level":3,"lost":{"a":0}}',
        b'{"level":3,"lost":{"a":9223372036854775808}}',
        b'{"level":3,"lost":{"%s":1}}' % (b"a" * 129),
        b"{}",
    ],
)
def test_what_cannot_be_is_rejected_and_changes_nothing(payload: bytes) -> None:
    scene = Scene(rolls=False)
    before = scene.engine.digest()
    assert [row.TABLE for row in scene.feed(Kind.LOAD, payload)] == ["session", "reject"]
    assert scene.engine.digest() == before


def test_counts_of_too_many_streams_fit_into_their_column() -> None:
    """Each of them fits, and they are counted together."""
    engine, stamper = Engine(), Stamper()
    lost = {f"depth.A{n}": 2**62 for n in range(STREAM_LIMIT + 4)}
    engine.feed(stamper.frame(Kind.LOAD, to_json(LoadTurned(Level.NOTHING, lost))))
    rows = engine.feed(stamper.frame(Kind.LOAD, to_json(LoadTurned(Level.ALL))))
    (together,) = (row for row in rows if isinstance(row, Gap) and row.topic == "depth")
    assert together.missing == 2**63 - 1
