"""State after any frames is what a dumb model makes of their rows, wherever segments begin."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.engine import Engine
from market.memory import RFQS_KEPT
from market.orders import OrderState
from market.state import State
from schemas.errors import UsageError
from schemas.frames import ConnectionClosed, Frame, FramesLost, Kind, to_json
from schemas.rows import Reject, Row
from schemas.topics import INTERVALS
from tests.effort import examples
from tests.market.stamps import Stamper, event, subscribe
from tests.market.state_model import Known, Model, Step, step
from tests.market.state_moves import (
    MARKETS,
    MESSAGES,
    ORDERS,
    POSITIONS,
    RFQS,
    TOPICS,
    A,
    B,
    Part,
    begun,
    parts,
)
from tests.market.texts import WELL_FORMED

MOST = 3  # trades, candles, liquidations kept, so that there are too many soon
BOUNDS = (
    *("market.trades.TRADES_KEPT", "market.candles.CANDLES_KEPT"),
    "market.memory.LIQUIDATIONS_KEPT",
)


class Run:
    """An engine that is fed parts, and what a recorder would have on its tape.

    heads: where segments begin among the frames.
    """

    def __init__(self) -> None:
        self.engine = Engine()
        self.steps: list[Step] = []
        self.frames: list[Frame] = []
        self.heads: list[int] = [0]
        self._stamper = Stamper()

    def feed(self, parts: list[Part]) -> "Run":
        for part in parts:
            if part.kind is None:
                self._roll()
            else:
                self.take(part.kind, part.payload, conn=part.conn)
        return self

    def take(self, kind: Kind, payload: bytes, *, conn: int = 0, topic: str = "") -> list[Row]:
        frame = self._stamper.frame(kind, payload, conn=conn, topic=topic)
        self.frames.append(frame)
        self.steps.append(step(frame, self.engine.feed(frame)))
        return self.steps[-1].rows

    def _roll(self) -> None:
        keyframes = list(self.engine.keyframes())
        self.heads.append(len(self.frames))
        self.take(Kind.SEGMENT, b"{}")
        for topic, state in keyframes:
            self.take(Kind.KEYFRAME, state, topic=topic)


def known(order: OrderState) -> Known:
    """An order as the model says it."""
    return Known(
        order.row, order.executed_qty, order.executed_quote_qty, order.missed_qty, order.sure
    )


def answers(state: State) -> dict[str, object]:
    """All there is to ask for."""
    found: dict[str, object] = {
        "tickers": state.tickers(),
        "quotes": state.quotes(),
        "liquidations": state.liquidations(),
        "orders": state.orders(),
        "open orders": state.open_orders(),
        "my trades": state.my_trades(),
        "positions": state.positions(),
        "balances": state.balances(),
        "rfqs": state.rfqs(),
    }
    for market in MARKETS:
        found |= {
            f"{market} quote": state.quote(market),
            f"{market} trades": state.trades(market),
            f"{market} candles": state.candles(market, "1m"),
            f"{market} liquidations": state.liquidations(market),
            f"{market} mark price": state.mark_price(market),
            f"{market} open interest": state.open_interest(market),
            f"{market} orders": state.orders(market),
            f"{market} position": state.position(market),
        }
    return found | {topic: state.has(topic) for topic in TOPICS}


def check_public(state: State, model: Model) -> None:
    """Against the model, for each market."""
    for market in MARKETS:
        assert state.quote(market) == model.quote(market)
        assert state.ticker(market) == model.last(f"ticker.{market}", "ticker")
        assert state.mark_price(market) == model.last(f"markPrice.{market}", "mark_price")
        assert state.open_interest(market) == model.last(f"openInterest.{market}", "open_interest")
        assert list(state.trades(market)) == model.trades(market, MOST)
        assert list(state.candles(market, "1m")) == model.candles(market, "1m", MOST)
        assert list(state.liquidations(market)) == model.liquidations(market, MOST)
    assert list(state.liquidations()) == model.rows("liquidation", "liquidation")[-MOST:]
    lasts = [state.ticker(market) for market in MARKETS]
    assert {row.seq for row in state.tickers()} == {row.seq for row in lasts if row}


def check_account(state: State, model: Model) -> None:
    """Against the model."""
    orders = model.orders(ORDERS)
    assert [known(order) for order in state.orders()] == orders
    assert [o.row for o in state.open_orders()] == [
        o.row for o in orders if o.row.state in ("New", "PartiallyFilled")
    ]
    assert [known(o) for o in state.orders(B)] == [o for o in orders if o.row.symbol == B]
    assert list(state.my_trades()) == model.fills(ORDERS)
    positions = model.each(POSITIONS, "position", lambda row: row.symbol)
    assert [row.seq for row in state.positions()] == [r.seq for r in positions if r.net_qty]
    for market in MARKETS:
        found = [row for row in positions if row.symbol == market]
        assert state.position(market) == (found[0] if found else None)
    balances = model.each(["account.balanceUpdate"], "balance", lambda row: row.asset)
    assert list(state.balances()) == balances
    assert list(state.rfqs()) == model.each(RFQS, "rfq", lambda row: (row.rfq_id, row.quote_id))


@pytest.mark.parametrize("about", MESSAGES)
@settings(max_examples=examples(40), deadline=None)
@given(data=st.data())
def test_state_is_what_the_rows_say(about: str, data: st.DataObject) -> None:
    """After any frames, and across segments; bounds are small."""
    parts_ = begun(data.draw(parts(MESSAGES[about])))
    with pytest.MonkeyPatch.context() as patch:
        for bound in BOUNDS:
            patch.setattr(bound, MOST)
        run = Run().feed(parts_)
        model = Model(run.steps)
        check_public(run.engine.state, model)
        check_account(run.engine.state, model)


@settings(max_examples=examples(40), deadline=None)
@given(parts(), st.integers(0, 99))
def test_a_segment_alone_knows_as_much(parts: list[Part], cut: int) -> None:
    """The engine that goes on, and one that begins with the last segment or any other: what they
    export, to the byte, and what they answer."""
    run = Run().feed([*parts[: cut % (len(parts) + 1)], Part(None), *parts])
    alone = Engine()
    for frame in run.frames[run.heads[-1 - cut % len(run.heads)] :]:
        alone.feed(frame)
    assert sorted(alone.keyframes()) == sorted(run.engine.keyframes())
    assert alone.digest() == run.engine.digest()
    assert answers(alone.state) == answers(run.engine.state)


@settings(max_examples=examples(40), deadline=None)
@given(parts(MESSAGES["orders"]))
def test_what_was_executed_never_falls(parts: list[Part]) -> None:
    """Nor does what is over come back, whatever comes late or again; nor is more missed than was
    executed. All of what this says of orders is said of each after each frame."""
    run, before = Run(), dict[tuple[str | None, str], OrderState]()
    for part in parts:
        run.feed([part])
        now = {(o.row.symbol, o.row.order_id): o for o in run.engine.state.orders()}
        assert before.keys() <= now.keys()
        for key, order in now.items():
            was = before.get(key, order)
            assert order.executed_qty >= was.executed_qty
            assert order.executed_quote_qty >= was.executed_quote_qty
            assert 0 <= order.missed_qty <= order.executed_qty
            assert was.open or not order.open
        before = now


def order(name: str = "orderFill", stream: str = ORDERS[0], **members: object) -> Part:
    """A message about order 1, on connection 1."""
    usual = {"i": "1", "S": "Bid", "X": "PartiallyFilled", "z": "0", "Z": "0", "E": 1, "T": 1}
    return Part(Kind.DATA, event(stream, e=name, s=A, **usual | members).encode(), 1)


def filled(done: int, last: int, stream: str = ORDERS[0]) -> Part:
    """A fill of order 1."""
    return order(stream=stream, z=str(done), l=str(last), L="1", t=done, T=done)


def only(run: Run) -> OrderState:
    """The one order there is."""
    (found,) = run.engine.state.orders()
    return found


def test_fills_that_were_missed_are_counted_until_they_come() -> None:
    run = Run().feed([order("orderAccepted", X="New"), filled(2, 2), filled(9, 1)])
    assert (only(run).executed_qty, only(run).missed_qty) == (9_000_000, 6_000_000)
    run.feed([filled(5, 3), filled(5, 3)])
    assert (only(run).executed_qty, only(run).missed_qty) == (9_000_000, 3_000_000)
    assert [row.trade_id for row in run.engine.state.my_trades()] == [2, 9, 5]
    assert only(run).row.trade_id == 9


def test_what_was_missed_beyond_many_stretches_stays_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("market.orders.STRETCHES_KEPT", 2)
    run = Run().feed([filled(done, 1) for done in (2, 4, 6, 8)])
    assert (only(run).missed_qty, only(run).given_up) == (4_000_000, 2_000_000)
    run.feed([filled(1, 1), filled(5, 1), Part(None)])
    assert only(run).missed_qty == 3_000_000


def test_what_is_kept_of_orders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("RESTING_KEPT", "OVER_KEPT", "FILLS_KEPT"):
        monkeypatch.setattr(f"market.orders.{bound}", 2)
    run = Run()
    for number in "123":
        run.feed([order("orderAccepted", i=number, X="New")])
        run.feed([order(i=f"1{number}", X="Filled", z="1", l="1", L="1", t=7)])
    state = run.engine.state
    assert [o.row.order_id for o in state.orders()] == ["2", "12", "3", "13"]
    assert [o.row.order_id for o in state.open_orders()] == ["2", "3"]
    assert [row.order_id for row in state.my_trades()] == ["12", "13"]


def test_of_many_things_those_heard_of_last_are_kept() -> None:
    run = Run()
    for number in (*range(RFQS_KEPT), 0, RFQS_KEPT):
        text = event(RFQS[0], e="rfqActive", s=A, R=number, E=1)
        run.take(Kind.DATA, text.encode())
    run.feed([Part(None)])
    kept = [row.rfq_id for row in run.engine.state.rfqs()]
    assert kept == [*range(2, RFQS_KEPT), 0, RFQS_KEPT]


def test_two_streams_of_an_account_make_up_for_each_other() -> None:
    """Each heard another fill; one of them was interrupted."""
    one, other = ORDERS
    run = Run().feed([filled(1, 1, stream=one), filled(2, 1, stream=other)])
    run.feed([filled(3, 1, stream=stream) for stream in ORDERS])
    assert (only(run).executed_qty, only(run).missed_qty) == (3_000_000, 0)
    run.feed([Part(Kind.SENT, subscribe(other), 1)])
    assert only(run).sure
    run.feed([Part(Kind.SENT, subscribe(one), 1)])
    assert not only(run).sure
    run.feed([order("orderCancelled", X="Cancelled", z="3", T=4)])
    assert only(run).sure
    assert run.engine.state.open_orders() == ()


CLOSED = Part(Kind.CLOSE, to_json(ConnectionClosed(1006, "")), 1)
LOST = Part(Kind.LOSS, to_json(FramesLost("memory")))
AGAIN = Part(Kind.SENT, subscribe(f"bookTicker.{A}", ORDERS[0]), 1)
ELSEWHERE = AGAIN._replace(conn=2)


@pytest.mark.parametrize(
    ("event", "quoted", "sure"),
    [
        (CLOSED, False, False),
        (CLOSED._replace(conn=2), True, True),
        (LOST, False, False),
        (AGAIN, True, False),
        (ELSEWHERE, False, False),
    ],
)
@pytest.mark.parametrize("rolled", [[], [Part(None)]])
def test_what_interrupts_a_stream(
    event: Part, quoted: bool, sure: bool, rolled: list[Part]
) -> None:
    """A quote is gone, and an order in doubt, until the next message; all else stays."""
    texts = (WELL_FORMED["bookTicker"], WELL_FORMED["trade"])
    said = [*(Part(Kind.DATA, text.encode(), 1) for text in texts), order("orderAccepted", X="New")]
    run = Run().feed([*said, *rolled, event, *rolled])
    state = run.engine.state
    assert (state.quote(A) is not None, only(run).sure) == (quoted, sure)
    assert len(state.trades(A)) == 1
    run.feed(said)
    assert state.quote(A) is not None
    assert only(run).sure


def test_since_and_limit() -> None:
    """By the matching engine's time; candles by their start; limits keep the newest."""
    run = Run()
    for number in range(5):
        members = {"t": number, "p": "1", "q": "1", "m": True, "E": 0, "T": number}
        run.take(Kind.DATA, event(f"trade.{A}", e="trade", s=A, **members).encode())
        times = {"t": f"2026-09-02T16:4{number}:00", "T": "2026-09-02T17:00:00"}
        text = event(f"kline.1m.{A}", e="kline", s=A, E=0, X=False, **times)
        run.take(Kind.DATA, text.encode())
    state = run.engine.state
    assert [row.trade_id for row in state.trades(A, since=3_000)] == [3, 4]
    assert [row.trade_id for row in state.trades(A, since=1_000, limit=3)] == [2, 3, 4]
    assert [row.trade_id for row in state.trades(A, limit=9)] == [0, 1, 2, 3, 4]
    assert state.trades(A, limit=0) == ()
    with pytest.raises(UsageError, match="a limit of -1"):
        state.trades(A, limit=-1)
    every = state.candles(A, "1m")
    assert state.candles(A, "1m", since=every[2].ts_open, limit=2) == every[3:]
    with pytest.raises(UsageError, match=r"no candles of '7m'; there are: 1s, 1m, .*1month"):
        state.candles(A, "7m")
    assert [i for i in INTERVALS if state.candles(A, i)] == ["1m"]


