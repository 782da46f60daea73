"""REST of the sample as of its moments: shapes, errors, and nothing that came later."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replay.server.replies import Reply
from replay.server.rest import ENDPOINTS, Rest
from schemas.errors import TapeError
from schemas.rows import MarkPrice, OpenInterest, Ticker, Trade
from schemas.topics import INTERVALS
from tape.history import History, Mark
from tape.layout import Tape
from tests.replay.server.asking import JSON_TYPE, TEXT_TYPE, Asking
from tests.shared import SHARED, needs_shared
from tests.venue.shadow_book import ShadowBook, trimmed

SAMPLE = Asking(Tape(Path(__file__).resolve().parents[3] / "data" / "sample"))
LAST = 6_906  # frames of the sample
JOINED = {"SOL_USDC": 22, "BTC_USDC_PERP": 15}  # number of the snapshot that joined
UNKNOWN, CLOSED = "NOPE_USDC", "MOBILE_USDC"
API = "/api/v1"
LIMITS = ("5", "10", "20", "50", "100", "500", "1000")

seqs = st.integers(1, LAST)
symbols = st.sampled_from(sorted(JOINED))


def examples(low: int, high: int) -> list[dict[str, Any]]:
    """Observed replies with a status in a range."""
    path = SHARED / "samples" / "rest_examples.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [one for one in map(json.loads, lines) if low <= one["status"] <= high]


def shape(value: Any) -> Any:
    """Members in order and types, a list by its first element; what is null may be a text."""
    if isinstance(value, dict):
        return [(name, shape(inner)) for name, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return str if value is None else type(value)


def text_of(scaled: int, digits: int) -> str:
    """As REST writes it, by way of `Decimal`."""
    return trimmed(Decimal(scaled) / 10**digits)


@needs_shared
@pytest.mark.parametrize("seen", examples(200, 299), ids=lambda seen: seen["request"])
def test_replies_have_the_shape_of_those_that_were_observed(seen: dict[str, Any]) -> None:
    """Member by member, in their order."""
    target = seen["request"].removeprefix("GET ").replace("1788281551", "1788367000")
    reply = SAMPLE.reply(target)
    assert (reply.status, reply.content_type) == (seen["status"], seen["content_type"])
    if "body_text" in seen:
        digits = seen["body_text"].isdigit()
        assert len(reply.body) == 13 if digits else reply.body.decode() == seen["body_text"]
        return
    found, wanted = SAMPLE.body(target), seen["body"]
    assert shape(found) == shape(wanted)
    if isinstance(wanted, list):
        assert all(shape(one) == shape(wanted[0]) for one in found)


@needs_shared
@pytest.mark.parametrize("seen", examples(400, 599), ids=lambda seen: seen["request"])
def test_errors_are_those_that_were_observed(seen: dict[str, Any]) -> None:
    """To the letter, but for the content type, which nobody wrote down."""
    target = seen["request"].removeprefix("GET ").replace("/<unknown path>", f"{API}/nope")
    for meant in (UNKNOWN, CLOSED) if "or closed" in target else (UNKNOWN,):
        asked = target.replace("<closed market>", CLOSED)
        for name in ("<unknown>", "<unknown or closed>"):
            asked = asked.replace(name, meant)
        reply = SAMPLE.reply(asked)
        if "body_text" in seen:
            wanted = (seen["status"], seen["body_text"], TEXT_TYPE)
        else:
            wanted = (seen["status"], json.dumps(seen["body"], separators=(",", ":")), JSON_TYPE)
        assert (reply.status, reply.body.decode(), reply.content_type) == wanted


NO_SYMBOL = 'failed to parse parameter `symbol`: Type "string" expects an input value.'
NO_VALUE = "Expect a valid enumeration value."
U16, U64, I64 = "integer(uint16)", "integer(uint64)", "integer(int64)"


@pytest.mark.parametrize(
    ("target", "text"),
    [
        *((f"/{name}", NO_SYMBOL) for name in ("depth", "depth?limit=7", "market", "ticker")),
        *((f"/{name}", NO_SYMBOL) for name in ("trades", "trades/history", "fundingRates")),
        ("/klines", NO_SYMBOL),
        ("/klines?symbol=A", '`interval`: Type "KlineInterval" expects an input value.'),
        (
            "/klines?symbol=A&interval=1M",
            f'`interval`: failed to parse "KlineInterval": {NO_VALUE}',
        ),
        ("/klines?symbol=A&interval=1m", f'`startTime`: Type "{I64}" expects an input value.'),
        ("/klines?symbol=A&interval=1m&startTime=1.5", f'"{I64}": invalid digit found in string'),
        (
            f"/klines?symbol=A&interval=1m&startTime=-{2**63 + 1}",
            f'"{I64}": number too small to fit in target type',
        ),
        (
            "/klines?symbol=A&interval=1m&startTime=1&priceType=last",
            f'"KlinePriceType": {NO_VALUE}',
        ),
        ("/klines?symbol=A&interval=1m&startTime=1&source=x", f'"KlineSource": {NO_VALUE}'),
        ("/markets?marketType=SPOT&marketType=spot", f'"MarketType": {NO_VALUE}'),
        ("/markPrices?marketType=x", f'"MarketType": {NO_VALUE}'),
        ("/ticker?symbol=A&interval=1h", f'"TickerInterval": {NO_VALUE}'),
        ("/tickers?interval=", f'"TickerInterval": {NO_VALUE}'),
        ("/trades?symbol=A&limit=", f'"{U16}": cannot parse integer from empty string'),
        ("/trades?symbol=A&limit=x", f'"{U16}": invalid digit found in string'),
        ("/trades?symbol=A&limit=-1", f'"{U16}": invalid digit found in string'),
        ("/trades?symbol=A&limit=65536", f'"{U16}": number too large to fit in target type'),
        ("/trades?symbol=A&limit=" + "9" * 9_999, f'"{U16}": number too large to fit in target'),
        ("/trades?symbol=A&limit=1001", "verification failed. maximum(1000, exclusive: false)"),
        ("/trades?symbol=A&limit=0", "verification failed. minimum(1, exclusive: false)"),
        ("/trades/history?symbol=A&offset=x", f'"{U64}": invalid digit found in string'),
        ("/fundingRates?symbol=A&limit=10001", "verification failed. maximum(10000, exclusive"),
    ],
)
def test_a_bad_parameter_is_told_in_plain_text(target: str, text: str) -> None:
    """Before it is looked whether there is such a market."""
    reply = SAMPLE.reply(API + target)
    assert (reply.status, reply.content_type) == (400, TEXT_TYPE)
    assert reply.body.startswith(b"failed to parse parameter `")
    assert text.encode() in reply.body


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        *(
            (f"/{name}?symbol={UNKNOWN}", 400, "INVALID_CLIENT_REQUEST")
            for name in ("market", "ticker", "trades", "trades/history", "openInterest")
        ),
        *((f"/{name}?symbol=", 400, "INVALID_CLIENT_REQUEST") for name in ("depth", "market")),
        (f"/fundingRates?symbol={UNKNOWN}", 400, "INVALID_CLIENT_REQUEST"),
        (f"/klines?symbol={UNKNOWN}&interval=1m&startTime=1", 400, "INVALID_CLIENT_REQUEST"),
        ("/depth?symbol=sol_usdc", 400, "INVALID_CLIENT_REQUEST"),
        ("/depth?symbol=AAPL.US_USDC", 404, "RESOURCE_NOT_FOUND"),  # its book was not recorded
        ("/trades/history?symbol=SOL_USDC&limit=1000&offset=9001", 400, "INVALID_RANGE"),
    ],
)
def test_semantic_errors_are_json(target: str, status: int, code: str) -> None:
    reply = SAMPLE.reply(API + target)
    assert (reply.status, reply.content_type) == (status, JSON_TYPE)
    assert json.loads(reply.body)["code"] == code


@pytest.mark.parametrize(
    "target",
    [
        *("", "/", "//", "//[", "?", API, f"{API}/", f"{API}/depth/", f"{API}//depth", "/depth"),
        *(f"{API}/collateral", f"{API}/account", f"{API}/%00", f"{API}/\x00", f"{API}/\ud800"),
    ],
)
def test_an_unknown_path_is_not_found(target: str) -> None:
    assert SAMPLE.reply(target) == Reply(404, b"not found", TEXT_TYPE)


def test_no_data_is_no_content_for_one_market_and_left_out_of_a_list() -> None:
    for target in ("/ticker?symbol=AAPL.US_USDC", "/ticker?symbol=SOL_USDC&interval=1w"):
        assert SAMPLE.reply(API + target) == Reply(204, b"", "")
    assert SAMPLE.reply(f"{API}/ticker?symbol=SOL_USDC", 44) == Reply(204, b"", "")
    assert [one["symbol"] for one in SAMPLE.body(f"{API}/tickers", 44)] == ["BTC_USDC_PERP"]
    assert [one["symbol"] for one in SAMPLE.body(f"{API}/tickers")] == ["SOL_USDC", "BTC_USDC_PERP"]
    assert SAMPLE.body(f"{API}/tickers?interval=1w") == []
    for name in ("trades", "openInterest", "fundingRates"):
        assert SAMPLE.body(f"{API}/{name}?symbol=AAPL.US_USDC", 1) == []


@given(symbols, seqs, st.integers(1, 1_000), st.integers(0, 300))
@settings(max_examples=60)
@example("SOL_USDC", LAST, 1_000, 0)
@example("SOL_USDC", 1, 1, 0)
def test_trades_are_those_that_were_known(symbol: str, seq: int, limit: int, offset: int) -> None:
    """The newest first; quote quantities exact."""
    newest = SAMPLE.known(Trade, symbol, seq)[::-1]
    wanted = [
        {
            "id": trade.trade_id,
            "isBuyerMaker": trade.side == "sell",
            "price": text_of(trade.price, 9),
            "quantity": text_of(trade.qty, 6),
            "quoteQuantity": trimmed(Decimal(trade.price * trade.qty).scaleb(-15)),
            "timestamp": trade.ts_engine // 1_000_000,
        }
        for trade in newest[: limit + offset]
    ]
    query = f"symbol={symbol}&limit={limit}"
    assert SAMPLE.body(f"{API}/trades?{query}", seq) == wanted[:limit]
    assert SAMPLE.body(f"{API}/trades/history?{query}&offset={offset}", seq) == wanted[offset:]


def test_a_hundred_trades_come_unless_more_are_asked_for() -> None:
    assert len(SAMPLE.body(f"{API}/trades?symbol=BTC_USDC_PERP")) == 100
    assert len(SAMPLE.body(f"{API}/trades/history?symbol=BTC_USDC_PERP&offset=150")) == 70


@given(symbols, seqs, st.sampled_from(LIMITS) | st.none())
@settings(max_examples=40)
@example("SOL_USDC", 1, None)
@example("BTC_USDC_PERP", 14, "5")
@example("BTC_USDC_PERP", 15, "5")
@example("SOL_USDC", LAST, "1000")
def test_depth_is_the_book_that_was(symbol: str, seq: int, limit: str | None) -> None:
    """Of the venue's own making: the snapshot, then every frame. Before there was a book, it is the
    one that comes next."""
    joined = JOINED[symbol]
    book = ShadowBook(SAMPLE.frames[joined - 1].payload.decode())
    for data in SAMPLE.depth_frames(symbol, max(seq, joined)):
        book.apply(data)
    query = f"symbol={symbol}" + ("" if limit is None else f"&limit={limit}")
    reply = SAMPLE.reply(f"{API}/depth?{query}", seq)
    assert (reply.status, reply.content_type) == (200, JSON_TYPE)
    assert reply.body.decode() == book.body(None if limit is None else int(limit))


def test_before_the_first_frame_the_first_book_is_there() -> None:
    """So that a client can look around before the replay begins."""
    target = f"{API}/depth?symbol=SOL_USDC"
    assert SAMPLE.rest.reply(target, Mark(0, 0), SAMPLE.now(1)) == SAMPLE.reply(target, 1)
    assert SAMPLE.rest.reply(f"{API}/markets", Mark(0, 0), 0) == SAMPLE.reply(f"{API}/markets")


@given(symbols, seqs, seqs)
@settings(max_examples=30)
def test_ids_never_run_backwards(symbol: str, one: int, other: int) -> None:
    early, late = sorted((one, other))
    depth, trade = f"{API}/depth?symbol={symbol}&limit=5", f"{API}/trades?symbol={symbol}&limit=1"
    ids = [int(SAMPLE.body(depth, seq)["lastUpdateId"]) for seq in (early, late)]
    assert ids == sorted(ids)
    found = [[one["id"] for one in SAMPLE.body(trade, seq)] for seq in (early, late)]
    assert found == sorted(found)


@given(seqs)
@settings(max_examples=40)
@example(LAST)
@example(1)
def test_statistics_are_the_last_that_were_known(seq: int) -> None:
    """Tickers, mark prices, open interest and the rate of the running interval."""
    for symbol in JOINED:
        tickers = SAMPLE.known(Ticker, symbol, seq)[-1:]
        found = [one for one in SAMPLE.body(f"{API}/tickers", seq) if one["symbol"] == symbol]
        assert found == [_ticker(row) for row in tickers]
    marks = SAMPLE.known(MarkPrice, "BTC_USDC_PERP", seq)[-1:]
    found = SAMPLE.body(f"{API}/markPrices", seq)
    assert [one for one in found if one["symbol"] == "BTC_USDC_PERP"] == [_mark(r) for r in marks]
    rates = SAMPLE.body(f"{API}/fundingRates?symbol=BTC_USDC_PERP", seq)
    assert [Decimal(one["fundingRate"]) for one in rates] == [_nine_digits(row) for row in marks]
    interests = SAMPLE.known(OpenInterest, "BTC_USDC_PERP", seq)[-1:]
    assert SAMPLE.body(f"{API}/openInterest", seq) == [
        {
            "openInterest": text_of(row.open_interest, 6),
            "symbol": row.symbol,
            "timestamp": (row.ts_event or 0) // 1_000_000,
        }
        for row in interests
    ]


def _ticker(row: Ticker) -> dict[str, str]:
    first, last = row.open or 0, row.last or 0
    volume, quote_volume = row.volume or Decimal(), row.quote_volume or Decimal()
    percent = (Decimal(last - first) / first).quantize(Decimal("0.000001"))
    return {
        "firstPrice": text_of(first, 9),
        "high": text_of(row.high or 0, 9),
        "lastPrice": text_of(last, 9),
        "low": text_of(row.low or 0, 9),
        "priceChange": text_of(last - first, 9),
        "priceChangePercent": trimmed(percent),
        "quoteVolume": trimmed(quote_volume),
        "symbol": row.symbol or "",
        "trades": str(row.trades),
        "volume": trimmed(volume),
    }


def _mark(row: MarkPrice) -> dict[str, Any]:
    return {
        "fundingRate": trimmed(row.funding_rate or Decimal()),
        "indexPrice": text_of(row.index_price or 0, 9),
        "markPrice": text_of(row.mark_price, 9),
        "nextFundingTimestamp": (row.ts_funding or 0) // 1_000_000,
        "symbol": row.symbol,
    }


def _nine_digits(row: MarkPrice) -> Decimal:
    return Decimal(int((row.funding_rate or Decimal()) * 10**9)).scaleb(-9)


def test_the_market_list_is_as_it_was_recorded() -> None:
    """Byte for byte, also each of its objects."""
    recorded = SAMPLE.frames[2].payload
    assert SAMPLE.frames[2].topic == f"{API}/markets"
    for seq in (1, 3, LAST):
        assert SAMPLE.reply(f"{API}/markets", seq) == Reply(200, recorded, JSON_TYPE)
    objects = {one["symbol"]: one for one in json.loads(recorded)}
    for symbol, market in objects.items():
        reply = SAMPLE.reply(f"{API}/market?symbol={symbol}")
        assert json.loads(reply.body) == market
        assert reply.body in recorded
    for kinds in (["PERP"], ["SPOT", "PREDICTION"], ["RFQ"], ["PERP", "PERP"]):
        query = "&".join(f"marketType={kind}" for kind in kinds)
        found = SAMPLE.body(f"{API}/markets?{query}")
        assert found == [market for market in objects.values() if market["marketType"] in kinds]


def test_assets_are_those_of_the_markets() -> None:
    """And of securities nothing is known: that is a list too, or clients would not go on."""
    assert SAMPLE.body(f"{API}/securities") == []
    found = SAMPLE.body(f"{API}/assets")
    names = [one["symbol"] for one in found]
    assert names[:3] == ["SOL", "USDC", "BTC"]
    assert len(names) == len(set(names))
    assert found[0] == {"coingeckoId": None, "displayName": "SOL", "symbol": "SOL", "tokens": []}


def test_the_time_is_that_of_the_replay() -> None:
    reply = SAMPLE.rest.reply(f"{API}/time", Mark(0, 9), 1_788_285_151_083_999_999)
    assert reply == Reply(200, b"1788285151083", TEXT_TYPE)


def test_parameters_are_read_as_the_venue_reads_them() -> None:
    """Escapes, blanks, and the first of those that come twice."""
    plain = SAMPLE.reply(f"{API}/depth?symbol=SOL_USDC&limit=5")
    for query in (
        "symbol=SOL%5FUSDC&limit=5",
        "limit=5&symbol=SOL_USDC&symbol=NOPE&limit=x",
        "&&symbol=SOL_USDC&&limit=5&x&=y&%zz",
        "symbol=SOL_USDC&limit=5#limit=10",
    ):
        assert SAMPLE.reply(f"{API}/depth?{query}") == plain
    assert SAMPLE.reply(f"{API}/depth?SYMBOL=SOL_USDC").status == 400
    assert SAMPLE.reply(f"{API}/trades?symbol=SOL_USDC&limit=%2B5").status == 200


NAMES = ("symbol", "limit", "offset", "interval", "startTime", "endTime", "marketType")
VALUES = (
    *("SOL_USDC", "BTC_USDC_PERP", "MOBILE_USDC", "AAPL.US_USDC_PERP", "", "0", "-1", "5", "+7"),
    *("1e3", "1.5", "NaN", "9" * 30, "0" * 5_000 + "1", str(2**63), str(2**64 - 1), str(-(2**63))),
    *(
        "1788367400",
        "1788367440",
        "%00",
        "%",
        "%f",
        "%ff%fe",
        "%ud800",
        "\x00",
        "\ud800",
        "٣",
        "🙂",
    ),
    *("Mark", "Index", "Last", "External", "PERP", "1d", "1w", *INTERVALS),
)
parameters = st.tuples(
    st.sampled_from((*NAMES, "priceType", "source", "")) | st.text(max_size=3),
    st.sampled_from(VALUES) | st.text(max_size=5),
).map("=".join)
targets = st.one_of(
    st.text(max_size=30),
    st.builds(
        lambda path, query: f"{path}?{'&'.join(query)}",
        st.sampled_from([*ENDPOINTS, f"{API}/nope"]),
        st.lists(parameters, max_size=6),
    ),
    st.builds(
        lambda *parts: API + "/klines?symbol={}&interval={}&startTime={}&endTime={}".format(*parts),
        symbols, st.sampled_from(INTERVALS), st.integers(), st.sampled_from(VALUES),
    ),
)  # fmt: skip


@given(targets, seqs)
@settings(max_examples=300)
@example(f"{API}/klines?symbol=SOL_USDC&interval=1s&startTime=0&endTime={2**63 - 1}", LAST)
@example(f"{API}/klines?symbol=SOL_USDC&interval=1month&startTime={-(2**63)}&endTime=0", LAST)
@example(f"{API}/depth?" + "&" * 10_000, 1)
@example("/" * 10_000, 1)
def test_whatever_is_asked_is_answered(target: str, seq: int) -> None:
    reply = SAMPLE.reply(target, seq)
    assert reply.status in (200, 204, 400, 404), reply
    assert (reply.status == 204) == (reply.body == b"") == (reply.content_type == "")
    if reply.content_type == JSON_TYPE:
        json.loads(reply.body)


class Damaged(History):
    """A recording that cannot be read."""

    def said(self, path: str, mark: Mark) -> bytes | None:
        raise TapeError(f"{path} is gone")


def test_a_damaged_recording_is_an_error_of_the_server() -> None:
    rest = Rest(Damaged(SAMPLE.tape, [SAMPLE.manifest]))
    for target in (f"{API}/depth?symbol=SOL_USDC", f"{API}/markets", f"{API}/nope"):
        reply = rest.reply(target, Mark(0, LAST), 0)
        assert (reply.status, json.loads(reply.body)["code"]) == (500, "SERVER_ERROR")
        assert "is gone" in json.loads(reply.body)["message"]
    assert rest.reply(f"{API}/ping", Mark(0, LAST), 0) == Reply(200, b"pong", TEXT_TYPE)
