"""Candles over REST: recorded, made from trades, and moved to another day."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from replay.server.candle_members import told
from replay.server.shift import Shift
from schemas.rows import Kline, MarkPrice, Trade
from schemas.topics import INTERVALS
from tape.layout import Tape
from tests.replay.server.asking import Asking
from tests.venue.shadow_book import trimmed

TAPE = Tape(Path(__file__).resolve().parents[3] / "data" / "sample")
SAMPLE = Asking(TAPE)
LAST = 6_906
NS = 1_000_000_000
FAR = 4_000_000_000  # s, 2096
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

symbols = st.sampled_from(["SOL_USDC", "BTC_USDC_PERP"])
intervals = st.sampled_from(INTERVALS)
seqs = st.integers(1, LAST)
edges = st.integers(1_788_367_380 - 90, 1_788_367_450 + 90)


def klines(
    symbol: str, interval: str, seq: int = LAST, asking: Asking = SAMPLE, **more: Any
) -> Any:
    """The candles that are replied."""
    query = "&".join(f"{name}={value}" for name, value in more.items())
    target = f"/api/v1/klines?symbol={symbol}&interval={interval}&{query}"
    return asking.body(target, seq)


def start_of(interval: str, ts: int) -> datetime:
    """Of the candle in which a time lies, by the calendar."""
    moment = datetime.fromtimestamp(ts // NS, UTC).replace(tzinfo=None)
    day = moment.replace(hour=0, minute=0, second=0)
    if interval == "1month":
        return day.replace(day=1)
    if interval == "1w":
        return day - timedelta(days=day.weekday())
    length = int(interval[:-1]) * UNITS[interval[-1]]
    return datetime(1970, 1, 1) + timedelta(seconds=ts // NS // length * length)


def end_of(interval: str, start: datetime) -> datetime:
    if interval == "1month":
        return (start + timedelta(days=32)).replace(day=1)
    if interval == "1w":
        return start + timedelta(days=7)
    return start + timedelta(seconds=int(interval[:-1]) * UNITS[interval[-1]])


def expected(symbol: str, interval: str, seq: int) -> dict[str, dict[str, Any]]:
    """All candles from the first that is known until now, by their start; by hand."""
    states = {
        str(start_of(interval, row.ts_open)): row
        for row in SAMPLE.known(Kline, symbol, seq)
        if row.interval == interval
    }
    trades: dict[str, list[Trade]] = {}
    for trade in SAMPLE.known(Trade, symbol, seq):
        trades.setdefault(str(start_of(interval, trade.ts_engine)), []).append(trade)
    starts = sorted({*states, *trades})
    start = datetime.fromisoformat(starts[0]) if starts else datetime(2200, 1, 1)
    found: dict[str, dict[str, Any]] = {}
    while start <= datetime.fromtimestamp(SAMPLE.now(seq) // NS, UTC).replace(tzinfo=None):
        end = end_of(interval, start)
        made = _made(states.get(str(start)), trades.get(str(start), []))
        found[str(start)] = {**made, "start": str(start), "end": str(end)}
        start = end
    return found


def _made(state: Kline | None, trades: list[Trade]) -> dict[str, Any]:
    four: tuple[int | None, ...]
    if state is None:
        prices = [trade.price for trade in trades]
        four = (prices[0], max(prices), min(prices), prices[-1]) if prices else (None,) * 4
        volume, count = Decimal(sum(t.qty for t in trades)).scaleb(-6), len(trades)
    else:
        four = (state.open, state.high, state.low, state.close)
        volume, count = state.volume or Decimal(), state.trades or 0
    texts = (None if price is None else trimmed(Decimal(price).scaleb(-9)) for price in four)
    return {
        **dict(zip(("open", "high", "low", "close"), texts, strict=True)),
        "trades": str(count),
        "volume": trimmed(volume),
    }


@given(symbols, intervals, seqs)
@settings(max_examples=60)
@example("SOL_USDC", "1m", LAST)
@example("BTC_USDC_PERP", "1s", LAST)
@example("BTC_USDC_PERP", "1month", LAST)
@example("SOL_USDC", "1w", 1)
def test_candles_are_those_recorded_or_of_the_trades(symbol: str, interval: str, seq: int) -> None:
    """The oldest first, none left out; members in the order of the alphabet."""
    found = klines(symbol, interval, seq, startTime=0, endTime=FAR)
    assert all(list(one) == sorted(one) for one in found)
    bare = [{name: one[name] for name in one if name != "quoteVolume"} for one in found]
    assert bare == list(expected(symbol, interval, seq).values())


@given(symbols, st.sampled_from(["1s", "1m", "3m", "1h"]), seqs, edges, edges | st.none())
@settings(max_examples=60)
def test_those_that_end_within_the_times_asked_for_are_replied(
    symbol: str, interval: str, seq: int, start: int, end: int | None
) -> None:
    """In seconds; until now where no end is given, so that the running one is not among them."""
    everything = klines(symbol, interval, seq, startTime=0, endTime=FAR)
    until = SAMPLE.now(seq) if end is None else end * NS
    wanted = [one for one in everything if start * NS < _ns(one["end"]) <= until]
    more = {} if end is None else {"endTime": end}
    assert klines(symbol, interval, seq, SAMPLE, startTime=start, **more) == wanted


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


def test_a_candle_is_replied_where_the_venue_was_seen_to_do_so() -> None:
    """Asked at 17:52:31 from 16:52:31 on, it gave those that ended from 16:53 to 17:52."""
    found = klines("SOL_USDC", "1m", startTime=1_788_367_411)  # from 16:43:31, at 16:44:10
    assert [one["start"] for one in found] == ["2026-09-02 16:43:00"]
    assert klines("SOL_USDC", "1m", startTime=1_788_367_440) == []


def test_quote_volume_is_exact_where_all_trades_were_recorded() -> None:
    """The row of the stream counts those before the recording as well, if there were any."""
    trades = [t for t in SAMPLE.known(Trade, "BTC_USDC_PERP", LAST) if t.ts_engine % (60 * NS)]
    for one in klines("BTC_USDC_PERP", "1s", startTime=0, endTime=FAR):
        start, end = _ns(one["start"]), _ns(one["end"])
        mine = [t.price * t.qty for t in trades if start <= t.ts_engine < end]
        assert Decimal(one["quoteVolume"]) == Decimal(sum(mine)).scaleb(-15)
    candle = klines("BTC_USDC_PERP", "1m", startTime=0)[0]
    first = [t for t in trades if t.ts_engine < _ns(candle["end"])]
    assert Decimal(candle["volume"]) == Decimal(sum(t.qty for t in first)).scaleb(-6)
    assert Decimal(candle["quoteVolume"]) == Decimal(sum(t.price * t.qty for t in first)).scaleb(
        -15
    )


def _trade(price: int, qty: int) -> Trade:
    return Trade(1, 1, 1, "A", 1, 1, price * 10**9, qty * 10**6, "buy", "", "")


def _row(volume: str | None) -> Kline:
    price = None if volume is None else 7 * 10**9
    wide = None if volume is None else Decimal(volume)
    return Kline(1, 1, 1, "A", "1m", 0, 60 * NS, price, price, price, price, wide, 3, False)


def test_quote_volume_of_what_is_missing_is_counted_at_the_close() -> None:
    """Never null: the venue's schema demands it. Trades that came after the row do not count."""
    trades = [_trade(5, 10), _trade(6, 20), _trade(8, 1)]
    cases = {"30": "170", "31": "178", "33": "192", "30.5": "173.5", "0": "0", None: "0"}
    for volume, wanted in cases.items():
        assert told(_row(volume), trades)["quoteVolume"] == wanted
    assert told(_row("0.000000000000000001"), [])["quoteVolume"] == "0.000000000000000007"
    assert told(_row("9" * 20), [])["quoteVolume"] == "6" + "9" * 19 + "3"


