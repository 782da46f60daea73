"""Streams that were not recorded, made from those that were.

Throttled depth from real-time depth, candles from trades. They know no clock: what passes comes
with its tape time, and what is to be sent says when.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from replay.server.candles import Klines, bounds
from replay.server.window import ThrottledDepth
from schemas import rows
from schemas.topics import INTERVALS, WINDOWS, Topic, depth_topic

__all__ = ["Derived", "Past", "bounds", "derive"]

# Trades of a symbol that have passed and were received since then (ns), oldest first.
Past = Callable[[str, int], Sequence[rows.Trade]]


class Derived(Protocol):
    """A stream in the making. Tape time is ns since the epoch, UTC, and never runs backwards."""

    @property
    def topic(self) -> str:
        """The stream it makes."""

    @property
    def source(self) -> str:
        """The recorded stream it is made from."""

    @property
    def due(self) -> int | None:
        """Tape time at which its next frame is to go out; None: nothing to send.

        What is due when a frame passes goes out before that frame; ask again after each `take` and
        `make`, as several frames may be due at once.
        """

    def take(self, payload: bytes, at: int) -> None:
        """A DATA frame of the source passes at a tape time. Never raises for what it says."""

    def make(self) -> bytes:
        """The frame that is due, the text of a websocket message; asks for the next."""


def derive(topic: str, recorded: Collection[str], past: Past, at: int) -> Derived | None:
    """A stream from tape time ``at`` on; None where there is nothing to make it from, or no need.

    recorded: topics of the recording. past: asked for the trades of candles that are open then.
    """
    channel, variant, symbol = Topic.parse(topic)
    if topic in recorded or not symbol:
        return None
    if channel == "depth" and variant in WINDOWS and depth_topic(symbol) in recorded:
        return ThrottledDepth(topic, depth_topic(symbol), int(variant.removesuffix("ms")))
    source = str(Topic("trade", "", symbol))
    if channel == "kline" and variant in INTERVALS and source in recorded:
        return Klines(topic, source, past(symbol, Klines.since(variant, at)), at)
    return None
