"""What a venue should never send: strategies for bytes, broken JSON, and well-formed nonsense."""

import json
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from schemas.topics import INTERVALS, WINDOWS
from tests.market.texts import ACCOUNT, EVERY, WELL_FORMED

NUMBERS: list[Any] = [
    *(0, -1, 1, 1.5, -0.0, 1e15, 1e300, 2**53, 10**30),
    *(2**63 - 2, 2**63 - 1, 2**63, -(2**63) - 1, 2**64),
    *((2**63 - 1) // 1_000, (2**63 - 1) // 1_000 + 1, (2**63 - 1) // 1_000_000 + 1),
]
TEXTS: list[str] = [
    *("", "0", "-0", "-0.0", "1", "-1", "+1", "1.", ".5", "1e5", "NaN", "Infinity", "1_0", " 1"),
    *("0.0000000001", "0.1000000000", "999999999.999999999", "1000000000", "1000000000000"),
    *("1" * 30, "0" * 400 + "1", "1" * 400, "0." + "0" * 40, "1\u0662", "\u0661", "null", "true"),
    *("2026-09-02T16:43:00", "2026-09-02 16:43:00", "2026-09-02T16:43:00Z", "2026-13-01T00:00:00"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1969-12-31T23:59:59", "\x00"),
    *("depth", "trade", "SOL_USDC", "ETH_USDC", "Bid", "\ud83d\ude00"),
]
LISTS: list[Any] = [
    *([], [[]], [["1", "2"]], [["1"]], [["1", "2", "3"]], [[1, 2]], [[None, "1"]], ["1", "2"]),
    *({}, {"e": "depth"}, [[["1"], "2"]], [["0.0000000001", "1"]], [["1", "0.0000001"]]),
]

values = st.one_of(
    st.sampled_from([None, True, False]),
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.sampled_from(LISTS).map(deepcopy),  # or one example would change it for the next
    st.integers(),
    st.text(max_size=8),
)
json_values = st.recursive(
    values,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
symbols = st.sampled_from(["SOL_USDC", "AAPL.US_USDC_PERP", "kPEPE_USDC_PERP", "2Z_USDC_PERP", ""])
channels = st.sampled_from(
    [
        *(name.partition(".")[0] for name in WELL_FORMED),
        *(name.partition(" ")[0] for name in ACCOUNT),
        *("news", "account", "account.news"),
    ]
)
streams = st.one_of(
    st.builds(lambda channel, symbol: f"{channel}.{symbol}", channels, symbols),
    st.builds(lambda window, symbol: f"depth.{window}.{symbol}", st.sampled_from(WINDOWS), symbols),
    st.builds(lambda word, symbol: f"kline.{word}.{symbol}", st.sampled_from(INTERVALS), symbols),
    st.text(max_size=12),
)


def dumps(value: Any) -> bytes:
    """JSON; texts that are no unicode text go as escapes."""
    return json.dumps(value).encode()


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """A well-formed message with a few members changed, missing or new."""
    message = json.loads(draw(st.sampled_from(sorted(EVERY.values()))))
    for _ in range(draw(st.integers(1, 4))):
        part = message if draw(st.integers(0, 9)) == 0 else message.get("data")
        if isinstance(part, dict) and part:
            name = draw(st.one_of(st.sampled_from(sorted(part)), st.text(max_size=3)))
            if draw(st.booleans()) and name in part:
                del part[name]
            else:
                part[name] = draw(values)
    return dumps(message)


@st.composite
def torn(draw: st.DrawFn) -> bytes:
    """A well-formed message with bytes cut out, put in, or overwritten."""
    raw = draw(st.sampled_from(sorted(EVERY.values()))).encode()
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 20)))
        filler = draw(st.one_of(st.just(b""), st.binary(max_size=4), st.sampled_from(b"[]{},:")))
        raw = raw[:start] + (bytes([filler]) if isinstance(filler, int) else filler) + raw[end:]
    return raw


def nested(opening: bytes, closing: bytes) -> st.SearchStrategy[bytes]:
    """Very deep."""
    depth = st.sampled_from([100, 5_000])
    return depth.map(lambda n: b'{"stream":"depth.SOL_USDC","data":' + opening * n + closing * n)


payloads = st.one_of(
    st.binary(max_size=40),
    json_values.map(dumps),
    st.builds(lambda stream, data: dumps({"stream": stream, "data": data}), streams, json_values),
    bent(),
    bent(),
    torn(),
    nested(b"[", b"]"),
    nested(b'{"a":', b"}"),
)
