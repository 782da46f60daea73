"""The streams that an engine follows, each with its decoder, its handler and its memory."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import Raw

from market.depth import DepthTracker
from market.memory import Memory
from market.quotes import QuoteTracker
from market.streams import STREAMS, Stream, Tracker
from schemas import wire
from schemas.frames import Frame
from schemas.requests import SnapshotRequest
from schemas.rows import Row
from schemas.topics import Topic

LANE_LIMIT = 20_000  # streams followed at once; the venue has about 200 markets
ALL_MARKETS_CHANNEL = "liquidation"  # the one public stream that may be about no market

Decode = Callable[[Raw], Any]
Handle = Callable[[Frame, Any], list[Row]]


class Lane:
    """One stream as the engine follows it, such as ``depth.SOL_USDC``; made when first heard of.

    symbol: of all its messages; empty where each says its own.
    events: names that its events may have.
    decode: message bytes to the wire class; raises msgspec.MsgspecError.
    handle: frame and message to rows.
    tracker: what is kept of the stream.
    """

    __slots__ = ("decode", "events", "handle", "name", "symbol", "topic", "tracker")

    def __init__(self, name: str, stream: Stream, outbox: deque[SnapshotRequest]) -> None:
        self.name = name
        self.topic = Topic.parse(name)
        self.symbol = "" if stream.private else self.topic.symbol
        self.events = wire.events(stream.message)
        self.decode: Decode = (
            wire.several(stream.message) if stream.several else wire.decoder(stream.message).decode
        )
        self.tracker = _tracker(stream, self.topic, outbox)
        self.handle: Handle = self.tracker.rows


def _tracker(stream: Stream, topic: Topic, outbox: deque[SnapshotRequest]) -> Tracker | Memory:
    if stream.tracker is not None:
        return stream.tracker(topic, outbox)
    if stream.handler is None:
        raise TypeError(f"{stream.channel} has neither a handler nor a tracker")
    handle = partial(stream.handler, topic)
    return stream.keep(topic, stream.row, partial(_each, handle) if stream.several else handle)


class Lanes(dict[str | None, Lane | None]):
    """Streams by name. One is made when first asked for; None, and not kept, for a name that is
    of no known kind, or for one stream too many.

    channels: the same, by channel.
    """

    def __init__(self, outbox: deque[SnapshotRequest]) -> None:
        super().__init__()
        self._outbox = outbox
        self.channels: dict[str, dict[str, Lane]] = {}
        self._depths: dict[str, list[DepthTracker]] = {}  # by symbol, all windows

    def __missing__(self, name: str | None) -> Lane | None:
        stream = _stream(name) if name else None
        if not name or stream is None or len(self) >= LANE_LIMIT:
            return None
        lane = self[name] = Lane(name, stream, self._outbox)
        self.channels.setdefault(lane.topic.channel, {})[name] = lane
        if isinstance(lane.tracker, QuoteTracker):
            lane.tracker.depths = self._of(lane.symbol)
        if isinstance(lane.tracker, DepthTracker):
            self._of(lane.symbol).append(lane.tracker)
        return lane

    def __delitem__(self, name: str | None) -> None:
        super().__delitem__(name)
        if name:
            del self.channels[Topic.parse(name).channel][name]

    def _of(self, symbol: str) -> list[DepthTracker]:
        """Depth streams of a market, to which one may be added."""
        return self._depths.setdefault(symbol, [])


def _stream(name: str) -> Stream | None:
    """The kind of a stream; None for a name that is of none, or lacks its market."""
    topic = Topic.parse(name)
    stream = STREAMS.get(topic.channel)
    if stream is None or topic.symbol or stream.private or topic.channel == ALL_MARKETS_CHANNEL:
        return stream
    return None


def _each(handle: Handle, frame: Frame, messages: wire.Several) -> list[Row]:
    return [row for message in messages.each for row in handle(frame, message)]
