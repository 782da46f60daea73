"""Names and patterns against the market list; and the requests that subscribe what they mean."""

from __future__ import annotations

import json

import pytest

from market.streams import PUBLIC, STREAMS
from recorder.catalogue import Catalogue
from recorder.subscriptions import BATCH, batches
from schemas.errors import TopicError, VenueError
from schemas.topics import INTERVALS, Topic
from tests.recorder.market import SOL
from tests.shared import SHARED, needs_shared
from tests.simulate import Plan, simulate
from tests.venue.topics import answer

SPOT = ["0G_USDC", "AAPL.US_USDC", "BONK_USDC", "SOL_USDC"]
PERPS = [
    "2Z_USDC_PERP",
    "AAPL.US_USDC_PERP",
    "BTC_USDC_PERP",
    "QQQ.US_USDC_PERP",
    "kBONK_USDC_PERP",
]
OPEN = sorted(SPOT + PERPS)  # MOBILE_USDC is closed
APPLE = ["AAPL.US_USDC", "AAPL.US_USDC_PERP"]
EVERY = ("depth", "bookTicker", "trade", "ticker", "markPrice", "openInterest")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Dots, lower case, leading digits, a closed market and a post-only one."""
    return Catalogue.read(simulate(Plan(seconds=1)).markets.encode())


def of(channel: str, symbols: list[str]) -> list[str]:
    return [f"{channel}.{symbol}" for symbol in symbols]


# A pattern, and all it stands for, in order.
PATTERNS: list[tuple[str, list[str]]] = [
    ("depth.*", of("depth", OPEN)),
    ("depth.200ms.*", of("depth.200ms", OPEN)),
    ("trade.*_PERP", of("trade", PERPS)),
    ("trade.*_USDC", of("trade", SPOT)),
    ("depth.*.US_*", of("depth", ["AAPL.US_USDC", "AAPL.US_USDC_PERP", "QQQ.US_USDC_PERP"])),
    ("depth.k*", ["depth.kBONK_USDC_PERP"]),
    ("depth.[0-9]*", of("depth", ["0G_USDC", "2Z_USDC_PERP"])),
    ("depth.SOL?USDC", ["depth.SOL_USDC"]),
    ("depth.1000ms.S*", ["depth.1000ms.SOL_USDC"]),
    ("kline.1m.*", of("kline.1m", OPEN)),
    ("kline.*.SOL_USDC", [f"kline.{interval}.SOL_USDC" for interval in INTERVALS]),
    ("kline.1?.SOL_USDC", of("kline", [f"{i}.SOL_USDC" for i in ("1s", "1m", "1h", "1d", "1w")])),
    ("kline.[13]m.k*", of("kline", ["1m.kBONK_USDC_PERP", "3m.kBONK_USDC_PERP"])),
    ("kline.?d.AAPL.US_*", of("kline", [f"{i}.{s}" for s in APPLE for i in ("1d", "3d")])),
    ("markPrice.*", of("markPrice", PERPS)),
    ("openInterest.*", of("openInterest", PERPS)),
    ("liquidation.*_PERP", of("liquidation", PERPS)),
    ("externalTicker.AAPL*", of("externalTicker", APPLE)),
    (
        "*.SOL_USDC",
        [f"{channel}.SOL_USDC" for channel in ("depth", "bookTicker", "trade", "ticker")],
    ),
    ("*.BTC*_PERP", [f"{channel}.BTC_USDC_PERP" for channel in EVERY]),
    ("*.BTC_USDC_PERP", [f"{channel}.BTC_USDC_PERP" for channel in EVERY]),
    ("*.*", [f"{c}.{s}" for s in OPEN for c in (EVERY if s in PERPS else EVERY[:4])]),
]
# Names that stand for themselves.
EXACT = [
    *of("depth", OPEN),
    *["depth.600ms.AAPL.US_USDC_PERP", "bookTicker.2Z_USDC_PERP", "trade.0G_USDC"],
    *["kline.1month.kBONK_USDC_PERP", "ticker.QQQ.US_USDC_PERP", "markPrice.AAPL.US_USDC_PERP"],
    *["openInterest.BTC_USDC_PERP", "liquidation", "liquidation.BTC_USDC_PERP"],
    *["externalTicker.AAPL.US_USDC", "stockPrice.AAPL", "stockIndicativeQuote.BRK.B"],
]


@pytest.mark.parametrize(("pattern", "names"), PATTERNS)
def test_a_pattern_means_these_topics(catalogue: Catalogue, pattern: str, names: list[str]) -> None:
    assert list(catalogue.resolve([pattern])) == names


def test_every_name_a_pattern_means_is_in_the_venues_grammar(catalogue: Catalogue) -> None:
    """And none has a pattern left in it."""
    names = catalogue.resolve([pattern for pattern, _ in PATTERNS])
    assert not [name for name in names if set(name) & set("*?[]")]
    assert answer(json.dumps({"method": "SUBSCRIBE", "params": names})).add == names


def test_exact_names_are_taken_as_they_are(catalogue: Catalogue) -> None:
    """Of every kind of public stream there is."""
    assert list(catalogue.resolve(EXACT)) == EXACT
    assert {Topic.parse(name).channel for name in EXACT} == set(PUBLIC)


def test_order_is_that_of_the_wish_and_each_topic_comes_once(catalogue: Catalogue) -> None:
    wanted = ["trade.SOL_USDC", "depth.*_PERP", "*.SOL_USDC", "depth.BTC_USDC_PERP", "trade.S*"]
    others = ["depth.SOL_USDC", "bookTicker.SOL_USDC", "ticker.SOL_USDC"]
    assert list(catalogue.resolve(wanted)) == ["trade.SOL_USDC", *of("depth", PERPS), *others]


def test_closed_markets_are_never_meant(catalogue: Catalogue) -> None:
    """By a pattern they are passed over, by name they are refused."""
    assert not [name for name in catalogue.resolve(["*.*", "kline.*.*"]) if "MOBILE" in name]
    for name in ("depth.MOBILE_USDC", "*.MOBILE_USDC", "kline.*.MOBILE_USDC", "trade.MOBILE*"):
        with pytest.raises(TopicError, match="MOBILE"):
            catalogue.resolve([name])


@pytest.mark.parametrize("pattern", ["*.*", "*.SOL_USDC", "*.*_PERP", "*.k*"])
def test_no_pattern_means_an_account(catalogue: Catalogue, pattern: str) -> None:
    """That takes a key, and somebody who asks for it."""
    assert not [name for name in catalogue.resolve([pattern]) if Topic.parse(name).private]


ACCOUNT = [f"account.{what}Update" for what in ("order", "position", "balance", "rfq")]
PRIVATE: list[tuple[str, list[str]]] = [
    ("account.*", ACCOUNT),
    *((name, [name]) for name in ACCOUNT),
    ("account.orderUpdate.AAPL.US_USDC_PERP", ["account.orderUpdate.AAPL.US_USDC_PERP"]),
    ("account.positionUpdate.*_PERP", of("account.positionUpdate", PERPS)),
    ("account.rfqUpdate.AAPL.US_USDC_RFQ", ["account.rfqUpdate.AAPL.US_USDC_RFQ"]),
    ("account.rfqUpdate.SOL_USDC", ["account.rfqUpdate.SOL_USDC"]),
    ("account.orderUpdate.MOBILE_USDC", ["account.orderUpdate.MOBILE_USDC"]),  # orders end there
]
NO_PRIVATE = {
    "account": "nearest",
    "account.": "account.orderUpdate",
    "account.orderupdate": "nearest: account.orderUpdate",
    "account.order*": "nearest: account.orderUpdate",
    "account.trade": "nearest: account.",
    "account.*.SOL_USDC": "there are|nearest",
    "account.orderUpdate.": "lacks a market, as in account.orderUpdate.SOL_USDC",
    "account.orderUpdate.SOLUSDC": "nearest: SOL_USDC",
    "account.orderUpdate.SOL_USDC_RFQ": "nearest: SOL_USDC",
    "account.positionUpdate.NOPE*": "none of the 10 markets",
    "account.rfqUpdate.*_RFQ": "none of the 10 markets",
    "account.rfqUpdate._RFQ": "is unknown",
    "account.balanceUpdate.USDC": "is about no market",
    "account.balanceUpdate.SOL_USDC": "is about no market",
}


@pytest.fixture(scope="module")
def with_keys() -> Catalogue:
    """The same markets, for somebody who has keys."""
    return Catalogue.read(simulate(Plan(seconds=1)).markets.encode(), keys=True)


@pytest.mark.parametrize(("pattern", "names"), PRIVATE)
def test_topics_of_an_account(with_keys: Catalogue, pattern: str, names: list[str]) -> None:
    """In the venue's grammar; they are all the private streams there are."""
    assert list(with_keys.resolve([pattern])) == names
    signed = {"method": "SUBSCRIBE", "params": names, "signature": ["", "", "", ""]}
    assert answer(json.dumps(signed)).add == tuple(names)
    assert set(ACCOUNT) == set(STREAMS) - set(PUBLIC)


