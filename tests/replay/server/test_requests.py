"""What a client's text means: the grammar of protocol section 1, and whatever else comes."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from market.streams import STREAMS
from replay.server.requests import Answer, answer, error_of, symbol_of
from schemas.topics import INTERVALS, WINDOWS
from tests.shared import needs_shared, sample_texts

PARSE_ERROR = '{"id":null,"error":{"code":4002,"message":"Parse error"}}'
INVALID_SIGNATURE = '{"id":null,"error":{"code":4003,"message":"Invalid signature"}}'
INVALID_STREAM = '{"id":null,"error":{"code":4006,"message":"Invalid stream"}}'
INVALID_WINDOW = '{"id":null,"error":{"code":4008,"message":"Invalid depth window"}}'
ERRORS = {PARSE_ERROR, INVALID_SIGNATURE, INVALID_STREAM, INVALID_WINDOW}

GOOD = [
    *("bookTicker.SOL_USDC", "trade.2Z_USDC_PERP", "depth.AAPL.US_USDC_PERP", "liquidation"),
    *(f"depth.{window}.kPEPE_USDC_PERP" for window in WINDOWS),
    *(f"kline.{interval}.AAPL.US_USDC" for interval in INTERVALS),
    *("depth.5.BTC_USDC_PERP", "trade.NOPE", "stockPrice.BRK.B", "externalTicker.AAPL.US_USDC"),
]
BAD = {
    INVALID_STREAM: [
        *("nope.BTC_USDC_PERP", "", "depth", "depth.", "trade", "account", "account."),
        *("kline.SOL_USDC", "kline.1M.SOL_USDC", "kline.1m", "kline.1m.", "Depth.SOL_USDC"),
    ],
    INVALID_WINDOW: ["depth.100ms.SOL_USDC", "depth.0ms.SOL_USDC", "depth.2000ms.AAPL.US_USDC"],
    INVALID_SIGNATURE: ["account.orderUpdate", "account.positionUpdate.SOL_USDC"],
}


def subscribe(*names: str, **more: object) -> str:
    return json.dumps({"method": "SUBSCRIBE", "params": list(names), **more})


@pytest.mark.parametrize("name", GOOD)
def test_what_can_exist_is_taken_in_silence(name: str) -> None:
    assert answer(subscribe(name)) == Answer(add=(name,))
    assert answer(subscribe(name).encode()) == Answer(add=(name,))
    assert error_of(name) is None


@pytest.mark.parametrize(
    ("error", "name"), [(e, name) for e, names in BAD.items() for name in names]
)
def test_what_cannot_exist_earns_its_error(error: str, name: str) -> None:
    assert answer(subscribe(name)) == Answer(errors=(error,))


def test_of_a_mixed_batch_the_good_names_count_and_each_bad_one_is_answered() -> None:
    found = answer(subscribe("trade.A", "x.A", "depth.A", "depth.7ms.A", "trade.A"))
    assert found.add == ("trade.A", "depth.A", "trade.A")
    assert found.errors == (INVALID_STREAM, INVALID_WINDOW)


def test_unsubscribing_is_never_answered() -> None:
    names = ["trade.A", "nope", "account.orderUpdate"]
    text = json.dumps({"method": "UNSUBSCRIBE", "params": names})
    assert answer(text) == Answer(remove=tuple(names))


@pytest.mark.parametrize(
    ("signature", "is_form"),
    [
        (["a", "b", "1", "2"], True),
        (["a", "b", "1"], False),
        (["a", "b", 1, 2], False),
        ("abcd", False),
        (None, False),
        ({"a": 1}, False),
    ],
)
def test_private_streams_need_a_signature_of_the_right_form(
    signature: object, is_form: bool
) -> None:
    found = answer(subscribe("account.orderUpdate", signature=signature))
    good = Answer(add=("account.orderUpdate",))
    assert found == (good if is_form else Answer(errors=(INVALID_SIGNATURE,)))
    assert answer(subscribe("trade.A", signature=signature)) == Answer(add=("trade.A",))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "null", "[]", "{}", "1", '"SUBSCRIBE"', "not json", '{"method":"SUBSCRIBE"}'),
        '{"params":["trade.A"]}',
        '{"method":"HELLO","params":["trade.A"]}',
        '{"method":"subscribe","params":["trade.A"]}',
        '{"method":["SUBSCRIBE"],"params":["trade.A"]}',
        '{"method":"SUBSCRIBE","params":"trade.A"}',
        '{"method":"SUBSCRIBE","params":[["trade.A"]]}',
        '{"method":"SUBSCRIBE","params":["trade.A",null]}',
        '{"method":"SUBSCRIBE","params":["trade.A"],}',
        '{"method":"SUBSCRIBE","params":["trade.A"]} x',
        '{"method":"SUBSCRIBE","params":["trade.A"],"id":NaN}',
        '{"method":"SUBSCRIBE","params":["trade.\\ud800"]}',
        '{"method":"SUBSCRIBE","params":["trade.\ud800"]}',
        subscribe("trade.A", signature=json.loads("[" * 400 + "]" * 400)),
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"method":"SUBSCRIBE","params":[],"id":' + "[" * 500 + "]" * 500 + "}",
        b"\xff\xfe{",
        b'{"method":"SUBSCRIBE","params":["trade.\xff"]}',
        subscribe("trade.A").encode("utf-16"),
        subscribe("trade.A").encode("utf-8-sig"),
        b"\x00",
    ],
)
def test_what_is_no_request_is_a_parse_error(text: str | bytes) -> None:
    assert answer(text) == Answer(errors=(PARSE_ERROR,))


@pytest.mark.parametrize("number", ["1", "-0", "1e400", "9" * 5_000, "null", '"x"', "[1]"])
def test_an_id_is_accepted_and_ignored(number: str) -> None:
    text = f'{{"id":{number},"params":["trade.A"],"method":"SUBSCRIBE","more":{{}}}}'
    assert answer(text) == Answer(add=("trade.A",))


def test_the_market_of_a_topic_has_its_dots() -> None:
    assert symbol_of("depth.200ms.AAPL.US_USDC_PERP") == "AAPL.US_USDC_PERP"
    assert symbol_of("kline.1m.AAPL.US_USDC") == "AAPL.US_USDC"
    assert symbol_of("depth.5.BTC_USDC") == "5.BTC_USDC"
    for name in ("liquidation", "liquidation.", "stockPrice.AAPL", "account.orderUpdate", ""):
        assert symbol_of(name) is None


@needs_shared
def test_the_replies_are_those_that_were_observed() -> None:
    """Byte for byte."""
    seen = {text for text in sample_texts("control_frames") if '"error"' in text}
    assert seen
    assert seen <= ERRORS


names = st.one_of(
    st.text(max_size=20),
    st.lists(
        st.sampled_from(
            [*STREAMS, "account", *WINDOWS, "9ms", *INTERVALS, "US", "A_USDC", "", "x"]
        ),
        max_size=4,
    ).map(".".join),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["SUBSCRIBE", "UNSUBSCRIBE", "LIST"]) | values,
        "params": st.lists(names, max_size=4) | values,
        "signature": st.lists(st.text(max_size=3), min_size=3, max_size=4) | values,
        "id": values,
    },
).map(json.dumps)


@given(
    st.one_of(st.text(), st.binary(), requests, requests.map(str.encode), values.map(json.dumps))
)
@example("\ud800")
def test_whatever_comes_is_answered(text: str | bytes) -> None:
    """Each name of a request is added, removed or refused; and all can be sent on as UTF-8."""
    found = answer(text)
    assert set(found.errors) <= ERRORS
    for name in (*found.add, *found.remove):
        name.encode()
    assert all(error_of(name) is None for name in found.add)
    if found.errors != (PARSE_ERROR,):
        asked = json.loads(text)
        assert len(asked["params"]) == len(found.add) + len(found.remove) + len(found.errors)
