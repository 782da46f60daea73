"""A recording made up by hand, so that each table, stream and kind of frame has a golden row.

Values are invented; shapes are those of protocol sections 1 to 4.
"""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from schemas.frames import (
    Checkpoint,
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
    to_json,
)
from schemas.requests import MARKETS_PATH
from schemas.shedding import Level
from tests.market.stamps import (
    Stamper,
    depth_path,
    event,
    subscribe,
    trades_path,
    unsubscribe,
)
from tests.market.texts import ACCOUNT, WELL_FORMED
from tests.venue.catalogue import Listing, markets_body

Part = tuple[Kind, bytes, int, str]  # kind, payload, connection, topic

KEYFRAMES = Path(__file__).with_name("keyframes.jsonl")
MARKET = "2Z_USDC_PERP"
DEPTH = f"depth.{MARKET}"
SLOW = f"depth.600ms.{MARKET}"
HEAD = SegmentHead("20261122T060000Z", 1, 1, "0.1.0", (DEPTH,), "wss://venue", "https://venue")
SHOT = (
    '{"asks":[["0.1235","100"],["0.124","2000.5"]],"bids":[["0.12","10"],["0.1234","7"]],'
    '"lastUpdateId":"41","timestamp":1788367430000000}'
)


def depth(first: int, last: int, bids: str, asks: str, stream: str = DEPTH) -> str:
    """A depth frame; levels as ``price:qty`` with spaces between."""
    us = 1_788_367_430_000_000 + last * 1_000
    levels = [[part.split(":") for part in side.split()] for side in (asks, bids)]
    members = {"E": us + 150, "T": us, "U": first, "u": last, "a": levels[0], "b": levels[1]}
    return event(stream, e="depth", s=MARKET, **members)


def quote(update_id: int, bid: str, ask: str) -> str:
    """A bookTicker frame; a side as ``price:qty``, or empty."""
    us = 1_788_367_430_000_000 + update_id * 1_000
    sides: dict[str, str | None] = {}
    for names, side in ((("b", "B"), bid), (("a", "A"), ask)):
        sides |= dict(zip(names, side.split(":") if side else (None, None), strict=True))
    members = {"E": us + 140, "T": us, "u": update_id, **sides}
    return event(f"bookTicker.{MARKET}", e="bookTicker", s=MARKET, **members)


def trade(trade_id: int, maker: bool) -> str:
    """A trade frame."""
    members = {"E": 1788367431000150, "T": 1788367431000000, "m": maker, "t": trade_id}
    stream = f"trade.{MARKET}"
    return event(stream, e="trade", s=MARKET, p="0.1235", q="60.0", a="8", b="7", **members)


MESSAGES = (
    depth(41, 41, "0.1234:7.0", ""),
    depth(42, 42, "0.1234:0.0 0.1233:5.5", "0.1235:40.0"),
)
LIVE_MESSAGES = (
    depth(42, 42, "0.1234:0.0 0.1233:5.5", "0.1235:40.0"),  # a repeat
    depth(43, 43, "", ""),  # empty
    depth(40, 44, "0.1200:12.0", "", SLOW),  # straddles the snapshot
    trade(5, True),
    trade(5, True),  # a repeat
    trade(8, False),  # two missing
    depth(46, 46, "0.1300:1.0", ""),  # two missing
    depth(47, 47, "0.12345678901:1.0", ""),  # fits no column
    '{"id":null,"error":{"code":4006,"message":"Invalid stream"}}',
    '{"data":{"e":"news","s":"2Z_USDC_PERP"},"stream":"news.2Z_USDC_PERP"}',
    '{"data":{},"id":7}',
    "oops",
    *WELL_FORMED.values(),
)
SHOT_AFTER = SHOT.replace("2000.5", "2000.7").replace('"41"', '"48"')
AUDITED = (
    quote(48, "0.1234:7", "0.1235:100"),  # the touch
    quote(49, "0.1236:1", ""),  # early, and wrong: no ask
    depth(49, 49, "0.1236:1.0", ""),
)


def frames() -> Iterator[Frame]:
    """All of it."""
    stamper = Stamper()
    for kind, payload, conn, topic in chain(_parts(), _head(), _doubts()):
        yield stamper.frame(kind, payload, conn=conn, topic=topic)


def _head() -> Iterator[Part]:
    """Keyframes as engines wrote them that kept nothing beside books and ids."""
    yield Kind.SEGMENT, to_json(HEAD), 0, ""
    for line in KEYFRAMES.read_text("utf-8").splitlines():
        name, state = json.loads(line)
        yield Kind.KEYFRAME, state.encode(), 0, name


def _load() -> Iterator[Part]:
    """More is shed, then less: quotes make no rows, then are not taken."""
    yield Kind.LOAD, to_json(LoadTurned(Level.NO_ROWS)), 0, ""
    for text in (quote(50, "0.1234:7", "0.1235:100"), trade(9, True), trade(10, True)):
        yield Kind.DATA, text.encode(), 1, ""
    yield Kind.LOAD, to_json(LoadTurned(Level.NO_QUOTES)), 0, ""
    lost = {f"bookTicker.{MARKET}": 1_000}
    yield Kind.LOAD, to_json(LoadTurned(Level.NO_QUOTES, lost, 180_000)), 0, ""
    yield Kind.LOAD, to_json(LoadTurned(Level.ALL, lost, 180_000)), 0, ""
    yield Kind.LOAD, b'{"level":7}', 0, ""


