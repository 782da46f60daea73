"""What the venue sends, by channel: how much, and how old it was when it came."""

from collections.abc import Iterator, Sequence

import msgspec

from market.streams import STREAMS
from recorder.histogram import Histogram
from schemas.frames import Frame
from schemas.rows import Clock, Row
from schemas.topics import Topic

OTHER = "other"  # channel of what names no stream, or one that we do not know
NAMES = 20_000  # of streams whose channel is remembered; a venue may make up more

_MS = 1_000_000
LAGS_NS = tuple(ms * _MS for ms in (1, 5, 10, 25, 50, 75, 100, 150, 250, 500, 1_000, 5_000, 30_000))


class Channel(msgspec.Struct, gc=False):
    """Of one channel: messages, bytes of their payloads, and lags against ``E``."""

    lag: Histogram
    frames: int = 0
    bytes: int = 0


class Traffic:
    """Counts messages by channel; there are no more channels than `STREAMS` has, and `OTHER`.

    clock: the newest comparison with the venue's clock that it answered; None before the first.
    heard: monotonic clock when the newest message came, ns; None before the first.
    """

    def __init__(self) -> None:
        self.clock: Clock | None = None
        self.heard: int | None = None
        self._channels: dict[str, Channel] = {}
        self._by_name: dict[str | None, Channel] = {}
        self._ahead = 0  # of the venue's clock before ours, in ns

    def see(self, name: str | None, frame: Frame, rows: Sequence[Row]) -> None:
        """A message of the stream of this name (None: of none), and what was made of it."""
        channel = self._by_name.get(name) or self._learn(name)
        channel.frames += 1
        channel.bytes += len(frame.payload)
        self.heard = frame.ts_mono
        if rows and (sent := rows[0].ts_event) is not None:
            channel.lag.see(frame.ts_recv + self._ahead - sent)

    def compare(self, row: Clock) -> None:
        """Clocks were compared: from now on lags are by the venue's, as far as it is known."""
        if row.offset_ns is not None:
            self.clock = row
            self._ahead = row.offset_ns

    def channels(self) -> Iterator[tuple[str, Channel]]:
        """Those that were heard of, with their names."""
        yield from self._channels.items()

    def _learn(self, name: str | None) -> Channel:
        channel = Topic.parse(name).channel if name is not None else OTHER
        if channel not in STREAMS:
            channel = OTHER
        if channel not in self._channels:
            self._channels[channel] = Channel(Histogram(LAGS_NS))
        if len(self._by_name) < NAMES:
            self._by_name[name] = self._channels[channel]
        return self._channels[channel]
