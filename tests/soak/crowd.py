"""A crowd of markets: the simulated session many times over, each under names of its own.

A session has some 220 frames a second with its way back, so 46 of them are the venue's peak of
10,000. They begin one after another, so that their ways back do not come together.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.simulate import Plan, Session, simulate
from tests.venue.catalogue import Listing, markets_body
from tests.venue.feed import Feed, TimedFrame
from tests.venue.link import Cue
from tests.venue.reel import Reel

SECONDS = 10  # of a session until it begins anew
SPAN_NS = SECONDS * 1_000_000_000

_SPOT, _PERP = "SOL_USDC", "BTC_USDC_PERP"
_MICROS = re.compile(r'"(E|T)":(\d+)')

Restart = Callable[[dict[str, str]], None]


class Crowd(NamedTuple):
    """Sessions that are played at once."""

    reels: list[Reel]
    topics: list[str]
    snapshots: dict[str, str]
    markets: str

    @property
    def rate(self) -> float:
        """Frames a second."""
        return sum(reel.size(1) for reel in self.reels) / SECONDS

    def cues(self, restart: Restart) -> Iterator[Cue]:
        """All frames in order of time, without end. restart: called with the books of a session
        when it begins anew."""
        return heapq.merge(*(_rounds(reel, restart) for reel in self.reels), key=_time)


def crowd(sessions: int, now_ns: int) -> Crowd:
    """As many sessions, the first of which begins now."""
    made = simulate(Plan(seed=7, seconds=SECONDS))
    feeds = [_named(made, number, now_ns, sessions) for number in range(sessions)]
    snapshots = {symbol: body for feed in feeds for symbol, body in feed.snapshots.items()}
    listings = [Listing(symbol, "0.01", "0.00001") for symbol in snapshots]
    return Crowd(
        [Reel(feed) for feed in feeds],
        sorted(topic for feed in feeds for topic in feed.topics),
        snapshots,
        markets_body(listings),
    )


def _time(cue: Cue) -> int:
    return cue.t_ns


def _rounds(reel: Reel, restart: Restart) -> Iterator[Cue]:
    number = 0
    while True:
        restart(reel.snapshots(number))
        yield from reel.round(number)
        number += 1


def _named(made: Session, number: int, now_ns: int, sessions: int) -> Feed:
    """A session under other names, later by its share of the span."""
    first_ns = made.frames[0].ts_ns
    later_ns = now_ns - first_ns + number * SPAN_NS // sessions

    def renamed(text: str) -> str:
        return text.replace(_SPOT, f"S{number:02d}_USDC").replace(_PERP, f"B{number:02d}_USDC_PERP")

    def moved(text: str) -> str:
        later_us = later_ns // 1_000
        return _MICROS.sub(lambda found: f'"{found[1]}":{int(found[2]) + later_us}', text)

    frames = [
        TimedFrame(frame.ts_ns + later_ns, moved(renamed(frame.text)))
        for frame in made.frames
        if _is_ours(frame.text)
    ]
    books = {renamed(symbol): body for symbol, body in made.snapshots.items()}
    return Feed(frames, books)


def _is_ours(text: str) -> bool:
    """Candles move by whole minutes only, and the stocks are the same in all sessions."""
    return '"e":"kline"' not in text and (_SPOT in text or _PERP in text)
