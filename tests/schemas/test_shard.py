"""Every topic is of exactly one shard, and all topics of a market are of the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ConfigError
from schemas.shard import Shard

SYMBOLS = st.one_of(
    st.sampled_from(["SOL_USDC", "BTC_USDC_PERP", "AAPL.US_USDC_PERP", "2Z_USDC_PERP"]),
    st.text("ABCXYZ.0189_", min_size=1, max_size=12),
)
CHANNELS = ("depth", "depth.200ms", "trade", "kline.1m", "ticker", "liquidation", "markPrice")


def _takers(topic: str, of: int) -> list[int]:
    return [number for number in range(1, of + 1) if Shard(number, of).takes(topic)]


@settings(max_examples=30)
@given(SYMBOLS, st.integers(1, 40))
def test_a_market_is_of_one_shard_with_all_its_topics(symbol: str, of: int) -> None:
    takers = {tuple(_takers(f"{channel}.{symbol}", of)) for channel in CHANNELS}
    assert len(takers) == 1
    assert len(takers.pop()) == 1


@settings(max_examples=30)
@given(st.integers(1, 40))
def test_what_is_about_no_market_is_of_the_first(of: int) -> None:
    for topic in ("liquidation", "account.*", "account.orderUpdate.SOL_USDC"):
        assert _takers(topic, of) == [1]


def test_shards_stay_what_they_were() -> None:
    """Recordings of years are shared out by this; blake2b of the name, as anybody can compute."""
    found = {s: _takers(f"trade.{s}", 4) for s in ("SOL_USDC", "BTC_USDC_PERP", "ETH_USDC")}
    assert found == {"SOL_USDC": [4], "BTC_USDC_PERP": [3], "ETH_USDC": [3]}


def test_they_are_shared_out_evenly() -> None:
    counts = [sum(n in _takers(f"trade.M{i}_USDC", 4) for i in range(400)) for n in (1, 2, 3, 4)]
    assert sum(counts) == 400
    assert min(counts) > 70


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "a/b", "1/1001", "-1/4", "1/4/5"])
def test_what_is_no_shard_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match="as in 2/4"):
        Shard.parse(text)


@settings(max_examples=30)
@given(st.integers(1, 1_000).flatmap(lambda of: st.tuples(st.integers(1, of), st.just(of))))
def test_names_lead_back(pair: tuple[int, int]) -> None:
    shard = Shard(*pair)
    assert Shard.parse(str(shard)) == shard == Shard.of_folder(shard.folder)
    assert Shard.of_folder(f"x{shard.folder}") is None
