"""Times moved, and nothing else, against a model that decodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from replay.server.derived import bounds
from replay.server.shift import Shift
from schemas.errors import UsageError
from schemas.frames import Kind
from schemas.topics import INTERVALS, Topic
from tape.layout import Tape
from tape.reader import read_frames, segments
from tests.shared import needs_shared, sample_texts

MS = 1_000_000
S = 1_000 * MS
DAY = 86_400 * S
NOW = 1_788_367_390 * S
SAMPLE = Path(__file__).resolve().parents[3] / "data" / "sample"
WIDTHS = {"s": S, "m": 60 * S, "h": 3_600 * S, "d": DAY, "w": 7 * DAY}

shifts = st.integers(-(10**18), 10**18).map(lambda ns: ns // MS * MS)


def width(interval: str) -> int:
    """Whole multiples of this leave candles where they may begin; of months, whole days."""
    return DAY if interval == "1month" else int(interval[:-1]) * WIDTHS[interval[-1]]


def model(topic: str, data: dict[str, Any], ns: int) -> dict[str, Any]:
    """What the message's data should say then."""
    channel, variant, _ = Topic.parse(topic)
    moved = dict(data)
    for name in ("E", "T"):
        if type(data.get(name)) is int:
            moved[name] = data[name] + ns // 1_000
    other = {"markPrice": "n", "stockPrice": "timestamp", "stockIndicativeQuote": "timestamp"}
    if channel in other and type(data.get(other[channel])) is int:
        moved[other[channel]] += ns // MS
    if channel == "kline":
        whole = timedelta(microseconds=ns // width(variant) * width(variant) // 1_000)
        for name in ("t", "T"):
            moved[name] = (datetime.fromisoformat(data[name]) + whole).isoformat()
    return moved


def check(topic: str, text: str | bytes, ns: int) -> None:
    """A message is moved as the model says, byte for byte, and back again."""
    payload = text if isinstance(text, bytes) else text.encode()
    shift = Shift(ns)
    moved = shift.payload(topic, payload)
    before, after = json.loads(payload), json.loads(moved)
    assert after == before | {"data": model(topic, before["data"], ns)}
    compact = json.dumps(before, separators=(",", ":")).encode() == payload
    if compact:
        assert json.dumps(after, separators=(",", ":")).encode() == moved
    if ns % (21 * DAY) == 0:
        assert Shift(-ns).payload(topic, moved) == payload


def samples() -> Iterator[str]:
    """Frames of the exchange: observed ones, and those of its documentation."""
    yield from sample_texts("frames")
    yield from sample_texts("doc_examples")


@needs_shared
@pytest.mark.parametrize("ns", [0, 21 * DAY, 77 * DAY + 12_345 * MS, -21 * DAY])
def test_the_frames_of_the_exchange(ns: int) -> None:
    frames = list(samples())
    for text in frames:
        message = json.loads(text)
        topic, data = message["stream"], message["data"]
        if ns < 0 and data.get("T") == 567:  # as documented: a time before 1970 then
            assert Shift(ns).payload(topic, text.encode()) == text.encode()
        else:
            check(topic, text, ns)
    assert len(frames) > 50


@needs_shared
def test_answers_have_no_times() -> None:
    for text in sample_texts("control_frames"):
        assert Shift(DAY).payload(None, text.encode()) == text.encode()


def test_every_frame_of_the_sample() -> None:
    tape = Tape(SAMPLE)
    frames = (frame for part in segments(tape) for frame in read_frames(tape, part))
    payloads = [frame.payload for frame in frames if frame.kind is Kind.DATA]
    assert len(payloads) > 6_000
    for payload in payloads[::3]:
        check(json.loads(payload)["stream"], payload, 80 * DAY + 12_345 * MS)


# Texts that look like members, where no member is.
odd = st.sampled_from(
    ['"E":5', '{"T":1788367390000000,', '\\"E\\":7,', '"n":1', "E", "T", "t", "n"]
)
texts = st.text(max_size=8) | odd | st.builds(lambda one, two: one + two, odd, odd)
micros = st.integers(NOW // 1_000, 2 * NOW // 1_000)
members = st.dictionaries(
    st.sampled_from(["E", "T", "U", "u", "t", "n", "timestamp", "s", "a", "p", 'x"E', "{"]),
    micros | texts | st.none() | st.booleans() | st.lists(st.tuples(texts, texts), max_size=2),
)
channels = st.sampled_from(
    ["depth.X", "depth.200ms.X", "trade.X", "markPrice.X", "stockPrice.X", "liquidation", "new.X"]
)


@given(topic=channels, data=members, ns=shifts, escaped=st.booleans(), spaces=st.booleans())
@example("trade.X", {'"E': 5, "E": 6, "x": '"E":7'}, 21 * DAY, True, False)
def test_only_members_are_moved(
    topic: str, data: dict[str, Any], ns: int, escaped: bool, spaces: bool
) -> None:
    separators = None if spaces else (",", ":")
    text = json.dumps({"data": data, "stream": topic}, ensure_ascii=escaped, separators=separators)
    payload = text.encode()
    moved = Shift(ns).payload(topic, payload)
    expected = model(topic, data, ns)
    times = [expected[name] for name in ("E", "T") if type(expected.get(name)) is int]
    millis = {"markPrice.X": "n", "stockPrice.X": "timestamp"}.get(topic, "")
    times += [expected[millis] * 1_000] if type(expected.get(millis)) is int else []
    if all(0 <= time * 1_000 < 2**63 for time in times):
        again = {"data": expected, "stream": topic}
        then = json.dumps(again, ensure_ascii=escaped, separators=separators)
        assert moved == then.encode()
    else:
        assert moved == payload


@given(interval=st.sampled_from(INTERVALS), ts=st.integers(NOW, NOW + 400 * DAY), ns=shifts)
def test_candles_move_by_whole_intervals(interval: str, ts: int, ns: int) -> None:
    start, end = bounds(interval, ts)
    shift = Shift(ns)
    moved = shift.candle(interval, start)
    assert (moved - start) % width(interval) == 0
    assert 0 <= shift.ns(start) - moved < width(interval)
    if interval != "1month":
        assert bounds(interval, moved) == (moved, shift.candle(interval, end))
    if moved >= 0:
        texts = [iso_text(start), iso_text(end)]
        data = {"E": ts // 1_000, "T": texts[1], "n": 5, "t": texts[0]}
        payload = json.dumps({"data": data, "stream": f"kline.{interval}.X"}).encode()
        after = json.loads(shift.payload(f"kline.{interval}.X", payload))["data"]
        moved_end = shift.candle(interval, end)
        expected = {"E": shift.ns(ts // 1_000 * 1_000) // 1_000, "n": 5}
        assert after == expected | {"t": iso_text(moved), "T": iso_text(moved_end)}


def iso_text(ts: int) -> str:
    return (datetime(1970, 1, 1) + timedelta(seconds=ts // S)).isoformat()


@given(ns=st.integers(-(10**18), 10**18), ts=st.integers(0, 2**62))
def test_it_is_cut_to_milliseconds(ns: int, ts: int) -> None:
    shift = Shift(ns)
    assert shift.by % MS == 0
    assert 0 <= ns - shift.by < MS
    assert shift.ns(ts) == ts + shift.by


KLINE = (
    '{"data":{"E":1788367440511558,"e":"kline","s":"SOL_USDC","T":"2026-09-02T16:44:00","X":true,'
    '"c":null,"h":null,"l":null,"n":0,"o":null,"t":"2026-09-02T16:43:00","v":null},'
    '"stream":"kline.1m.SOL_USDC"}'
)


def test_a_candle_by_hand() -> None:
    moved = Shift(DAY + 90 * S).payload("kline.1m.SOL_USDC", KLINE.encode()).decode()
    expected = KLINE.replace("1788367440511558", "1788453930511558")
    for one, two in (("02T16:44:00", "03T16:45:00"), ("02T16:43:00", "03T16:44:00")):
        expected = expected.replace(one, two)
    assert moved == expected


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        (None, '{"data":{"E":1788367440511558},"stream":"trade.X"}'),
        ("trade.X", ""),
        ("trade.X", '{"data":{"E":"1788367440511558","T":1.5,"x":-1}}'),
        ("trade.X", '{"data":{"E":17883674405115'),
        ("trade.X", '{"data":{"E":1788367440511558e3,"T":017}}'),
        ("trade.X", '{"data":{"E":17883674405115581788367440511558}}'),
        ("trade.X", '{"data":{"E":1788367440511558,"T":9223372036854775}}'),
        ("kline.1m.X", '{"data":{"E":1788367440511558,"t":"2026-13-02T16:43:00"}}'),
        ("kline.1m.X", '{"data":{"E":1788367440511558,"t":"2262-04-11T23:46:00"}}'),
        ("kline.1m.X", '{"data":{"t":1788367440,"T":"16:43"}}'),
        ("kline.9m.X", '{"data":{"t":"2026-09-02T16:43:00"}}'),
    ],
)
def test_what_is_not_as_expected_stays(topic: str | None, text: str) -> None:
    assert Shift(DAY).payload(topic, text.encode()) == text.encode()


def test_candles_of_no_interval_are_refused() -> None:
    with pytest.raises(UsageError, match="nearest"):
        Shift(DAY).candle("9m", NOW)
