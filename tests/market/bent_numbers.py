"""Control frames as a recorder writes them, in which some numbers have been put out of place."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

from hypothesis import strategies as st

from market.engine import Engine
from schemas.frames import (
    ClockNoted,
    ConnectionClosed,
    ConnectionOpened,
    Frame,
    FramesLost,
    Judgement,
    Kind,
    LoadTurned,
    MessagesCopied,
    Moment,
    RequestFailed,
    SegmentHead,
    SilenceNoted,
    UnionInput,
    to_json,
)
from schemas.shedding import Level
from tests.market.hand import SYMBOL
from tests.market.nasty import NUMBERS, dumps
from tests.market.stamps import Stamper, depth_path, event, subscribe, trades_path, unsubscribe
from tests.market.texts import EVERY

DEPTH, TRADE, QUOTE, TICKER = (f"{c}.{SYMBOL}" for c in ("depth", "trade", "bookTicker", "ticker"))
MOMENT = Moment(7, 1_790_000_000_000_000_000, 5)
SNAPSHOT = b'{"asks":[["9","1"]],"bids":[["1","1"]],"lastUpdateId":"%d","timestamp":1}'
MARKETS = (
    b'[{"symbol":"A","filters":{"price":{"tickSize":"0.1"},"quantity":{"stepSize":"1"}},'
    b'"fundingInterval":28800000,"createdAt":"2026-01-01T00:00:00"}]'
)

Told = tuple[Kind, str, bytes, int]  # kind, topic, payload, connection


def depth(first: int, last: int = 0, conn: int = 1) -> Told:
    """A delta."""
    members = {"E": 9, "T": 9, "U": first, "u": last or first, "a": [["9", "2"]], "b": [["1", "3"]]}
    return Kind.DATA, "", event(DEPTH, e="depth", s=SYMBOL, **members).encode(), conn


def trade(number: int, conn: int = 1, us: int = 9) -> Told:
    """A trade."""
    members = {"E": us, "T": us, "p": "1", "q": "1", "m": True, "t": number}
    return Kind.DATA, "", event(TRADE, e="trade", s=SYMBOL, **members).encode(), conn


def quote(number: int) -> Told:
    """A bookTicker that is not the touch."""
    members = {"E": 9, "T": 9, "u": number, "b": "1", "B": "3", "a": "9", "A": "7"}
    return Kind.DATA, "", event(QUOTE, e="bookTicker", s=SYMBOL, **members).encode(), 1


def noted(kind: Kind, payload: bytes = b"", topic: str = "", conn: int = 0) -> Told:
    """Any other frame."""
    return kind, topic, payload, conn


ASK, FETCH = noted(Kind.REQUEST, topic=depth_path(SYMBOL)), noted(Kind.REQUEST, topic="x")
PAGE = noted(
    Kind.REPLY,
    b'[{"id":7,"price":"1","quantity":"1","isBuyerMaker":true,"timestamp":1}]',
    trades_path(SYMBOL, 9),
)
OPEN_1, OPEN_2 = (noted(Kind.OPEN, to_json(ConnectionOpened("ws://a")), "", n) for n in (1, 2))
SENT_1, SENT_2 = (noted(Kind.SENT, subscribe(DEPTH, TRADE, QUOTE, TICKER), "", n) for n in (1, 2))
CLOSE = noted(Kind.CLOSE, to_json(ConnectionClosed(1006, "")), "", 1)
LOST = noted(Kind.LOSS, to_json(FramesLost("memory", 3, 400, ended=True)))
QUIET = noted(Kind.COPIES, to_json(MessagesCopied([7], [2], [900], [12])))
TURNS = [
    noted(Kind.LOAD, to_json(LoadTurned(level, {TRADE: 5, DEPTH: 7}, 90)))
    for level in (Level.NOTHING, Level.NO_ROWS, Level.ALL)
]
REPLY = noted(Kind.REPLY, SNAPSHOT % 10, depth_path(SYMBOL))
JOINED = [OPEN_1, SENT_1, ASK, REPLY, depth(11), trade(5), trade(8), PAGE, quote(11), quote(15)]
OTHERS = [
    *(noted(Kind.DATA, text.encode(), "", 1) for text in EVERY.values()),
    noted(Kind.REPLY, MARKETS, "/api/v1/markets"),
]
# What an engine may be in the midst of, when a segment begins.
MIDST: dict[str, list[Told]] = {
    "several": [*JOINED, OPEN_2, SENT_2, depth(14), trade(12), ASK, depth(12, 12)],
    "others": OTHERS,
    "buffering": [OPEN_1, SENT_1, depth(5), depth(6), trade(5), ASK],
    "lost": [*JOINED, depth(20), noted(Kind.LOSS, to_json(FramesLost("memory")))],
    "shed": [*JOINED, TURNS[0], depth(12), TURNS[1], trade(9)],
    "ended": [*JOINED, noted(Kind.SENT, unsubscribe(TRADE, QUOTE), "", 1), CLOSE],
}
# What uses all that is remembered.
AFTER: list[Told] = [
    *(QUIET, depth(13, conn=2), depth(16), trade(7), trade(11, 2), trade(30), quote(16)),
    *(TURNS[1], depth(40), TURNS[2], ASK, REPLY, PAGE, depth(11), trade(31, us=5_000_000)),
    *(LOST, OPEN_2, CLOSE, OPEN_1, depth(50), ASK, noted(Kind.REPLY, SNAPSHOT % 60, ASK[1])),
    *(depth(61), quote(61), noted(Kind.CLOSE, CLOSE[2], "", 2), depth(70, conn=3)),
]
HEAD = SegmentHead(
    "20261122T063000Z-0000", 1, 4, "0", (DEPTH,), "ws://a", "http://a", 5, 60_000_000_000,
    union=(UnionInput("20261122T063000Z-0000", 3, 2, "0"),),
)  # fmt: skip
NOTES: list[Told] = [
    noted(Kind.SEGMENT, to_json(HEAD)),
    *(OPEN_1, CLOSE, SENT_1, LOST, *TURNS, QUIET),
    noted(Kind.FAILED, to_json(RequestFailed(429, "", "")), ASK[1]),
    noted(Kind.CLOCK, to_json(ClockNoted(5, 1_795_330_800_000, 7_000_000))),
    noted(Kind.SILENCE, to_json(SilenceNoted(Judgement.DEAD, "", "", MOMENT, MOMENT)), DEPTH),
    noted(Kind.CHECKPOINT, b'{"frames":"0","rows":"0"}'),
]


class Feeder:
    """An engine, and all frames it was fed."""

    def __init__(self) -> None:
        self.engine = Engine()
        self._stamper = Stamper()

    def frame(self, told: Told) -> Frame:
        """As a door would stamp it."""
        kind, topic, payload, conn = told
        return self._stamper.frame(kind, payload, conn=conn, topic=topic)


@cache
def keyframes(story: str) -> list[Told]:
    """Of an engine in the midst of something."""
    feeder = Feeder()
    for told in MIDST[story]:
        feeder.engine.feed(feeder.frame(told))
    return [noted(Kind.KEYFRAME, state, name) for name, state in feeder.engine.keyframes()]


class Leaf(NamedTuple):
    """A number in a JSON value, or where one may be: what holds it, and where in there."""

    holder: Any
    place: Any

    def put(self, number: Any) -> None:
        """Another one there."""
        self.holder[self.place] = number


def leaves(value: Any) -> list[Leaf]:
    """All of them."""
    found: list[Leaf] = []
    for place, inner in enumerate(value) if isinstance(value, list) else value.items():
        if isinstance(inner, list | dict):
            found += leaves(inner)
        elif inner is None or type(inner) is int:
            found.append(Leaf(value, place))
    return found


@st.composite
def bent_notes(draw: st.DrawFn) -> Told:
    """A control frame of any kind with one or two of its numbers, or nulls, made any others."""
    story = draw(st.sampled_from([*MIDST, ""]))
    kind, topic, payload, conn = draw(st.sampled_from(keyframes(story) if story else NOTES))
    value = json.loads(payload)
    found = leaves(value)
    for leaf in draw(st.lists(st.sampled_from(found), min_size=1, max_size=2)) if found else ():
        leaf.put(draw(st.one_of(st.sampled_from(NUMBERS), st.integers())))
    return kind, topic, dumps(value), conn
