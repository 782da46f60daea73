"""A whole simulated session: what one client would have received, and the books behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

from tests.simulation.account_streams import AccountStreams
from tests.simulation.flow import Market
from tests.simulation.ladder import Scale
from tests.simulation.market_streams import MarketStreams
from tests.simulation.stocks import StockStreams
from tests.venue.catalogue import Listing, markets_body
from tests.venue.feed import TimedFrame
from tests.venue.shadow_book import ShadowBook

# 2026-09-02T16:43:10Z: the session meets the end of a minute, so candles close in it.
START_NS = 1_788_367_390_000_000_000

SOL = Market("SOL_USDC", Scale(2, 2), 9_897, 5_000, 34, 4_330_360_995, 381_737_933, throttled=True)
BTC = Market("BTC_USDC_PERP", Scale(1, 5), 866_558, 40_000, 70, 6_730_019_258, 99_419_870)

LISTINGS = (
    Listing("SOL_USDC", "0.01", "0.01"),
    Listing("BTC_USDC_PERP", "0.1", "0.00001"),
    Listing("AAPL.US_USDC", "0.01", "0.01"),
    Listing("AAPL.US_USDC_PERP", "0.01", "0.01"),
    Listing("kBONK_USDC_PERP", "0.000001", "100"),
    Listing("2Z_USDC_PERP", "0.00001", "1"),
    Listing("0G_USDC", "0.0001", "0.1"),
    Listing("BONK_USDC", "0.000000001", "10000"),
    Listing("MOBILE_USDC", "0.0000001", "1", "Closed"),
    Listing("QQQ.US_USDC_PERP", "0.01", "0.001", "PostOnly"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate: the seed, the beginning (ns since the epoch), how long.

    account: also the frames of an account that trades BTC_USDC_PERP.
    """

    seed: int = 1
    start_ns: int = START_NS
    seconds: int = 60
    account: bool = False


@dataclass(frozen=True)
class Session:
    """Frames in order of arrival, all within [start, start + seconds).

    `snapshots` are REST depth bodies at the beginning by symbol (id = first depth id - 1),
    `markets` the body of `/api/v1/markets`.
    """

    frames: list[TimedFrame]
    snapshots: dict[str, str]
    markets: str

    @cached_property
    def topics(self) -> frozenset[str]:
        """All topics that occur."""
        return frozenset(json.loads(frame.text)["stream"] for frame in self.frames)

    def snapshot_at(self, symbol: str, index: int) -> str:
        """The REST depth body when frame `index` has just arrived; KeyError for other markets."""
        book = ShadowBook(self.snapshots[symbol])
        for frame in self.frames[: index + 1]:
            envelope = json.loads(frame.text)
            if envelope["stream"] == f"depth.{symbol}":
                book.apply(envelope["data"])
        return book.body()


def simulate(plan: Plan) -> Session:
    """Simulate one session; the same plan gives the same bytes everywhere."""
    start_us = plan.start_ns // 1000
    end_us = start_us + plan.seconds * 1_000_000
    markets = [MarketStreams(market, plan.seed, start_us) for market in (SOL, BTC)]
    snapshots = {streams.market.symbol: streams.snapshot() for streams in markets}
    stocks = StockStreams(plan.seed, start_us)
    for streams in markets:
        streams.run(end_us)
    stocks.run(end_us)
    timelines = [*(streams.timeline for streams in markets), stocks.timeline]
    if plan.account:
        account = AccountStreams(markets[1], plan.seed)
        account.run()
        timelines.append(account.timeline)
    arrivals = sorted(arrival for timeline in timelines for arrival in timeline.arrivals)
    frames = [TimedFrame(a.ts_ns, a.text) for a in arrivals if a.ts_ns < end_us * 1000]
    return Session(frames, snapshots, markets_body(LISTINGS))
