"""Messages of all streams but depth, and what happens to connections, for the tests of the state.

Numbers are few and small, so that what is late, repeated or of another numbering comes often.
"""

import json
from itertools import chain
from typing import Any, NamedTuple

from hypothesis import strategies as st

from schemas.frames import ConnectionClosed, FramesLost, Kind, to_json
from tests.market.stamps import event, subscribe

A, B = MARKETS = ("SOL_USDC", "ETH_USDC_PERP")
ORDERS = ("account.orderUpdate", f"account.orderUpdate.{A}")
POSITIONS = ("account.positionUpdate", f"account.positionUpdate.{A}")
RFQS = ("account.rfqUpdate", f"account.rfqUpdate.{A}")
BALANCES = ("account.balanceUpdate",)
START_US = 1_788_367_430_000_000
TOPICS = [
    *(f"{channel}.{A}" for channel in ("bookTicker", "trade", "kline.1m")),
    *(*ORDERS, POSITIONS[0]),
]


class Part(NamedTuple):
    """A frame to be: kind, payload, connection. No kind: a new segment begins."""

    kind: Kind | None
    payload: bytes = b""
    conn: int = 0


FEW = st.integers(0, 5)
CONNS = st.integers(1, 2)


def _times(draw: st.DrawFn) -> dict[str, int]:
    """Of the venue's two clocks."""
    return {"E": START_US + draw(FEW), "T": START_US + draw(FEW)}


def _market(draw: st.DrawFn) -> tuple[str, str]:
    """Market and stream of one that is of a market."""
    market = draw(st.sampled_from(MARKETS))
    name = draw(st.sampled_from([*["bookTicker"] * 3, "ticker", "markPrice", "openInterest"]))
    return market, f"{name}.{market}"


@st.composite
def plain(draw: st.DrawFn) -> str:
    """Of a stream of which the last row is kept."""
    market, stream = _market(draw)
    channel = stream.partition(".")[0]
    value = str(draw(FEW) + 1)
    members: dict[str, Any] = {"e": channel, "s": market, **_times(draw)}
    if channel == "bookTicker":
        members |= {"u": draw(FEW), "b": value, "B": value, "a": None, "A": None}
    elif channel == "ticker":
        members |= {"c": value, "v": value + ".5"}
    else:
        members |= {"p": value, "f": "-0.00000000039641", "o": value}
    return event(stream, **members)


@st.composite
def trades(draw: st.DrawFn) -> str:
    """Some are so much later that their numbering is another."""
    market = draw(st.sampled_from(MARKETS))
    times = {"E": START_US, "T": START_US + draw(st.sampled_from([0, 0, 0, 0, 1, 5_000_000]))}
    trade_id = draw(st.integers(1, 14))
    members = {"p": "1", "q": "2", "m": True, "t": trade_id, "a": "1", "b": "2"}
    return event(f"trade.{market}", e="trade", s=market, **times, **members)


@st.composite
def klines(draw: st.DrawFn) -> str:
    minute, price = draw(st.integers(0, 3)), draw(st.sampled_from([None, "1", "2"]))
    times = {"t": f"2026-09-02T16:4{minute}:00", "T": f"2026-09-02T16:4{minute + 1}:00"}
    members = {"E": START_US + draw(FEW), "X": draw(st.booleans()), "v": price, "n": 0}
    prices = dict.fromkeys("ohlc", price)
    return event(f"kline.1m.{A}", e="kline", s=A, **times, **members, **prices)


@st.composite
def liquidations(draw: st.DrawFn) -> str:
    market = draw(st.sampled_from(MARKETS))
    stream = draw(st.sampled_from(["liquidation", f"liquidation.{market}"]))
    members = {"q": str(draw(FEW)), "p": "1", "S": "Bid", **_times(draw)}
    return event(stream, e="liquidation", s=market, **members)


