"""Counts messages: how many by stream, and by channel how old they were on arrival (lag)."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from market.streams import STREAMS
from recorder.histogram import Histogram
from schemas.check_rows import Clock
from schemas.frames import Frame
from schemas.rows import Row
from schemas.topics import Topic

OTHER = "other"  # channel of what names no stream, or one that we do not know
LONG = 16_384  # bytes of a message that is not kept; ids are wanted of short ones
STREAM_LIMIT = 20_000  # a venue may make up more; they count as of no stream

_MS = 1_000_000
LAGS_NS = tuple(ms * _MS for ms in (1, 5, 10, 25, 50, 75, 100, 150, 250, 500, 1_000, 5_000, 30_000))


class Heard(msgspec.Struct, gc=False):
    """Messages of a stream so far, bytes of their payloads, and when the last came, in ns. lag: of
    all streams of its channel.

    newest: the last message, without its payload if that is long. awaited: somebody wants to know
    the next one, which is then woken.
    """

    lag: Histogram
    channel: str
    frames: int = 0
    bytes: int = 0
    last: int = 0
    newest: Frame | None = None
    awaited: bool = False
    woken: Frame | None = None


class Channel(msgspec.Struct, gc=False):
    """All streams of a kind together. lag: against ``E``."""

    lag: Histogram
    frames: int = 0
    bytes: int = 0


class Traffic:
    """Counts messages. There are no more channels than `STREAMS` has, and `OTHER`.

    streams: by name. clock: the newest comparison with the venue's clock that it answered; None
    before the first. heard: monotonic clock when the newest message came, ns; None before that.
    """

    def __init__(self) -> None:
        self.streams: dict[str, Heard] = {}
        self.clock: Clock | None = None
        self.heard: int | None = None
        self._lags: dict[str, Histogram] = {}
        self._nameless = Heard(self._lag(OTHER), OTHER)
        self._ahead = 0  # of the venue's clock before ours, in ns

    def see(self, name: str | None, frame: Frame, rows: Sequence[Row]) -> None:
        """A message of the stream of this name (None: of none), and what was made of it."""
        stream = self._nameless if name is None else self.streams.get(name)
        if stream is None:
            stream = self._learn(name or "")
        stream.frames += 1
        stream.bytes += len(frame.payload)
        stream.last = frame.ts_recv
        stream.newest = frame if len(frame.payload) <= LONG else replace(frame, payload=b"")
        if stream.awaited:
            stream.awaited, stream.woken = False, stream.newest
        self.heard = frame.ts_mono
        if rows and (sent := rows[0].ts_event) is not None:
            stream.lag.see(frame.ts_recv + self._ahead - sent)

    def newest(self, name: str) -> Frame | None:
        """The last message of a stream; None before the first."""
        stream = self.streams.get(name)
        return None if stream is None else stream.newest

    def wait_for(self, name: str) -> None:
        """Keep the next message of a stream as ``woken``."""
        stream = self.streams.get(name) or self._learn(name)
        stream.awaited, stream.woken = True, None

    def woken(self, name: str) -> Frame | None:
        """The message that was waited for; None before it comes."""
        stream = self.streams.get(name)
        return None if stream is None else stream.woken

    def compare(self, row: Clock) -> None:
        """Clocks were compared: from now on lags are by the venue's, as far as it is known."""
        if row.offset_ns is not None:
            self.clock = row
            self._ahead = row.offset_ns

    def channels(self) -> dict[str, Channel]:
        """Those that were heard of, by name."""
        channels: dict[str, Channel] = {}
        for stream in (*self.streams.values(), self._nameless):
            if stream.frames:
                channel = channels.setdefault(stream.channel, Channel(stream.lag))
                channel.frames += stream.frames
                channel.bytes += stream.bytes
        return channels

    def _learn(self, name: str) -> Heard:
        if len(self.streams) >= STREAM_LIMIT:
            return self._nameless
        channel = Topic.parse(name).channel
        if channel not in STREAMS:
            channel = OTHER
        stream = self.streams[name] = Heard(self._lag(channel), channel)
        return stream

    def _lag(self, channel: str) -> Histogram:
        return self._lags.setdefault(channel, Histogram(LAGS_NS))
