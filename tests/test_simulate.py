"""The simulator: the same bytes for a seed, and a session that a venue could have sent."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from tests.simulate import Plan, Session, simulate

# Changes only with the simulator; the same on every platform and Python version.
DIGEST = "956e84d3b3ef5106155a37674ddc004dfea1243d24f05c47de9139cb0109eba4"
SCALES = {"SOL_USDC": (2, 2), "BTC_USDC_PERP": (1, 5)}
SYMBOLS = sorted(SCALES)

Data = dict[str, Any]


@cache
def session() -> Session:
    return simulate(Plan(seed=1))


def frames_of(topic: str) -> list[Data]:
    envelopes = (json.loads(frame.text) for frame in session().frames)
    return [envelope["data"] for envelope in envelopes if envelope["stream"] == topic]


def digest_of(made: Session) -> str:
    whole = hashlib.sha256()
    for frame in made.frames:
        whole.update(f"{frame.ts_ns} {frame.text}\n".encode())
    for symbol in sorted(made.snapshots):
        whole.update(made.snapshots[symbol].encode())
    return whole.hexdigest()


class PlainBook:
    """Two dicts of Decimal: all a book needs to be."""

    def __init__(self, body: str) -> None:
        snapshot = json.loads(body)
        self.sides = {
            key: {Decimal(price): Decimal(qty) for price, qty in snapshot[name]}
            for key, name in (("a", "asks"), ("b", "bids"))
        }

    def apply(self, data: Data) -> None:
        for key, side in self.sides.items():
            side.update({Decimal(price): Decimal(qty) for price, qty in data[key]})
            for price in [price for price, qty in side.items() if qty == 0]:
                del side[price]

    def top(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        bid, ask = max(self.sides["b"]), min(self.sides["a"])
        return bid, self.sides["b"][bid], ask, self.sides["a"][ask]


def test_same_plan_same_bytes() -> None:
    assert digest_of(simulate(Plan(seed=1))) == digest_of(session()) == DIGEST


def test_other_seed_other_session() -> None:
    assert digest_of(simulate(Plan(seed=2, seconds=5))) != digest_of(simulate(Plan(seconds=5)))


def test_size_and_order_of_time() -> None:
    times = [frame.ts_ns for frame in session().frames]
    assert 6000 <= len(times) <= 9000
    assert times == sorted(times)
    plan = Plan()
    assert plan.start_ns <= times[0]
    assert times[-1] < plan.start_ns + plan.seconds * 10**9


def test_every_kind_of_public_stream_occurs() -> None:
    kinds = {topic.partition(".")[0] for topic in session().topics}
    assert kinds >= {"depth", "bookTicker", "trade", "ticker", "markPrice", "kline"}
    assert kinds >= {"openInterest", "liquidation", "externalTicker"}
    assert kinds >= {"stockPrice", "stockIndicativeQuote"}
    assert "depth.200ms.SOL_USDC" in session().topics


@pytest.mark.parametrize("topic", ["depth.SOL_USDC", "depth.BTC_USDC_PERP", "depth.200ms.SOL_USDC"])
def test_ids_are_contiguous_from_the_snapshot(topic: str) -> None:
    last = int(json.loads(session().snapshots[topic.rpartition(".")[2]])["lastUpdateId"])
    for data in frames_of(topic):
        assert data["U"] == last + 1
        assert data["u"] == data["U"] or "200ms" in topic
        last = data["u"]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_trade_ids_are_sequential_and_times_whole_milliseconds(symbol: str) -> None:
    trades = frames_of(f"trade.{symbol}")
    assert [t["t"] - trades[0]["t"] for t in trades] == list(range(len(trades)))
    assert all(t["T"] % 1000 == 0 for t in trades)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_book_never_crosses_and_book_ticker_is_its_top(symbol: str) -> None:
    book = PlainBook(session().snapshots[symbol])
    tops = {}
    for data in frames_of(f"depth.{symbol}"):
        book.apply(data)
        tops[data["u"]] = book.top()
        assert tops[data["u"]][0] < tops[data["u"]][2]
    tickers = frames_of(f"bookTicker.{symbol}")
    assert len(tickers) > 100
    for data in tickers:
        if data["u"] in tops:
            assert tops[data["u"]] == tuple(Decimal(data[key]) for key in "bBaA")


def test_throttled_and_realtime_lead_to_the_same_book() -> None:
    throttled = frames_of("depth.200ms.SOL_USDC")
    slow = PlainBook(session().snapshots["SOL_USDC"])
    fast = PlainBook(session().snapshots["SOL_USDC"])
    for data in throttled:
        slow.apply(data)
        for key in "ab":
            assert data[key] == sorted(data[key], key=lambda level: Decimal(level[0]))
    for data in frames_of("depth.SOL_USDC"):
        if data["u"] <= throttled[-1]["u"]:
            fast.apply(data)
    assert slow.sides == fast.sides


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_prices_and_sizes_are_padded(symbol: str) -> None:
    places = SCALES[symbol]
    levels = [level for data in frames_of(f"depth.{symbol}") for level in data["a"] + data["b"]]
    for level in levels:
        assert tuple(len(text.partition(".")[2]) for text in level) == places
    deleted = sum(Decimal(qty) == 0 for _, qty in levels)
    assert 0.2 < deleted / len(levels) < 0.5


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_snapshot_in_the_middle(symbol: str) -> None:
    body = json.loads(session().snapshot_at(symbol, 3000))
    book = PlainBook(session().snapshots[symbol])
    for frame in session().frames[:3001]:
        envelope = json.loads(frame.text)
        if envelope["stream"] == f"depth.{symbol}":
            book.apply(envelope["data"])
            last = envelope["data"]["u"]
    assert body["lastUpdateId"] == str(last)
    assert PlainBook(json.dumps(body)).sides == book.sides
    assert session().snapshot_at(symbol, -1) == session().snapshots[symbol]


def test_wire_text_is_compact_and_data_comes_first() -> None:
    for frame in session().frames:
        assert frame.text.startswith('{"data":{')
        assert ": " not in frame.text
    text = next(frame.text for frame in session().frames if '"e":"bookTicker"' in frame.text)
    assert list(json.loads(text)["data"]) == ["A", "B", "E", "T", "a", "b", "e", "s", "u"]


def test_units_and_oddities_of_the_slow_streams() -> None:
    mark = frames_of("markPrice.BTC_USDC_PERP")
    assert all(data["n"] % 3_600_000 == 0 and data["n"] > data["T"] // 1000 for data in mark)
    assert max(len(data["f"].partition(".")[2]) for data in mark) == 28
    candles = frames_of("kline.1m.AAPL.US_USDC")
    assert [(c["X"], c["n"], c["o"], c["v"]) for c in candles] == [(True, 0, None, None)]
    assert [c["X"] for c in frames_of("kline.1m.BTC_USDC_PERP")].count(True) == 1
    assert all(len(str(data["timestamp"])) == 13 for data in frames_of("stockPrice.AAPL"))


def test_streams_are_not_ordered_against_each_other() -> None:
    latest = dict.fromkeys(SYMBOLS, 0)
    ahead = 0
    for frame in session().frames:
        data = json.loads(frame.text)["data"]
        if data.get("e") == "depth" and data["U"] == data["u"]:
            latest[data["s"]] = data["u"]
        if data.get("e") == "bookTicker" and latest[data["s"]]:
            ahead += data["u"] > latest[data["s"]] + 1
    assert ahead > 0


def test_market_list_has_the_awkward_symbols() -> None:
    markets = {market["symbol"]: market for market in json.loads(session().markets)}
    assert len(markets) >= 8
    assert {"AAPL.US_USDC", "kBONK_USDC_PERP", "2Z_USDC_PERP"} <= set(markets)
    assert [m["orderBookState"] for m in markets.values()].count("Closed") == 1
    assert markets["BTC_USDC_PERP"]["filters"]["quantity"]["stepSize"] == "0.00001"


def test_an_account_adds_up() -> None:
    """What its fills say is what its orders, its position and its cash come to."""
    session = simulate(Plan(seed=3, account=True))
    told = [(e["stream"], e["data"]) for e in map(json.loads, (f.text for f in session.frames))]
    public = [frame for frame in session.frames if '"stream":"account.' not in frame.text]
    assert public == simulate(Plan(seed=3)).frames
    held, filled = Decimal(0), defaultdict[str, Decimal](Decimal)
    for data in (data for topic, data in told if topic == "account.orderUpdate"):
        if data["e"] == "orderFill":
            filled[data["i"]] += Decimal(data["l"])
            held += Decimal(data["l"]) * (1 if data["S"] == "Bid" else -1)
        assert filled[data["i"]] == Decimal(data["z"]) <= Decimal(data["q"])
        assert (data["X"] == "Filled") == (data["z"] == data["q"])
    positions = [data["q"] for topic, data in told if topic == "account.positionUpdate"]
    assert len(positions) > 50
    assert Decimal(positions[-1]) == held