def _parts() -> Iterator[Part]:
    path = depth_path(MARKET)
    yield Kind.SEGMENT, to_json(HEAD), 0, ""
    yield Kind.OPEN, to_json(ConnectionOpened("wss://venue")), 1, ""
    yield Kind.SENT, subscribe(DEPTH, SLOW), 1, ""
    for text in MESSAGES:
        yield Kind.DATA, text.encode(), 1, ""
    yield Kind.REQUEST, b"", 0, path
    yield Kind.FAILED, to_json(RequestFailed(503, "Service Unavailable", "busy")), 0, path
    yield Kind.REQUEST, b"", 0, path
    yield Kind.REPLY, SHOT.encode(), 0, path
    for text in LIVE_MESSAGES:
        yield Kind.DATA, text.encode(), 1, ""
    yield Kind.BINARY, b"\x00", 1, ""
    yield Kind.REPLY, b"<html>", 0, path


def _doubts() -> Iterator[Part]:
    """What shows in the second segment: audits, clocks, losses, the end of a connection."""
    path = depth_path(MARKET)
    yield Kind.REQUEST, b"", 0, path
    yield Kind.REPLY, SHOT_AFTER.encode(), 0, path
    yield Kind.DATA, AUDITED[0].encode(), 1, ""
    yield Kind.REQUEST, b"", 0, path
    yield Kind.REPLY, SHOT_AFTER.encode(), 0, path
    for text in AUDITED[1:]:
        yield Kind.DATA, text.encode(), 1, ""
    yield Kind.CLOCK, to_json(ClockNoted(-1_500)), 0, ""
    yield Kind.CLOCK, to_json(ClockNoted(2_000_000, 1_790_000_000_123, 41_000_001)), 0, ""
    yield Kind.CLOCK, b'{"step_ns":"soon"}', 0, ""
    copies = MessagesCopied([3, 4], [2, 2], [1_200_000, 950_000], [-15, None])
    yield Kind.COPIES, to_json(copies), 0, ""
    yield Kind.COPIES, to_json(MessagesCopied([3], [2, 3], [1], [0])), 0, ""
    yield Kind.COPIES, to_json(MessagesCopied([3], [2], [2**63], [0])), 0, ""
    yield from _silences()
    yield Kind.LOSS, to_json(FramesLost("memory")), 0, ""
    yield Kind.LOSS, to_json(FramesLost("memory", 12, 3_400, ended=True)), 0, ""
    yield Kind.LOSS, b"{}", 0, ""
    yield from _load()
    yield Kind.DATA, trade(11, False).encode(), 1, ""
    yield Kind.KEYFRAME, b"{}", 0, DEPTH
    yield Kind.CLOSE, to_json(ConnectionClosed(1006, "gone")), 1, ""
    yield Kind.OPEN, to_json(ConnectionOpened("wss://venue")), 2, ""
    for text in ACCOUNT.values():
        yield Kind.DATA, text.encode(), 2, ""
    yield from _lists()
    yield from _healed()
    yield Kind.CHECKPOINT, to_json(Checkpoint("00", "11", "stop")), 0, ""


def _silences() -> Iterator[Part]:
    """A topic that is dead, and heard again; and what cannot be read."""
    since = Moment(7, 1_790_000_000_007_000_000, 5_000_007_000_000)
    until = Moment(60, 1_790_000_000_060_000_000, 5_000_060_000_000)
    dead = SilenceNoted(Judgement.DEAD, "REST is at id 48", "subscribe again", since)
    yield Kind.SILENCE, to_json(dead), 0, DEPTH
    heard = SilenceNoted(Judgement.HEARD, "", "", since, until)
    yield Kind.SILENCE, to_json(heard), 0, DEPTH
    late = SilenceNoted(Judgement.QUIET, "", "", Moment(7, 2**63, 1))
    yield Kind.SILENCE, to_json(late), 0, "liquidation"
    yield Kind.SILENCE, b'{"judgement":"asleep"}', 0, DEPTH


def _lists() -> Iterator[Part]:
    """Market lists, the second with another tick; and streams that nobody wants any more."""
    for tick in ("0.0001", "0.00010", "0.0000000001"):
        listing = Listing(MARKET, tick, "0.1")
        yield Kind.REPLY, markets_body([listing]).encode(), 0, MARKETS_PATH
    yield Kind.REPLY, b"[]", 0, MARKETS_PATH
    yield Kind.REPLY, b"[{}]", 0, MARKETS_PATH
    yield Kind.SENT, subscribe(DEPTH), 2, ""
    yield Kind.DATA, depth(60, 60, "0.1200:1.0", "").encode(), 2, ""
    yield Kind.DATA, depth(61, 61, "0.12345678901:1.0", "").encode(), 2, ""
    yield Kind.SENT, unsubscribe(DEPTH, SLOW), 2, ""
    yield Kind.DATA, depth(62, 62, "0.1200:2.0", "").encode(), 2, ""


def _healed() -> Iterator[Part]:
    """Trades that were missing, by REST, which has some of them otherwise."""
    path, history = trades_path(MARKET, 10), trades_path(MARKET, 10, 50)
    yield Kind.REQUEST, b"", 0, path
    yield Kind.FAILED, to_json(RequestFailed(503, "Service Unavailable", "busy")), 0, path
    yield Kind.REPLY, b'{"code":"SERVER_ERROR"}', 0, path
    yield Kind.REPLY, rest_trades((12, "0.1"), (11, "0.12"), (10, "0.1234"), (9, "1e9")), 0, path
    yield Kind.REPLY, rest_trades((10, "0.1234"), (9, "0.1233")), 0, history


def rest_trades(*said: tuple[int, str]) -> bytes:
    """A reply, the newest first: id and price."""
    fixed = {"isBuyerMaker": False, "quantity": "60", "timestamp": 1788367431000}
    return json.dumps([{"id": number, "price": price} | fixed for number, price in said]).encode()