@pytest.mark.parametrize("name", NO_PRIVATE)
def test_what_an_account_has_not_is_refused(with_keys: Catalogue, name: str) -> None:
    with pytest.raises(TopicError, match=NO_PRIVATE[name]) as told:
        with_keys.resolve([SOL, name])
    assert repr(name) in str(told.value)


@pytest.mark.parametrize("name", [*NO_PRIVATE, *(pattern for pattern, _ in PRIVATE)])
def test_without_keys_there_is_no_account(catalogue: Catalogue, name: str) -> None:
    """Whatever it would be; how to give keys is said."""
    with pytest.raises(TopicError, match=r"no keys: set BP_API_KEY.*--keys FILE"):
        catalogue.resolve([name])


@pytest.mark.parametrize("pattern", ["*.*", "*.SOL_USDC", "*.*_PERP"])
def test_keys_change_no_other_pattern(
    catalogue: Catalogue, with_keys: Catalogue, pattern: str
) -> None:
    assert with_keys.resolve([pattern]) == catalogue.resolve([pattern])


def test_one_wrong_name_refuses_all(catalogue: Catalogue) -> None:
    with pytest.raises(TopicError, match=r"'dept\.SOL_USDC'"):
        catalogue.resolve(["depth.*", "dept.SOL_USDC"])
    with pytest.raises(TopicError):
        catalogue.resolve([])