def test_a_single_symbol_is_not_taken_for_several() -> None:
    """By its letters, or as a part of another; and one that is named twice has one row."""
    run = Run()
    for symbol in (A, f"{A}_PERP"):
        text = event(POSITIONS[0], s=symbol, q="1")
        run.take(Kind.DATA, text.encode())
    run.take(Kind.DATA, event(f"bookTicker.{A}", e="bookTicker", s=A, E=1, u=1).encode())
    run.feed([Part(None)])
    state = run.engine.state
    for ask in (state.positions, state.quotes, state.tickers):
        with pytest.raises(UsageError, match="is one symbol"):
            ask(f"{A}_PERP")
    assert len(state.positions([A, A])) == len(state.quotes([A, A])) == 1


def test_what_was_not_asked_for_is_told_from_what_has_not_come() -> None:
    run = Run().feed([Part(Kind.SENT, subscribe(f"ticker.{A}", "account.orderUpdate"), 1)])
    state = run.engine.state
    assert state.has(f"ticker.{A}")
    assert state.ticker(A) is None
    assert state.has("account.orderUpdate")
    assert not state.has(f"ticker.{B}")
    assert not state.has("nothing")
    assert state.ticker(B) is None
    assert state.order(A, "1") is None


@pytest.mark.parametrize("stream", [f"ticker.{A}", f"kline.1m.{A}", "account.orderUpdate"])
def test_a_stream_without_a_keyframe_begins_with_nothing(stream: str) -> None:
    """As in recordings that were made before there was a state, or where it was left out."""
    run = Run().feed([Part(Kind.SENT, subscribe(stream), 1), Part(None)])
    (keyframe,) = (frame for frame in run.frames if frame.topic == stream)
    assert run.engine.state.has(stream)
    run.take(Kind.SEGMENT, b"{}")
    assert not run.engine.state.has(stream)
    (row,) = run.take(Kind.KEYFRAME, b'{"conn":1,"rows":[["trade"]],"fills":7}', topic=stream)
    assert row.TABLE == "reject"
    assert run.take(Kind.KEYFRAME, keyframe.payload, topic=stream) == []


def test_a_keyframe_has_rows_of_its_stream_only() -> None:
    run = Run().feed([Part(Kind.DATA, WELL_FORMED["openInterest"].encode(), 1), Part(None)])
    (keyframe,) = (f for f in run.frames if f.topic == "openInterest.SOL_USDC_PERP")
    (row,) = run.take(Kind.KEYFRAME, keyframe.payload, topic=f"ticker.{A}")
    assert isinstance(row, Reject)
    assert row.detail == "not rows of the table ticker"
