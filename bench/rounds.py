"""The capture of single-level frames over and over: ids and times go on, books come back."""

import json
from collections.abc import Iterator
from functools import cache
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

from bench.captures import SYMBOLS, received, snapshot
from schemas.frames import Kind
from schemas.requests import MARKETS_PATH
from tests.tapes import Recording, Setting
from tests.venue.catalogue import listing_of_body, markets_body
from tests.venue.feed import Feed, TimedFrame
from tests.venue.reel import Reel

CAPTURE = "spot2_events_90s"
SPAN_NS = 96_000_000_000  # of a round: 90 s as captured, then the way back
WALL_NS = 1_795_327_200_000_000_000  # 2026-11-22T06:00, when recordings of rounds begin
SESSION = "20261122T060000Z"

_FIRST = 1  # round of the reel that is ours: no frame of it is older than its books


class Timed(NamedTuple):
    """A frame of a round: ns since the round began, and its text."""

    at: int
    text: str


class Growth(NamedTuple):
    """How far the ids of a market go in a round."""

    updates: int
    trades: int


@cache
def reel() -> Reel:
    """Rounds of the capture."""
    frames = [TimedFrame(*arrival) for arrival in received(CAPTURE)]
    return Reel(Feed(frames, {symbol: snapshot(CAPTURE, symbol).decode() for symbol in SYMBOLS}))


def frames_of(number: int) -> list[Timed]:
    """Round 0, 1.. with the pauses of the capture. The way back to its first books, which the reel
    plays in 3 ms, is spread evenly over what is left of the span."""
    cues = list(reel().round(_FIRST + number))
    back = reel().size(0) - len(received(CAPTURE))
    timed = [Timed(cue.t_ns - cues[0].t_ns, cue.text) for cue in cues]
    real, last = timed[:-back], timed[-back - 1].at
    pause = (SPAN_NS - last) // (back + 1)
    return real + [Timed(last + n * pause, text) for n, (_, text) in enumerate(timed[-back:], 1)]


def endless() -> Iterator[Timed]:
    """Round after round; times since the first one began."""
    for number in count():
        for at, text in frames_of(number):
            yield Timed(number * SPAN_NS + at, text)


def books(number: int) -> dict[str, str]:
    """REST depth bodies at the beginning of a round."""
    return reel().snapshots(_FIRST + number)


def growth() -> dict[str, Growth]:
    """By market."""
    updates = [{s: int(json.loads(b)["lastUpdateId"]) for s, b in books(n).items()} for n in (0, 1)]
    trades = [_first_trades(number) for number in (0, 1)]
    return {s: Growth(updates[1][s] - updates[0][s], trades[1][s] - trades[0][s]) for s in SYMBOLS}


def begun(data: Path, setting: Setting | None = None) -> Recording:
    """A recording up to the first round: connected, with the markets and their books."""
    recording = Recording(data, setting or Setting(session=SESSION))
    recording.wall = WALL_NS
    recording.begin(f"{kind}.{s}" for kind in ("bookTicker", "depth", "trade") for s in SYMBOLS)
    recording.connect()
    bodies = books(0)
    recording.take(Kind.REQUEST, b"", topic=MARKETS_PATH)
    markets = markets_body(listing_of_body(symbol, body) for symbol, body in bodies.items())
    recording.take(Kind.REPLY, markets.encode(), topic=MARKETS_PATH)
    for symbol, body in bodies.items():
        recording.snapshot(symbol, body)
    return recording


def squeezed(data: Path, frames: int, seconds: float) -> None:
    """Record so many frames in so many seconds, all pauses shortened alike."""
    taken = list(islice(endless(), frames))
    factor = seconds * 1e9 / taken[-1].at
    recording = begun(data)
    for at, text in taken:
        recording.pass_(WALL_NS + int(at * factor) - recording.wall)
        recording.data(text)
    recording.stop()


def _first_trades(number: int) -> dict[str, int]:
    """By market: id of the first trade of a round."""
    first: dict[str, int] = {}
    for _, text in frames_of(number):
        if '"stream":"trade.' in text:
            data = json.loads(text)["data"]
            first.setdefault(data["s"], data["t"])
    return first
