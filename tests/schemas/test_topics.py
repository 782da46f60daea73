"""Topic names taken apart and put together (protocol sections 2 and 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.streams import STREAMS
from schemas.requests import SnapshotRequest, depth_symbol
from schemas.topics import INTERVALS, WINDOWS, Topic, depth_topic

SYMBOLS = (
    *("SOL_USDC", "SOL_USDC_PERP", "kPEPE_USDC_PERP", "2Z_USDC_PERP", "0G_USDC"),
    *("AAPL.US_USDC_PERP", "MU.US_USDC", "200ms.X", "1m.Y", "depth.Z", "FDVEXTD1B_USDC_PREDICTION"),
)
ANY_SYMBOL = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
VARIANTS = [
    *((channel, "") for channel in sorted(STREAMS) if channel != "kline"),
    *(("depth", window) for window in WINDOWS),
    *(("kline", interval) for interval in INTERVALS),
]


@pytest.mark.parametrize(("channel", "variant"), VARIANTS)
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_name_is_taken_apart_and_put_together(channel: str, variant: str, symbol: str) -> None:
    """Dots, lower case and leading digits belong to the symbol, whatever it looks like; only
    behind ``depth.`` a window is a window, which a market of that name could not be told from."""
    name = ".".join(part for part in (channel, variant, symbol) if part)
    if channel == "depth" and not variant and symbol.startswith("200ms."):
        assert Topic.parse(name) == Topic("depth", "200ms", "X")
    else:
        assert Topic.parse(name) == Topic(channel, variant, symbol)
    assert str(Topic.parse(name)) == name


@given(st.sampled_from(VARIANTS), ANY_SYMBOL)
def test_any_symbol_comes_back(kind: tuple[str, str], symbol: str) -> None:
    """Unless it begins like a window."""
    channel, variant = kind
    if symbol.partition(".")[0] not in WINDOWS:
        topic = Topic(channel, variant, symbol)
        assert Topic.parse(str(topic)) == topic


@given(st.text(max_size=20))
def test_any_text_parses(text: str) -> None:
    """The venue may add names at any time."""
    topic = Topic.parse(text)
    assert topic.channel.partition(".")[0] == text.partition(".")[0]
    assert topic.private == (text.partition(".")[0] == "account")


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("liquidation", ("liquidation", "", "")),
        ("liquidation.SOL_USDC", ("liquidation", "", "SOL_USDC")),
        ("account.orderUpdate", ("account.orderUpdate", "", "")),
        ("account.orderUpdate.ETH_USDC", ("account.orderUpdate", "", "ETH_USDC")),
        ("account.rfqUpdate.AAPL.US_USDC_RFQ", ("account.rfqUpdate", "", "AAPL.US_USDC_RFQ")),
        ("account.newsUpdate.200ms.X", ("account.newsUpdate", "", "200ms.X")),
        ("account", ("account", "", "")),
        ("account..ETH_USDC", ("account", "", ".ETH_USDC")),
        ("accounts.orderUpdate", ("accounts", "", "orderUpdate")),
        ("kline.1month.MU.US_USDC", ("kline", "1month", "MU.US_USDC")),
        ("depth.100ms.SOL_USDC", ("depth", "", "100ms.SOL_USDC")),
        ("trade.200ms.SOL_USDC", ("trade", "", "200ms.SOL_USDC")),
        ("stockPrice.AAPL", ("stockPrice", "", "AAPL")),
    ],
)
def test_examples(text: str, topic: tuple[str, str, str]) -> None:
    """Where a rule ends."""
    assert Topic.parse(text) == topic


@pytest.mark.parametrize("window", ["", *WINDOWS])
def test_depth_topics_have_a_short_cut(window: str) -> None:
    """Real time has no window."""
    assert Topic.parse(depth_topic("MU.US_USDC", window)) == ("depth", window, "MU.US_USDC")


@given(ANY_SYMBOL)
def test_the_symbol_of_a_snapshot_request_comes_back(symbol: str) -> None:
    """From its path alone, as the tape has it."""
    path = SnapshotRequest(symbol, 0).path
    assert depth_symbol(path) == symbol
    assert path.isascii()
    assert depth_symbol(f"{path}&limit=1000") == symbol


@pytest.mark.parametrize(
    "path",
    ["", "/api/v1/markets", "/api/v1/depth", "/api/v1/depth?limit=5", "/api/v1/depths?symbol=A"],
)
def test_other_paths_have_no_symbol(path: str) -> None:
    """And are no snapshots."""
    assert depth_symbol(path) is None
