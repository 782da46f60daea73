"""Streams made from others, against models that know nothing but the definition."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replay.server.candles import SeenIds
from replay.server.derived import Derived, bounds, derive
from schemas import rows
from schemas.errors import UsageError
from schemas.frames import Kind
from schemas.topics import INTERVALS
from tape.layout import Tape
from tape.reader import read_frames, segments
from tests.effort import examples

MS = 1_000_000
S = 1_000 * MS
START = 1_788_367_390 * S + 123 * MS
SAMPLE = Path(__file__).resolve().parents[3] / "data" / "sample"
EPOCH = datetime(1970, 1, 1)

Due = tuple[int, str]


class Passing(NamedTuple):
    """A frame and its tape time."""

    at: int
    payload: bytes

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.payload)["data"]
        return data


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def made(
    topic: str,
    passing: Iterable[Passing],
    until: int,
    at: int = START,
    past: Iterable[rows.Trade] = (),
) -> list[Due]:
    """All frames that a derived stream sends, each at its time."""
    derived = begun(topic, at, past)
    sent: list[Due] = []
    for frame in passing:
        sent += due_by(derived, frame.at)
        derived.take(frame.payload, frame.at)
    return sent + due_by(derived, until)


def made_late(topic: str, passing: Iterable[Passing], until: int) -> list[Due]:
    """The same by one who asks only at the end."""
    derived = begun(topic, START)
    for frame in passing:
        derived.take(frame.payload, frame.at)
    return due_by(derived, until)


def begun(topic: str, at: int, past: Iterable[rows.Trade] = ()) -> Derived:
    recorded = {"depth.SOL_USDC", "trade.SOL_USDC"}
    derived = derive(topic, recorded, lambda symbol, since: list(past), at)
    assert derived is not None
    assert derived.topic == topic
    return derived


def due_by(derived: Derived, now: int) -> list[Due]:
    sent: list[Due] = []
    while derived.due is not None and derived.due <= now:
        sent.append((derived.due, derived.make().decode()))
    return sent


# Throttled depth


class Book:
    """Decimal prices to quantities."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"a": {}, "b": {}}

    def apply(self, data: dict[str, Any]) -> None:
        for side, levels in self.sides.items():
            for price, qty in data[side]:
                levels[Decimal(price)] = Decimal(qty)

    def standing(self) -> dict[str, dict[Decimal, Decimal]]:
        return {side: {p: q for p, q in levels.items() if q} for side, levels in self.sides.items()}


# Some prices in several spellings.
prices = st.sampled_from(["9.8", "9.80", "9.9", "10", "10.0", "10.00", "10.1", "100.7", "100.70"])
levels = st.lists(st.tuples(prices, st.sampled_from(["0.00", "1.50", "2", "300.25"])), max_size=3)


class Step(NamedTuple):
    """How a frame follows on the one before."""

    wait_ms: int
    ids: int  # how many it holds
    jump: int  # ids that are missing before it; negative: it repeats
    asks: list[tuple[str, str]]
    bids: list[tuple[str, str]]


def steps(jumps: st.SearchStrategy[int]) -> st.SearchStrategy[list[Step]]:
    waits = st.sampled_from([0, 1, 20, 77, 177, 200, 600, 1_500])
    return st.lists(st.builds(Step, waits, st.integers(1, 3), jumps, levels, levels), max_size=25)


def depth_frames(walk: list[Step]) -> list[Passing]:
    frames, at, last = [], START, 100
    for step in walk:
        at += step.wait_ms * MS
        first = last + 1 + step.jump
        u = first + step.ids - 1
        time = at // 1_000
        data = {
            "E": time - 2_000,
            "T": time - TRAVEL_US,
            "U": first,
            "a": step.asks,
            "b": step.bids,
        }
        text = compact({"data": {**data, "e": "depth", "s": "SOL_USDC", "u": u}, "stream": SOURCE})
        frames.append(Passing(at, text.encode()))
        last = max(last, u)
    return frames


SOURCE = "depth.SOL_USDC"
TRAVEL_US = 2_500
WINDOWS = {"200ms": 200 * MS, "600ms": 600 * MS, "1000ms": 1_000 * MS}
windows = st.sampled_from(sorted(WINDOWS))