def test_candles_without_trades_have_null_prices() -> None:
    empty = [one for one in klines("SOL_USDC", "1s", startTime=0) if one["trades"] == "0"]
    assert empty
    for one in empty:
        assert (one["open"], one["high"], one["low"], one["close"]) == (None,) * 4
        assert (one["volume"], one["quoteVolume"]) == ("0", "0")
    quiet = klines("AAPL.US_USDC", "1m", startTime=0)
    assert [(one["close"], one["trades"]) for one in quiet] == [(None, "0")]


def test_a_window_without_trades_is_full_of_empty_candles() -> None:
    """If there were trades before it."""
    moments = {trade.ts_engine // NS for trade in SAMPLE.known(Trade, "SOL_USDC", LAST)}
    second = next(s for s in range(1_788_367_400, 1_788_367_449) if s not in moments)
    found = klines("SOL_USDC", "1s", startTime=second, endTime=second + 1)
    assert [(one["open"], _ns(one["end"])) for one in found] == [(None, (second + 1) * NS)]
    before = klines("SOL_USDC", "1s", startTime=1_788_367_300, endTime=1_788_367_380)
    assert before == []


@given(seqs, st.sampled_from(["Mark", "Index"]))
@settings(max_examples=20)
def test_candles_of_mark_prices(seq: int, kind: str) -> None:
    rows = SAMPLE.known(MarkPrice, "BTC_USDC_PERP", seq)
    prices = [row.mark_price if kind == "Mark" else row.index_price or 0 for row in rows]
    found = klines(
        "BTC_USDC_PERP", "1h", seq, startTime=0, endTime=FAR, priceType=kind, source="Venue"
    )
    assert len(found) == bool(rows)
    for one in found:
        four = (prices[0], max(prices), min(prices), prices[-1])
        texts = [trimmed(Decimal(price).scaleb(-9)) for price in four]
        assert [one[name] for name in ("open", "high", "low", "close")] == texts
        assert one["volume"] == one["quoteVolume"] == one["trades"] == "0"


def test_there_are_none_of_outside_providers() -> None:
    assert klines("AAPL.US_USDC", "1m", startTime=0, source="External") == []


MOVED = Asking(TAPE, Shift(3 * 86_400 * NS + 5 * 3_600 * NS + 1_500_000_000))
BY = 3 * 86_400 * NS + 5 * 3_600 * NS + 1_500_000_000


@given(symbols, st.sampled_from(["1s", "1m", "1h", "1d", "1month"]), seqs)
@settings(max_examples=20)
def test_times_are_moved_and_those_asked_for_moved_back(
    symbol: str, interval: str, seq: int
) -> None:
    """By whole candles, so that they lie where such candles do."""
    length = 86_400 if interval == "1month" else int(interval[:-1]) * UNITS[interval[-1]]
    whole = timedelta(seconds=BY // (length * NS) * length)
    plain = klines(symbol, interval, seq, startTime=0, endTime=FAR)
    found = klines(symbol, interval, seq, MOVED, startTime=0, endTime=FAR)
    for one in plain:
        one["start"] = str(datetime.fromisoformat(one["start"]) + whole)
        one["end"] = str(datetime.fromisoformat(one["end"]) + whole)
    assert found == plain
    now = (SAMPLE.now(seq) + BY) // NS
    ended = klines(symbol, interval, seq, MOVED, startTime=now - 90, endTime=now)
    assert ended == klines(symbol, interval, seq, MOVED, startTime=now - 90)


def test_every_other_time_is_moved_too() -> None:
    """Each in its own unit."""

    def both(path: str) -> tuple[Any, Any]:
        target = f"/api/v1/{path}"
        return json.loads(SAMPLE.reply(target).body), json.loads(MOVED.reply(target).body)

    for path, name, unit in (
        ("depth?symbol=SOL_USDC", "timestamp", 1_000),
        ("trades?symbol=SOL_USDC", "timestamp", 1_000_000),
        ("openInterest", "timestamp", 1_000_000),
        ("markPrices", "nextFundingTimestamp", 1_000_000),
    ):
        plain, moved = both(path)
        for one in plain if isinstance(plain, list) else [plain]:
            one[name] += BY // unit
        assert moved == plain
    assert both("markets")[0] == both("markets")[1]
    early, late = both("time")
    assert late - early == BY // 1_000_000
    rates = both("fundingRates?symbol=BTC_USDC_PERP")
    ends = [datetime.fromisoformat(one[0]["intervalEndTimestamp"]) for one in rates]
    assert ends[1] - ends[0] == timedelta(seconds=BY // NS)
