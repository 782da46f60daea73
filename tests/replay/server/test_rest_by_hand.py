"""REST of other recordings, mostly written out by hand: what the sample does not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from replay import Replay
from replay.server.replies import Reply
from replay.server.rest import Rest
from schemas.frames import Kind
from schemas.rows import Trade
from tape.history import History, Mark
from tests.replay.server.asking import JSON_TYPE, Asking
from tests.tapes import START_NS, Recording
from tests.venue.catalogue import Listing, markets_body

NS = 1_000_000_000
API = "/api/v1"
PERP, BET = "BTC_USDC_PERP", "FDV_USDC_PREDICTION"
HOUR = 3_600 * NS
FUNDING = START_NS // HOUR * HOUR + HOUR  # 17:00, 1,010 s after the recording begins
BODY = '{"asks":[["101","2"]],"bids":[["100.5","3"]],"lastUpdateId":"10","timestamp":7}'


class Hand:
    """Writes frames."""

    def __init__(self, root: Path) -> None:
        self.recording = Recording(root)
        self.recording.begin([f"depth.{PERP}"])
        self.recording.connect()

    def at(self, ns: int) -> None:
        """Time passes until then."""
        self.recording.pass_(ns - self.recording.wall)

    def say(self, channel: str, symbol: str, **data: object) -> int:
        """A frame of a stream arrives, 2 ms after it was sent; its number."""
        sent = self.recording.wall // 1_000 - 2_000
        whole = {"E": sent, "T": sent - 1_000, "e": channel, "s": symbol, **data}
        stream = f"{channel}.{symbol}"
        return self.recording.data(json.dumps({"data": whole, "stream": stream})).seq

    def reply(self, path: str, body: str) -> int:
        """A REST reply arrives; its number."""
        self.recording.take(Kind.REQUEST, b"", topic=path)
        return self.recording.take(Kind.REPLY, body.encode(), topic=path).seq

    def done(self) -> Asking:
        """The recording ends."""
        return Asking(self.recording.stop())


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    """A recording that has begun."""
    return Hand(tmp_path / "tape")


def test_funding_rates_are_the_last_estimates_before_each_funding(hand: Hand) -> None:
    """Cut to nine decimals; the running interval comes first."""
    hand.reply(f"{API}/markets", markets_body([Listing(PERP, "0.1", "0.00001")]))
    for at, rate, funding in (
        (FUNDING - 2 * NS, "0.0000125", FUNDING),
        (FUNDING - NS, "0.0002438565367033305404731178", FUNDING),
        (FUNDING + NS, "0.5", FUNDING),  # after the event: that is not its rate any more
        (FUNDING + 2 * NS, "-0.0000000019", FUNDING + HOUR),
        (FUNDING + 2 * HOUR - NS, "0.1", FUNDING + 2 * HOUR),
    ):
        hand.at(at)
        hand.say("markPrice", PERP, p="1", i="1", f=rate, n=funding // 1_000_000)
    asking = hand.done()
    rates = [("0.1", "19:00:00"), ("-0.000000001", "18:00:00"), ("0.000243856", "17:00:00")]
    for query, wanted in (("", rates), ("&limit=1", rates[:1]), ("&limit=2&offset=1", rates[1:])):
        assert asking.body(f"{API}/fundingRates?symbol={PERP}{query}") == [
            {"fundingRate": rate, "intervalEndTimestamp": f"2026-09-02T{end}", "symbol": PERP}
            for rate, end in wanted
        ]


def test_prediction_markets_have_a_mark_price_alone(hand: Hand) -> None:
    """They come only when they are asked for; and so do their market objects."""
    hand.reply(f"{API}/markets", markets_body([Listing(PERP, "0.1", "0.00001")]))
    path = f"{API}/markets?marketType=PREDICTION"
    hand.reply(path, markets_body([Listing(BET, "0.001", "1"), Listing(PERP, "9", "9")]))
    for symbol, more in ((BET, {}), (PERP, {"i": "2", "f": "0.1", "n": 3})):
        hand.say("markPrice", symbol, p="0.50", **more)
        hand.say("openInterest", symbol, o="10.0")
    asking = hand.done()
    bet = {"fundingRate": None, "indexPrice": None, "markPrice": "0.5"}
    bet |= {"nextFundingTimestamp": None, "symbol": BET}
    assert asking.body(f"{API}/markPrices?marketType=PREDICTION") == [bet]
    assert asking.body(f"{API}/markPrices?symbol={BET}") == [bet]
    assert [one["symbol"] for one in asking.body(f"{API}/markPrices")] == [PERP]
    assert [one["symbol"] for one in asking.body(f"{API}/openInterest")] == [PERP, BET]
    assert [one["symbol"] for one in asking.body(f"{API}/markets")] == [PERP]
    assert [one["symbol"] for one in asking.body(path)] == [BET]
    tick = asking.body(f"{API}/market?symbol={PERP}")["filters"]["price"]["tickSize"]
    assert tick == "0.1"


def test_a_ticker_without_prices_is_no_data(hand: Hand) -> None:
    """And one that began at nothing has no change in percent."""
    full = {"o": "0", "h": "2.50", "l": "0", "c": "2", "v": "1", "V": "2", "n": 3}
    seq = hand.say("ticker", PERP, **dict.fromkeys(full))
    hand.say("ticker", PERP, **full)
    asking = hand.done()
    assert asking.reply(f"{API}/ticker?symbol={PERP}", seq) == Reply(204, b"", "")
    assert asking.body(f"{API}/tickers", seq) == []
    found = asking.body(f"{API}/ticker?symbol={PERP}&interval=1d")
    assert (found["high"], found["priceChange"]) == ("2.5", "2")
    assert found["priceChangePercent"] == "N/A"


@pytest.mark.parametrize(("wait", "status"), [(60 * NS, 200), (60 * NS + 1, 404)])
def test_a_book_may_be_ahead_of_the_socket_by_a_minute(hand: Hand, wait: int, status: int) -> None:
    seq = hand.say("depth", PERP, U=9, u=9, a=[], b=[])
    hand.recording.pass_(wait)
    hand.recording.snapshot(PERP, BODY)
    asking = hand.done()
    reply = asking.reply(f"{API}/depth?symbol={PERP}", seq)
    assert reply.status == status
    if status == 200:
        assert reply.body.decode() == BODY
    assert asking.reply(f"{API}/depth?symbol={PERP}").body.decode() == BODY


def test_a_book_that_is_lost_is_not_served_as_if_it_were_not(hand: Hand) -> None:
    """After a gap there is none, until the next snapshot."""
    hand.recording.snapshot(PERP, BODY)
    live = hand.say("depth", PERP, U=11, u=11, a=[], b=[["100.5", "4"]])
    hand.recording.pass_(NS)
    lost = hand.say("depth", PERP, U=15, u=15, a=[], b=[["100.5", "5"]])
    hand.recording.pass_(NS)
    hand.recording.snapshot(PERP, BODY.replace('"10"', '"20"'))
    asking = hand.done()
    ids = [asking.body(f"{API}/depth?symbol={PERP}", s)["lastUpdateId"] for s in (live, lost)]
    assert ids == ["11", "20"]


def test_without_a_market_list_the_markets_are_those_that_were_recorded(hand: Hand) -> None:
    hand.recording.snapshot(PERP, BODY)
    hand.say("trade", "SOL_USDC", t=1, p="2.00", q="3.0", m=True, a="", b="")
    asking = hand.done()
    for name in ("markets", "markets?marketType=SPOT"):
        assert asking.reply(f"{API}/{name}").status == 404
    assert asking.reply(f"{API}/market?symbol={PERP}").status == 400
    assert asking.body(f"{API}/assets") == []
    assert asking.body(f"{API}/depth?symbol={PERP}")["bids"] == [["100.5", "3"]]
    (trade,) = asking.body(f"{API}/trades?symbol=SOL_USDC")
    assert (trade["quoteQuantity"], trade["isBuyerMaker"]) == ("6", True)
    assert asking.reply(f"{API}/trades?symbol=OTHER").status == 400


def test_what_else_was_recorded_is_served_as_it_is(hand: Hand) -> None:
    """The newest that had come; before it came, the first."""
    collateral = f"{API}/collateral?sub=1"
    first = hand.reply(collateral, '[ {"a": 1} ]')
    hand.reply(collateral, "[2]")
    hand.reply(f"{API}/assets", '[{"symbol":"BTC"}]')
    hand.reply(f"{API}/securities", "[]")
    asking = hand.done()
    assert asking.reply(collateral, 1) == Reply(200, b'[ {"a": 1} ]', JSON_TYPE)
    assert asking.reply(collateral, first).body == b'[ {"a": 1} ]'
    assert asking.reply(collateral).body == b"[2]"
    assert asking.reply(f"{API}/collateral").status == 404
    assert asking.body(f"{API}/assets") == [{"symbol": "BTC"}]
    assert asking.body(f"{API}/securities") == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body[:-1],
        lambda body: "{}",
        lambda body: "[" * 5_000,
        lambda body: body.replace('"symbol"', '"name"'),
        lambda body: "[1,null]",
    ],
)
def test_a_market_list_that_cannot_be_read_is_none(hand: Hand, spoil: Callable[[str], str]) -> None:
    body = markets_body([Listing(PERP, "0.1", "0.00001")])
    hand.reply(f"{API}/markets", spoil(body))
    assert hand.done().reply(f"{API}/markets").status == 404


def test_what_is_odd_in_a_market_object_is_passed_on(hand: Hand) -> None:
    """New members, other orders and spaces; one that has no symbol is left out of a choice."""
    body = '[{"symbol": "A_USDC","new":[1.50]}, {"marketType":"SPOT","symbol":"B"},{"x":1}]'
    hand.reply(f"{API}/markets", body)
    asking = hand.done()
    assert asking.reply(f"{API}/markets").body.decode() == body
    found = asking.reply(f"{API}/market?symbol=A_USDC").body
    assert found == b'{"symbol": "A_USDC","new":[1.50]}'
    assert asking.reply(f"{API}/markets?marketType=SPOT").body == (
        b'[{"marketType":"SPOT","symbol":"B"}]'
    )
    assert asking.reply(f"{API}/depth?symbol=A_USDC").status == 404


def test_over_segments_and_gaps_it_is_what_a_replay_knows(eventful_recording: Recording) -> None:
    """The book where there is one, and the trades of all segments so far."""
    replay = Replay(eventful_recording.tape.root)
    rest = Rest(History(replay.tape, replay.segments))
    trades: list[int] = []
    compared = 0
    for number, (frame, rows) in enumerate(replay.frames()):
        trades += [r.trade_id for r in rows if isinstance(r, Trade) and r.symbol == "SOL_USDC"]
        if number % 40:
            continue
        segment = next(i for i, s in enumerate(replay.segments) if frame.seq <= s.last_seq)
        mark = Mark(segment, frame.seq)
        found = json.loads(rest.reply(f"{API}/trades?symbol=SOL_USDC", mark, 0).body or b"null")
        if trades:
            assert [one["id"] for one in found] == trades[::-1][:100]
        book = replay.book("SOL_USDC")
        if book is not None:
            reply = rest.reply(f"{API}/depth?symbol=SOL_USDC", mark, 0)
            assert json.loads(reply.body)["lastUpdateId"] == str(book.last_update_id)
            bids = [[level.pretty.split(" @ ")[i] for i in (1, 0)] for level in book.bids.top()]
            assert json.loads(reply.body)["bids"] == bids[::-1]
            compared += 1
    assert compared > 10