def merged(topic: str, window: int, frames: list[Passing]) -> list[Due]:
    """One frame for each window with changes, of a source whose ids chain."""
    found: list[Due] = []
    for number in sorted({frame.at // window for frame in frames}):
        parts = [frame.data for frame in frames if frame.at // window == number]
        sides = {}
        for side in "ab":
            texts = {Decimal(level[0]): level for part in parts for level in part[side]}
            sides[side] = [texts[price] for price in sorted(texts)]
        last = parts[-1]
        data = {"E": last["E"], "T": last["T"], "U": parts[0]["U"], **sides}
        data |= {"e": "depth", "s": "SOL_USDC", "u": last["u"]}
        found.append(((number + 1) * window, compact({"data": data, "stream": topic})))
    return found


@given(walk=steps(st.just(0)), window=windows)
def test_a_throttled_frame_is_what_changed_in_its_window(walk: list[Step], window: str) -> None:
    topic, frames = f"depth.{window}.SOL_USDC", depth_frames(walk)
    expected = merged(topic, WINDOWS[window], frames)
    assert made(topic, frames, START + 100 * S) == expected


@given(walk=steps(st.sampled_from([0, 0, 0, 0, 1, 5])), window=windows)
@example([Step(277, 1, 0, [], [("9.8", "1")]), Step(0, 1, 1, [], [])], "200ms")
def test_books_agree_at_each_window_end_and_gaps_stay(walk: list[Step], window: str) -> None:
    topic, frames = f"depth.{window}.SOL_USDC", depth_frames(walk)
    sent = made(topic, frames, START + 100 * S)
    assert [due for due, _ in sent] == sorted(due for due, _ in sent)
    for end in {frame.at // WINDOWS[window] + 1 for frame in frames}:
        now, direct, throttled = end * WINDOWS[window], Book(), Book()
        for frame in frames:
            if frame.at < now:
                direct.apply(frame.data)
        for due, text in sent:
            data = json.loads(text)["data"]
            # A jump at the very end sends at once what has passed then: of the next window.
            if due <= now and passed_at(data) < now:
                throttled.apply(data)
        assert direct.standing() == throttled.standing()
    texts = [json.loads(text)["data"] for _, text in sent]
    assert jumps_in(texts) == jumps_in([frame.data for frame in frames])


def passed_at(data: dict[str, Any]) -> int:
    """When the last frame of the source passed that a frame contains."""
    return (int(data["T"]) + TRAVEL_US) * 1_000


def jumps_in(datas: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(one["u"], two["U"]) for one, two in pairwise(datas) if one["u"] + 1 != two["U"]]


@given(walk=steps(st.sampled_from([0, 0, 0, 1])), window=windows, cut=st.integers(0, 24))
def test_one_begun_in_the_middle_goes_on_like_the_others(
    walk: list[Step], window: str, cut: int
) -> None:
    topic, frames = f"depth.{window}.SOL_USDC", depth_frames(walk)
    whole = made(topic, frames, START + 100 * S)
    rest = made(topic, frames[cut:], START + 100 * S)
    assert rest[1:] == whole[len(whole) - len(rest) + 1 :]
    if rest:  # the first may be a part of a window
        (due, text), (whole_due, whole_text) = rest[0], whole[-len(rest)]
        part, entire = json.loads(text)["data"], json.loads(whole_text)["data"]
        assert due == whole_due
        assert part["U"] == frames[cut].data["U"] >= entire["U"]
        assert {name: part[name] for name in "ETu"} == {name: entire[name] for name in "ETu"}


@given(walk=steps(st.sampled_from([0, 0, 0, 1, -3])), window=windows)
def test_depth_does_not_depend_on_when_one_asks(walk: list[Step], window: str) -> None:
    topic, frames = f"depth.{window}.SOL_USDC", depth_frames(walk)
    end = START + 100 * S
    assert made_late(topic, frames, end) == made(topic, frames, end)


def test_a_jump_sends_what_was_pending_at_once() -> None:
    ask = [("10.0", "1")]
    walk = [Step(0, 1, 0, ask, []), Step(20, 1, 0, ask, []), Step(20, 1, 7, ask, [])]
    frames = depth_frames(walk)
    sent = made("depth.200ms.SOL_USDC", frames, START + S)
    assert [due for due, _ in sent] == [frames[-1].at, START // (200 * MS) * 200 * MS + 200 * MS]
    ids = [json.loads(text)["data"] for _, text in sent]
    assert [(data["U"], data["u"]) for data in ids] == [(101, 102), (110, 110)]


def test_repeats_are_ignored_and_a_new_numbering_is_not() -> None:
    ask, old = [("10.0", "1")], [("10.0", "7")]
    walk = [Step(0, 1, 0, ask, []), Step(1, 1, 0, ask, []), Step(1, 1, -1, old, [])]
    repeated = depth_frames(walk)
    sent = made("depth.200ms.SOL_USDC", repeated, START + S)
    assert sent == made("depth.200ms.SOL_USDC", repeated[:2], START + S)
    renumbered = depth_frames([*walk[:2], Step(5_000, 1, -50, old, [])])
    texts = [text for _, text in made("depth.200ms.SOL_USDC", renumbered, START + 9 * S)]
    assert [json.loads(text)["data"]["u"] for text in texts] == [102, 53]


NOT_DEPTH = [
    b"",
    b"no JSON",
    b"{}",
    b'{"stream":"depth.SOL_USDC","data":"\xff"}',
    b'{"id":null,"error":{"code":4006,"message":"Invalid stream"}}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("topic", ["depth.200ms.SOL_USDC", "kline.1m.SOL_USDC"])
@pytest.mark.parametrize("payload", NOT_DEPTH)
def test_what_cannot_be_read_is_ignored(topic: str, payload: bytes) -> None:
    derived = begun(topic, START)
    before = derived.due
    derived.take(payload, START + 1)
    assert derived.due == before


@pytest.mark.parametrize(
    ("was", "then"),
    [
        ('"9.9"', '"9.9x"'),
        ('"9.9"', '"-9.9"'),
        ('"u":101', '"u":null'),
        ('"e":"depth"', '"e":"other"'),
        ('"stream":"depth.SOL_USDC"', '"stream":"depth.BTC_USDC"'),
    ],
)
def test_depth_that_is_no_depth_is_ignored_whole(was: str, then: str) -> None:
    (frame,) = depth_frames([Step(0, 1, 0, [("9.8", "1"), ("9.9", "2")], [])])
    derived = begun("depth.200ms.SOL_USDC", START)
    assert was.encode() in frame.payload
    derived.take(frame.payload.replace(was.encode(), then.encode()), START)
    assert derived.due is None


# Candles


class Deal(NamedTuple):
    """How a trade follows on the one before. late_ms: its engine time is so long ago."""

    wait_ms: int
    late_ms: int
    again: bool
    price: str
    qty: str


deals = st.lists(
    st.builds(
        Deal,
        st.sampled_from([0, 3, 180, 377, 500, 1_000, 4_000, 31_000]),
        st.sampled_from([0, 1, 2, 30, 400, 700, 2_500]),
        st.sampled_from([False] * 7 + [True]),
        st.sampled_from(["98.98", "99.00", "100", "0.000000001", "98.970000000"]),
        st.sampled_from(["5.14", "0.000001", "1000", "0.10", "3.999999"]),
    ),
    max_size=20,
)


def trade_frames(walk: list[Deal]) -> list[Passing]:
    frames: list[Passing] = []
    at, number = START, 381_737_932
    for deal in walk:
        at += deal.wait_ms * MS
        if deal.again and frames:
            frames.append(Passing(at, frames[-1].payload))
            continue
        number += 1
        time = at // MS * 1_000 - deal.late_ms * 1_000
        data = {"E": time + 1_470, "T": time, "a": "59885446999", "b": "59885471228", "e": "trade"}
        data |= {"m": False, "p": deal.price, "q": deal.qty, "s": "SOL_USDC", "t": number}
        frames.append(Passing(at, compact({"data": data, "stream": "trade.SOL_USDC"}).encode()))
    return frames


def row(frame: Passing) -> rows.Trade:
    data = frame.data
    price, qty = (int(Decimal(data[name]).scaleb(places)) for name, places in (("p", 9), ("q", 6)))
    side, ids = "buy", (data["b"], data["a"])
    return rows.Trade(
        1, frame.at, data["E"] * 1_000, "SOL_USDC", data["T"] * 1_000, data["t"], price, qty,
        side, *ids,
    )  # fmt: skip


def plain(number: Decimal) -> str:
    """The shortest text."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def kline(topic: str, candle: tuple[int, int], trades: list[dict[str, Any]], at: int) -> str:
    """A frame made of all trades of its candle, half a second after ``at``'s full second."""
    ordered = sorted(trades, key=lambda data: (data["T"], data["t"]))
    texts = [Decimal(data["p"]) for data in ordered]
    named: dict[str, str | None] = dict.fromkeys("ohlcv")
    if texts:
        found = {"o": texts[0], "h": max(texts), "l": min(texts), "c": texts[-1]}
        found["v"] = sum((Decimal(data["q"]) for data in trades), Decimal(0))
        named = {name: plain(number) for name, number in found.items()}
    start, end = ((EPOCH + timedelta(seconds=ts // S)).isoformat() for ts in candle)
    closed = at >= candle[1] + S // 2
    data = {"E": at // 1_000, "e": "kline", "s": "SOL_USDC", "T": end, "X": closed}
    data |= {"c": named["c"], "h": named["h"], "l": named["l"], "n": len(trades)}
    data |= {"o": named["o"], "t": start, "v": named["v"]}
    return compact({"data": data, "stream": topic})


def aggregated(topic: str, frames: list[Passing], begin: int, until: int) -> list[Due]:
    """Every half second past a full one: what closes, then what changed since the last one."""
    interval, sent = topic.split(".")[1], []
    beat = begin // S * S + S // 2
    while beat <= until:
        heard: dict[tuple[int, int], dict[int, dict[str, Any]]] = {}
        news = set()
        for frame in frames:
            data = frame.data
            candle = bounds(interval, data["T"] * 1_000)
            if frame.at < beat and frame.at < candle[1] + S // 2:
                trades = heard.setdefault(candle, {})
                if data["t"] not in trades and frame.at >= beat - S:
                    news.add(candle)
                trades[data["t"]] = data
        before = bounds(interval, beat - S // 2 - 1)
        closes = {before} if before[1] + S // 2 == beat else set()
        opens = {candle for candle in news if candle[1] + S // 2 > beat}
        for candle in [*closes, *sorted(opens)]:
            trades = heard.get(candle, {})
            sent.append((beat, kline(topic, candle, list(trades.values()), beat)))
        beat += S
    return [one for one in sent if one[0] > begin]


intervals = st.sampled_from(["1s", "1m", "3m"])
waits = st.sampled_from([0, 1, 377, 400, 877, 1_377])  # some to the very beat


@given(walk=deals, interval=intervals)
@settings(max_examples=examples(30))
def test_candles_are_those_of_all_trades(walk: list[Deal], interval: str) -> None:
    topic, frames = f"kline.{interval}.SOL_USDC", trade_frames(walk)
    until = START + 75 * S
    passed = [frame for frame in frames if frame.at <= until]
    assert made(topic, passed, until) == aggregated(topic, passed, START, until)


@given(walk=deals, interval=intervals, cut=st.integers(0, 19), wait_ms=waits)
@settings(max_examples=examples(30))
def test_candles_begun_in_the_middle_are_complete(
    walk: list[Deal], interval: str, cut: int, wait_ms: int
) -> None:
    topic, frames = f"kline.{interval}.SOL_USDC", trade_frames(walk)
    at = (frames[cut].at if cut < len(frames) else START) + wait_ms * MS
    until = at + 70 * S
    past = [row(frame) for frame in frames if frame.at < at]
    rest = [frame for frame in frames if at <= frame.at <= until]
    whole = made(topic, [frame for frame in frames if frame.at <= until], until)
    assert made(topic, rest, until, at, past) == [one for one in whole if one[0] > at]


@given(walk=deals, interval=intervals, rng=st.randoms())
@settings(max_examples=examples(30))
def test_trades_may_come_in_any_order_and_again(
    walk: list[Deal], interval: str, rng: random.Random
) -> None:
    topic, frames = f"kline.{interval}.SOL_USDC", trade_frames(walk)
    payloads = [frame.payload for frame in frames]
    rng.shuffle(payloads)
    until = START + 75 * S
    mixed = [Passing(frame.at, text) for frame, text in zip(frames, payloads, strict=True)]
    passed = [frame for frame in mixed if frame.at <= until]
    assert made(topic, passed, until) == aggregated(topic, passed, START, until)


@given(walk=deals, interval=intervals)
@settings(max_examples=examples(20))
def test_candles_do_not_depend_on_when_one_asks(walk: list[Deal], interval: str) -> None:
    topic, frames = f"kline.{interval}.SOL_USDC", trade_frames(walk)
    until = (frames[-1].at if frames else START) + 5 * S
    assert made_late(topic, frames, until) == made(topic, frames, until)


@given(ids=st.lists(st.integers(1, 40), max_size=60))
def test_ids_that_were_seen(ids: list[int]) -> None:
    """In any order, and no more is kept of them than where they begin and end."""
    seen, known = SeenIds(), set[int]()
    for number in ids:
        trade = rows.Trade(1, START, START, "X", START, number, 1, 1, "buy", "", "")
        assert seen.add(trade) == (number not in known)
        known.add(number)
        assert len(seen) == sum(number - 1 not in known for number in known)


def test_candles_without_trades_close_with_nulls() -> None:
    (due, text), *_ = made("kline.1m.SOL_USDC", [], START + 200 * S)
    assert due % (60 * S) == S // 2
    assert text == (
        '{"data":{"E":1788367440500000,"e":"kline","s":"SOL_USDC","T":"2026-09-02T16:44:00",'
        '"X":true,"c":null,"h":null,"l":null,"n":0,"o":null,"t":"2026-09-02T16:43:00","v":null},'
        '"stream":"kline.1m.SOL_USDC"}'
    )


def test_a_new_numbering_of_trades_counts() -> None:
    frames = trade_frames([Deal(0, 0, False, "1", "1"), Deal(2_000, 0, False, "2", "2")])
    one, two = frames
    again = two.payload.replace(b'"t":381737934', b'"t":381737933')
    sent = made("kline.1m.SOL_USDC", [one, Passing(two.at, again)], START + 60 * S)
    assert json.loads(sent[-1][1])["data"]["v"] == "3"


# Bounds

DAY = 86_400 * S
times = st.integers(0, 2**62)


@given(interval=st.sampled_from(INTERVALS), ts=times)
def test_candles_lie_side_by_side(interval: str, ts: int) -> None:
    start, end = bounds(interval, ts)
    assert start <= ts < end
    assert bounds(interval, start) == bounds(interval, end - 1) == (start, end)
    assert bounds(interval, end)[0] == end


@given(ts=times)
def test_candles_begin_where_people_expect(ts: int) -> None:
    moment = datetime.fromtimestamp(ts // S, UTC).replace(tzinfo=None)
    midnight = moment.replace(hour=0, minute=0, second=0)
    expected = {
        "1m": moment.replace(second=0),
        "15m": moment.replace(second=0, minute=moment.minute // 15 * 15),
        "4h": midnight.replace(hour=moment.hour // 4 * 4),
        "1d": midnight,
        "1w": midnight - timedelta(days=moment.weekday()),
        "1month": midnight.replace(day=1),
    }
    for interval, begin in expected.items():
        assert bounds(interval, ts)[0] == (begin - EPOCH) // timedelta(seconds=1) * S
    assert bounds("3d", ts)[0] % (3 * DAY) == 0


def test_a_month_is_as_long_as_it_is() -> None:
    february = bounds("1month", 1_709_200_000 * S)  # 2024
    assert february[1] - february[0] == 29 * DAY


def test_what_is_no_interval_is_refused() -> None:
    with pytest.raises(UsageError, match=r"nearest: .*1m"):
        bounds("1M", START)


# Which streams


@pytest.mark.parametrize(
    ("topic", "recorded"),
    [
        ("depth.200ms.SOL_USDC", ["depth.200ms.SOL_USDC", "depth.SOL_USDC"]),
        ("depth.200ms.SOL_USDC", ["depth.BTC_USDC", "depth.600ms.SOL_USDC"]),
        ("depth.SOL_USDC", ["depth.200ms.SOL_USDC"]),
        ("depth.100ms.SOL_USDC", ["depth.SOL_USDC"]),
        ("kline.1m.SOL_USDC", ["kline.1m.SOL_USDC", "trade.SOL_USDC"]),
        ("kline.1m.SOL_USDC", ["depth.SOL_USDC"]),
        ("kline.1M.SOL_USDC", ["trade.SOL_USDC"]),
        ("kline.1m", ["trade"]),
        ("ticker.SOL_USDC", ["trade.SOL_USDC"]),
        ("", []),
    ],
)
def test_not_everything_can_be_made(topic: str, recorded: list[str]) -> None:
    assert derive(topic, recorded, lambda symbol, since: [], START) is None


def test_symbols_may_hold_dots() -> None:
    asked = []

    def past(symbol: str, since: int) -> list[rows.Trade]:
        asked.append((symbol, since))
        return []

    derived = derive("kline.1d.AAPL.US_USDC", ["trade.AAPL.US_USDC"], past, START)
    assert derived is not None
    assert derived.source == "trade.AAPL.US_USDC"
    ((symbol, since),) = asked
    assert symbol == "AAPL.US_USDC"
    assert since == START // DAY * DAY - 60 * S


# The sample


def sampled(stream: str, time: Callable[[dict[str, Any]], int]) -> list[Passing]:
    """The frames of a stream in data/sample, with a tape time of our choice."""
    tape = Tape(SAMPLE)
    frames = [frame for part in segments(tape) for frame in read_frames(tape, part)]
    texts = [frame.payload for frame in frames if frame.kind is Kind.DATA]
    mine = [text for text in texts if f'"stream":"{stream}"'.encode() in text]
    return [Passing(time(msgspec.json.decode(text)["data"]), text) for text in mine]


def test_the_windows_of_the_sample_come_out_again() -> None:
    """The simulator cuts its windows by engine time, before a frame has travelled to the recorder,
    so that is the tape time here; and its E is that of sending, where ours is the last frame's."""
    source = sampled("depth.SOL_USDC", lambda data: data["T"] * 1_000)
    recorded = sampled("depth.200ms.SOL_USDC", lambda data: data["E"] * 1_000)
    sent = made("depth.200ms.SOL_USDC", source, recorded[-1].at, source[0].at)
    assert len(recorded) > 200
    ours = [json.loads(text)["data"] for _, text in sent]
    theirs = [frame.data for frame in recorded]
    for data in ours + theirs:
        del data["E"]
    assert ours == theirs


@pytest.mark.parametrize("symbol", ["SOL_USDC", "BTC_USDC_PERP"])
def test_the_candles_of_the_sample_come_out_again(symbol: str) -> None:
    """The simulator knows the trades of a whole second half way through it, so that is the tape
    time here; it also sends a candle again that did not change for four seconds, which we do not,
    and has no candle before the recording's first second."""
    source = sampled(f"trade.{symbol}", lambda data: data["T"] * 1_000 // S * S)
    recorded = sampled(f"kline.1m.{symbol}", lambda data: data["E"] * 1_000)
    topic, begin = f"kline.1m.{symbol}", source[0].at - 1
    derived = derive(topic, {f"trade.{symbol}"}, lambda symbol, since: [], begin)
    assert derived is not None
    ours = []
    for frame in source:
        ours += due_by(derived, frame.at)
        derived.take(frame.payload, frame.at)
    ours += due_by(derived, recorded[-1].at)
    news = [frame for one, frame in pairwise(recorded) if rest(one.data) != rest(frame.data)]
    expected = [(frame.at // S, rest(frame.data)) for frame in [recorded[0], *news]]
    assert len(expected) > 20
    assert [(due // S, rest(json.loads(text)["data"])) for due, text in ours] == expected


def rest(data: dict[str, Any]) -> dict[str, Any]:
    """Without the time of sending."""
    return {name: value for name, value in data.items() if name != "E"}
