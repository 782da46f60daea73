"""Market lists to rows, against lists of plain dicts."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.engine import Engine
from schemas.frames import Frame, Kind
from schemas.requests import MARKETS_PATH
from schemas.rows import Market, Reject, Row
from tests.market.stamps import Stamper
from tests.market.test_rolls import Run, head
from tests.venue.catalogue import Listing, market_object

PREDICTED = f"{MARKETS_PATH}?marketType=PREDICTION"
TICKS = st.sampled_from(["0.01", "0.010", "0.001", "0.0000000001", None, 5, "x"])
OBJECTS = st.builds(
    lambda symbol, tick, state, more: changed(
        market_object(Listing(symbol, "0.01", "0.1", state)), tick, more
    ),
    st.sampled_from(["SOL_USDC", "BTC_USDC_PERP", "AAPL.US_USDC"]),
    TICKS,
    st.sampled_from(["Open", "Closed"]),
    st.dictionaries(
        st.sampled_from(["baseSymbol", "visible", "fundingInterval", "createdAt", "news"]),
        st.sampled_from([None, 7, 2**70, -1, 1.5, "a", [], {}, False, "2025-01-21T06:34:54.69"]),
        max_size=2,
    ),
)
LISTS = st.lists(OBJECTS, max_size=4, unique_by=lambda market: str(market["symbol"]))


def changed(market: dict[str, Any], tick: object, more: dict[str, Any]) -> dict[str, Any]:
    """A market object with another tick and other members."""
    market["filters"]["price"]["tickSize"] = tick
    return market | more


def reply(stamper: Stamper, markets: object, path: str = MARKETS_PATH) -> Frame:
    return stamper.frame(Kind.REPLY, json.dumps(markets).encode(), topic=path)


def said(rows: list[Row]) -> list[tuple[str, str]]:
    """Events of markets."""
    return [(row.event, row.market) for row in rows if isinstance(row, Market)]


def listed(*symbols: str) -> list[dict[str, Any]]:
    return [market_object(Listing(symbol, "0.01", "0.1")) for symbol in symbols]


def only(rows: list[Row]) -> Market:
    (row,) = [row for row in rows if isinstance(row, Market)]
    return row


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LISTS, st.sampled_from([MARKETS_PATH, PREDICTED])), max_size=5))
def test_rows_are_what_is_new(replies: list[tuple[list[dict[str, Any]], str]]) -> None:
    """Against dicts of what a market's row would say: listed and gone by symbol, changed where the
    row is another; and an engine that begins with any segment says the same."""
    stamper, engine = Stamper(), Engine()
    known: dict[str, dict[str, Any]] = {MARKETS_PATH: {}, PREDICTED: {}}
    for markets, path in replies:
        frame = reply(stamper, markets, path)
        begin = head(engine, frame)
        rows = engine.feed(frame)
        assert Run().feed([*begin, frame]).rows[-1] == rows
        fresh = {row.market: row for row in Engine().feed(frame) if isinstance(row, Market)}
        now = {name: msgspec.to_builtins(row)[6:] for name, row in fresh.items()}
        odd = {market["symbol"]: str(market["filters"]["price"]["tickSize"]) for market in markets}
        now = {name: (row, odd[name] if row[6] is None else "") for name, row in now.items()}
        before, known[path] = known[path], now
        new = [
            ("changed" if name in before else "listed", name)
            for name, row in now.items()
            if before.get(name) != row
        ]
        assert said(rows) == new + [("delisted", name) for name in before if name not in now]


def test_a_row_says_what_is_said_exactly() -> None:
    market = listed("SOL_USDC_PERP")[0]
    row = only(Engine().feed(reply(Stamper(), [market])))
    assert row == Market(
        1, row.ts_recv, None, None, MARKETS_PATH, "listed", "SOL_USDC_PERP", "SOL", "USDC", "PERP",
        "Open", 10**7, 10**5, 10**7, 10**15, 10**5, None, 3_600_000_000_000, True,
        1_737_441_294_691_858_000,
    )  # fmt: skip


@pytest.mark.parametrize("tick", ["0.0000000001", "-1", "1e-3", [], True, 2**70])
def test_a_tick_that_does_not_fit_is_told_once(tick: object) -> None:
    """And never rounded."""
    stamper, engine = Stamper(), Engine()
    engine.feed(reply(stamper, listed("SOL_USDC")))
    odd = [changed(listed("SOL_USDC")[0], tick, {})]
    rows = engine.feed(reply(stamper, odd))
    assert only(rows).tick_size is None
    (reject,) = [row for row in rows if isinstance(row, Reject)]
    assert (reject.reason, reject.topic) == ("inexact", MARKETS_PATH)
    assert "SOL_USDC: tickSize" in reject.detail
    assert engine.feed(reply(stamper, odd))[1:] == []


@pytest.mark.parametrize("tick", [0.5, 3, "0.50"])
def test_numbers_are_taken_as_they_are_written(tick: object) -> None:
    row = only(Engine().feed(reply(Stamper(), [changed(listed("SOL_USDC")[0], tick, {})])))
    assert row.tick_size == (5 * 10**8 if tick != 3 else 3 * 10**9)


@pytest.mark.parametrize("filters", [None, [], {}, {"price": 7, "quantity": None}])
def test_a_market_without_filters_is_listed(filters: object) -> None:
    """Whatever the venue leaves out."""
    row = only(Engine().feed(reply(Stamper(), [{"symbol": "X", "filters": filters}])))
    assert (row.market, row.tick_size, row.base, row.visible) == ("X", None, None, None)


BAD = [{}, [{}], [1], [{"symbol": ""}], [{"symbol": "x" * 65}], [*listed("A"), {"symbol": 1}], "x"]


@pytest.mark.parametrize(
    "body", [*(json.dumps(bad).encode() for bad in BAD), b"<html>", b"[" * 9**5]
)
def test_what_is_no_list_changes_nothing(body: bytes) -> None:
    """It says nothing of who is gone."""
    stamper, engine = Stamper(), Engine()
    engine.feed(reply(stamper, listed("SOL_USDC")))
    rows = engine.feed(stamper.frame(Kind.REPLY, body, topic=MARKETS_PATH))
    assert [row.TABLE for row in rows] == ["session", "reject"]
    assert said(engine.feed(reply(stamper, listed("SOL_USDC")))) == []


def test_each_path_has_a_list_of_its_own() -> None:
    stamper, engine = Stamper(), Engine()
    engine.feed(reply(stamper, listed("SOL_USDC")))
    assert said(engine.feed(reply(stamper, listed("A_PREDICTION"), PREDICTED))) == [
        ("listed", "A_PREDICTION")
    ]
    assert said(engine.feed(reply(stamper, [], PREDICTED))) == [("delisted", "A_PREDICTION")]
    assert said(engine.feed(reply(stamper, listed("SOL_USDC"), "/api/v1/market"))) == []
