"""The streams that an engine follows, each with its decoder, its handler and its memory."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from msgspec import Raw

from market.depth import DepthTracker
from market.memory import Memory
from market.quotes import QuoteTracker
from market.streams import STREAMS, Stream, Tracker
from schemas import wire
from schemas.frames import Frame
from schemas.requests import Request
from schemas.rows import Row
from schemas.topics import Topic

LANE_LIMIT = 20_000  # streams followed at once; the venue has about 200 markets
LARGEST_STATE = 48 << 20  # bytes of a keyframe: it fits into a batch of the journal
LONGEST_NAME = 128  # of a stream that is followed; a market has 64 at most
ALL_MARKETS_CHANNEL = "liquidation"  # the one public stream that may be about no market

ANYWHERE = -1  # no number of a connection: frames were lost, and with them what was subscribed

_NOWHERE: frozenset[int] = frozenset()

Conns = frozenset[int]  # numbers of connections
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

    __slots__ = (
        "_late", "_own", "_woven",
        "decode", "events", "handle", "name", "symbol", "topic", "tracker",
    )  # fmt: skip

    def __init__(self, name: str, stream: Stream, outbox: deque[Request]) -> None:
        self.name = name
        self.topic = Topic.parse(name)
        self.events = wire.events(stream.message)
        decode: Decode = (
            wire.several(stream.message) if stream.several else wire.decoder(stream.message).decode
        )
        self._own = decode, "" if stream.private else self.topic.symbol
        self.tracker = _tracker(stream, self.topic, outbox)
        self._late: Late | None = None
        self._woven: Handle | None = None
        self._aim()

    def bury(self, late: "Late") -> None:
        """The stream was unsubscribed: what still comes of it is not decoded, and ``late``'s."""
        self._late = late
        self._aim()

    @property
    def ended(self) -> bool:
        """Whether it was unsubscribed."""
        return self._late is not None

    def revive(self) -> None:
        """It is followed again."""
        self._late = None
        self._aim()

    def weave(self, handle: Handle | None) -> None:
        """Let messages pass something on their way to the tracker; None: they go there."""
        self._woven = handle
        self._aim()

    def _aim(self) -> None:
        """What is decided here, no message has to ask."""
        self.decode, self.symbol = self._own
        self.handle: Handle = self._woven or self.tracker.rows
        if self._late is not None:
            self.decode, self.handle, self.symbol = _undecoded, partial(self._late, self), ""


Late = Callable[[Lane, Frame, Any], list[Row]]  # takes what comes of a stream that has ended


def _tracker(stream: Stream, topic: Topic, outbox: deque[Request]) -> Tracker | Memory:
    if stream.tracker is not None:
        return stream.tracker(topic, outbox)
    if stream.handler is None:
        raise TypeError(f"{stream.channel} has neither a handler nor a tracker")
    handle = partial(stream.handler, topic)
    return stream.keep(topic, stream.row, partial(_each, handle) if stream.several else handle)


class Lanes(dict[str | None, Lane | None]):
    """Streams by name. One is made when first asked for; None, and not kept, for a name that is
    of no known kind, or for one stream too many.

    ended: streams that were unsubscribed, and the connections on which frames of them may still be
        on their way, or `ANYWHERE`. Who hears of one elsewhere, hears of a stream nobody announced.
    """

    def __init__(self, outbox: deque[Request], late: Late) -> None:
        super().__init__()
        self.ended: dict[str, Conns] = {}
        self._outbox = outbox
        self.channels: dict[str, dict[str, Lane]] = {}
        self._late = late
        self._weave: Callable[[Lane], Handle] | None = None
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
        if name in self.ended:
            lane.bury(self._late)
        if self._weave is not None:
            lane.weave(self._weave(lane))
        return lane

    def __delitem__(self, name: str | None) -> None:
        super().__delitem__(name)
        if name:
            del self.channels[Topic.parse(name).channel][name]

    def keyframes(self) -> Iterator[tuple[str, bytes]]:
        """Name and state of each. One that is too large for the tape, such as that of a book with
        millions of levels, is forgotten where a segment ends, live as in replay."""
        for lane in self.values():
            state = b"" if lane is None else lane.tracker.export()
            if lane is not None and len(state) <= LARGEST_STATE:
                yield lane.name, state

    def begin(self, name: str) -> None:
        """A stream is subscribed, or heard of where nobody announced it."""
        self.ended.pop(name, None)
        if lane := self.get(name):
            lane.revive()

    def weave(self, through: Callable[[Lane], Handle] | None) -> None:
        """What messages of each lane, of one that is made later too, have to pass."""
        self._weave = through
        for lane in self.values():
            if lane is not None:
                lane.weave(through and through(lane))

    def end(self, name: str, conns: Conns) -> Tracker | Memory | None:
        """A stream was unsubscribed on all connections; what is kept of it, if anything."""
        if _stream(name) is None or (name not in self.ended and len(self.ended) >= LANE_LIMIT):
            return None
        self.ended[name] = conns
        lane = self.get(name)
        if lane is None:
            return None
        lane.bury(self._late)
        return lane.tracker

    def closed(self, conn: int) -> None:
        """A connection is over: nothing is on its way there any more."""
        for name, conns in self.ended.items():
            self.ended[name] = conns - {conn}

    def lost(self, doubt: bool) -> None:
        """No connection is known to be open. doubt: as that was lost, and with it what streams were
        subscribed again."""
        self.ended = dict.fromkeys(self.ended, frozenset((ANYWHERE,)) if doubt else _NOWHERE)

    def restore(self, ended: dict[str, Conns]) -> None:
        """Streams that have ended, and no others."""
        for name in list(self.ended):
            self.begin(name)
        self.ended = dict(ended)
        for name in ended:
            if lane := self.get(name):
                lane.bury(self._late)

    def _of(self, symbol: str) -> list[DepthTracker]:
        """Depth streams of a market, to which one may be added."""
        return self._depths.setdefault(symbol, [])


def _stream(name: str) -> Stream | None:
    """The kind of a stream; None for a name that is of none, is too long, or lacks its market."""
    if len(name) > LONGEST_NAME:
        return None
    topic = Topic.parse(name)
    stream = STREAMS.get(topic.channel)
    if stream is None or topic.symbol or stream.private or topic.channel == ALL_MARKETS_CHANNEL:
        return stream
    return None


class _Undecoded(NamedTuple):
    """What was not looked into: it is about no market."""

    s: str = ""


_UNDECODED = _Undecoded()


def _undecoded(data: Raw) -> _Undecoded:
    del data
    return _UNDECODED


def _each(handle: Handle, frame: Frame, messages: wire.Several) -> list[Row]:
    return [row for message in messages.each for row in handle(frame, message)]