@needs_shared
def test_market_objects_as_they_were_observed_can_be_read() -> None:
    """With members we do not know, and nulls where there is no value."""
    examples = map(
        json.loads, (SHARED / "samples" / "rest_examples.jsonl").read_text().splitlines()
    )
    bodies = [e["body"] for e in examples if e["request"].startswith("GET /api/v1/market?")]
    assert bodies
    found = Catalogue.read(json.dumps(bodies).encode()).resolve(["depth.*", "markPrice.*"])
    assert list(found) == ["depth.BTC_USDC_PERP", "markPrice.BTC_USDC_PERP"]


@pytest.mark.parametrize(
    "filters", ["null", "{}", '{"price":null,"quantity":{"stepSize":1}}', "[]"]
)
def test_what_the_venue_changes_elsewhere_keeps_nobody_from_recording(filters: str) -> None:
    """Ticks and steps are no business of the recorder; neither is a kind of market it never saw."""
    body = f'[{{"symbol":"A_USDC","filters":{filters},"marketType":null,"baseSymbol":5}}]'
    assert Catalogue.read(body.encode()).resolve(["*.*"]) == tuple(
        f"{channel}.A_USDC" for channel in EVERY[:4]
    )


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"[{}]", b'[{"symbol":""}]', b"[]", b"\xff"])
def test_what_is_no_market_list_is_refused(body: bytes) -> None:
    with pytest.raises(VenueError, match="--rest-url"):
        Catalogue.read(body)


def test_requests_are_of_one_kind_and_of_a_hundred_names_at_most(catalogue: Catalogue) -> None:
    """All names are in them, once. A name the venue does not know any more costs only its kind."""
    many = [f"depth.M{number}_USDC" for number in range(2 * BATCH + 50)]
    topics = [*catalogue.resolve(["*.*", "kline.*.*", "depth.200ms.*", *EXACT]), *many]
    requests = batches(topics)
    assert sorted(name for names in requests for name in names) == sorted(topics)
    assert max(map(len, requests)) == BATCH == 100
    for names in requests:
        kinds = {(t.channel, t.variant, bool(t.symbol)) for t in map(Topic.parse, names)}
        assert len(kinds) == 1, names
    depth = [names for names in requests if Topic.parse(names[0])[:2] == ("depth", "")]
    assert [len(names) for names in depth] == [100, 100, 50 + len(OPEN)]
    assert [names for names in requests if "liquidation" in names] == [["liquidation"]]


def test_what_is_subscribed_is_what_was_meant(catalogue: Catalogue) -> None:
    """Nothing to ask for, nothing sent."""
    assert batches([]) == []
    assert batches(["trade.A", "depth.B", "trade.C"]) == [["depth.B"], ["trade.A", "trade.C"]]