@st.composite
def orders(draw: st.DrawFn) -> str:
    """Any events in any order, mostly such as belong together."""
    done, last = draw(FEW), draw(st.integers(1, 3))
    name, state = draw(
        st.sampled_from(
            [
                ("orderAccepted", "New"),
                *[("orderFill", "PartiallyFilled")] * 3,
                ("orderFill", "Filled"),
                ("orderCancelled", "Cancelled"),
                ("orderExpired", "Expired"),
            ]
        )
    )
    market = draw(st.sampled_from([A, A, B]))
    members = {"i": str(draw(st.integers(1, 2))), "S": "Bid", "X": state, **_times(draw)}
    members |= {"z": str(done), "Z": f"{done}.5", "l": str(last), "L": "1"}
    members["t"] = draw(st.sampled_from([None, done, done, done + 10]))
    if draw(st.integers(0, 4)) == 0:
        del members["T"]
    stream = draw(st.sampled_from(ORDERS if market == A else ORDERS[:1]))
    return event(stream, e=name, s=market, **members)


@st.composite
def positions(draw: st.DrawFn) -> str:
    """One, or as they stood when their stream was subscribed: several at once, without ``e``."""
    stream = draw(st.sampled_from(POSITIONS))
    each = st.builds(
        lambda market, qty: {"s": market, "q": qty},
        st.sampled_from([A] if stream.endswith(A) else MARKETS),
        st.sampled_from(["0", "-1", "2.5", 3]),
    )
    one = {**draw(each), "e": "positionAdjusted", **_times(draw)}
    data = draw(st.one_of(st.just(one), st.lists(each, max_size=3)))
    return event(stream).replace("{}", json.dumps(data), 1)


@st.composite
def balances(draw: st.DrawFn) -> str:
    amounts = {"A": str(draw(FEW)), "L": "0.000000000000000001", "S": "0"}
    asset = draw(st.sampled_from(["USDC", "SOL", "BTC"]))
    return event(BALANCES[0], e="balanceUpdate", a=asset, **amounts, **_times(draw))


@st.composite
def rfqs(draw: st.DrawFn) -> str:
    stream = draw(st.sampled_from(RFQS))
    members = {"R": 2**60 + draw(FEW), "u": draw(st.sampled_from([None, 2**61])), "X": "New"}
    return event(stream, e="rfqActive", s=A, **members, **_times(draw))


_LOST = st.booleans().map(lambda ended: to_json(FramesLost("memory", ended=ended)))
_CLOSED = to_json(ConnectionClosed(1006, ""))
EVENTS = st.one_of(
    st.just(Part(None)),
    st.builds(lambda conn: Part(Kind.CLOSE, _CLOSED, conn), CONNS),
    st.builds(lambda payload: Part(Kind.LOSS, payload), _LOST),
    st.builds(
        lambda topics, conn: Part(Kind.SENT, subscribe(*topics), conn),
        st.lists(st.sampled_from(TOPICS), min_size=1, max_size=4),
        CONNS,
    ),
    st.builds(
        lambda text, conn: Part(Kind.DATA, text, conn),
        st.sampled_from([b"{", b'{"stream":"trade.SOL_USDC","data":{"e":"trade"}}']),
        CONNS,
    ),
)


MESSAGES: dict[str, st.SearchStrategy[str]] = {
    "lasts": st.one_of(plain(), plain(), plain(), liquidations()),
    "trades": trades(),
    "candles": klines(),
    "orders": orders(),
    "account": st.one_of(positions(), balances(), rfqs()),
}
ALL = st.one_of(*MESSAGES.values())


def said(messages: st.SearchStrategy[str]) -> st.SearchStrategy[Part]:
    """As frames."""
    return st.builds(lambda text, conn: Part(Kind.DATA, text.encode(), conn), messages, CONNS)


def parts(messages: st.SearchStrategy[str] = ALL) -> st.SearchStrategy[list[Part]]:
    """A recording in the making. In acts, as Hypothesis draws short lists."""
    # By a number, as `one_of` takes apart what it is given and would draw mostly events.
    message, often = said(messages), st.integers(0, 7)
    part = often.flatmap(lambda number: message if number else EVENTS)
    act = st.lists(part, max_size=20)
    return st.tuples(act, act, act).map(lambda acts: list(chain.from_iterable(acts)))


def begun(parts: list[Part]) -> list[Part]:
    """Without ends of losses that never began: after such a one nobody knows which connections are
    open, and messages count as those of several (test_weave)."""
    found: list[Part] = []
    is_open = False
    for part in parts:
        if part.kind is Kind.LOSS:
            ended = json.loads(part.payload).get("ended", False)
            if ended and not is_open:
                continue
            is_open = not ended
        found.append(part)
    return found
