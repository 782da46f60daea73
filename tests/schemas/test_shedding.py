"""The stream of a message is told without decoding it, and never wrongly."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from market.streams import PUBLIC, STREAMS
from schemas.shedding import Level, Rank, family, rank_of, sheds_frames, sheds_rows, stream_of
from tests.market.texts import ACCOUNT, EVERY, WELL_FORMED

NAMES = ("depth.SOL_USDC", "depth.200ms.SOL_USDC", "account.orderUpdate", "ticker.A", "é", 'a"b')
KEYS = ("stream", "data", 'x"stream', "a", "stream\\")
values = st.recursive(
    st.one_of(st.sampled_from(NAMES), st.integers(), st.none(), st.sampled_from(KEYS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=6,
)
members = st.lists(
    st.tuples(st.sampled_from(KEYS), st.one_of(values, st.sampled_from(NAMES))), max_size=4
)


@given(members, st.booleans(), st.booleans())
@example([("stream", "ticker.A"), ("data", {}), ("stream", "account.orderUpdate"), ("a", 1)], 0, 1)
@example([("data", 1), ("stream", "ticker.A"), ("a", "ticker.A")], False, True)
@example([("data", {"stream": "ticker.A"}), ("stream", "depth.SOL_USDC")], False, True)
@example([("stream", "account.x"), ("data", {"stream": "ticker.A"})], False, True)
def test_what_is_told_is_what_a_decoder_says(
    pairs: list[tuple[str, object]], spaced: bool, plain: bool
) -> None:
    """Of any text that is JSON, members twice among them."""
    colon = ": " if spaced else ":"
    written = [
        json.dumps(key) + colon + json.dumps(value, separators=(",", colon), ensure_ascii=not plain)
        for key, value in pairs
    ]
    text = "{" + ",".join(written) + "}"
    stream = stream_of(text.encode())
    if stream is not None:
        assert stream.name == json.loads(text)["stream"]


@pytest.mark.parametrize("text", EVERY.values(), ids=EVERY)
def test_the_stream_of_all_that_the_venue_sends_is_told(text: str) -> None:
    """As captured; and with the stream first, as its page has it."""
    message = json.loads(text)
    turned = {"stream": message["stream"], "data": message["data"]}
    for payload in (text, json.dumps(turned, separators=(",", ":"))):
        stream = stream_of(payload.encode())
        assert stream is not None
        assert stream.name == message["stream"]


@pytest.mark.parametrize("text", ["", "{}", '{"id":null,"error":{"code":4006}}', '"stream":"a"}'])
def test_what_has_no_stream_is_not_told(text: str) -> None:
    assert stream_of(text.encode()) is None


def test_the_order_of_shedding() -> None:
    """Each level by what it takes: rows of all ranks first, then their frames."""
    ranks = {name: rank_of(json.loads(text)["stream"]) for name, text in EVERY.items()}
    rows = [{n for n, rank in ranks.items() if sheds_rows(level, rank)} for level in Level]
    frames = [{n for n, rank in ranks.items() if sheds_frames(level, rank)} for level in Level]
    ticking = set(WELL_FORMED) - {"depth", "trade", "liquidation", "bookTicker"}
    quotes, all_of_them = ticking | {"bookTicker"}, set(WELL_FORMED)
    assert rows == [set(), ticking, quotes, all_of_them, all_of_them, all_of_them, all_of_them]
    assert frames == [set(), set(), set(), set(), ticking, quotes, all_of_them]


def test_every_public_stream_has_a_rank_and_no_other() -> None:
    for channel in STREAMS:
        assert (rank_of(channel) is Rank.KEPT) == (channel not in PUBLIC)
    assert all(rank_of(json.loads(text)["stream"]) is Rank.KEPT for text in ACCOUNT.values())
    assert rank_of("news.SOL_USDC") is Rank.KEPT


def test_a_family_has_the_rank_of_its_streams() -> None:
    """So that what is counted together is shed together."""
    for text in WELL_FORMED.values():
        name = json.loads(text)["stream"]
        assert rank_of(family(name)) is rank_of(name)
