"""A feed: timed frames with the books they start from, and where feeds come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.shared import capture_frames, capture_shots
from tests.venue.catalogue import listing_of_body, markets_body
from tests.venue.link import Cue, cue_of

SAMPLE_GAP_NS = 10_000_000


class TimedFrame(NamedTuple):
    """One envelope text and the time it reaches a client, in ns since the epoch."""

    ts_ns: int
    text: str


class Session(Protocol):
    """What a feed needs of a simulated session."""

    @property
    def frames(self) -> Sequence[TimedFrame]: ...
    @property
    def snapshots(self) -> Mapping[str, str]: ...
    @property
    def markets(self) -> str: ...


@dataclass(frozen=True)
class Feed:
    """Frames in order of time, REST depth bodies of the beginning by symbol, the market list.

    `markets` is the text of `/api/v1/markets`; None lets the venue make one from the snapshots.
    """

    frames: Sequence[TimedFrame]
    snapshots: Mapping[str, str] = field(default_factory=dict)
    markets: str | None = None

    @cached_property
    def cues(self) -> list[Cue]:
        """The frames with their topics read out, once."""
        return [cue_of(frame.text, frame.ts_ns) for frame in self.frames]

    @cached_property
    def topics(self) -> frozenset[str]:
        """All topics that occur."""
        return frozenset(cue.topic for cue in self.cues)


def of_session(session: Session) -> Feed:
    """The feed of a simulated session (`tests.simulate`)."""
    return Feed(session.frames, session.snapshots, session.markets)


def load_real(name: str) -> Feed:
    """A real capture (`tests.shared`) with the books it begins with.

    Raises FileNotFoundError if there is no such capture.
    """
    frames = [TimedFrame(*arrival) for arrival in capture_frames(name)]
    bodies = {shot.symbol: shot.body for shot in capture_shots(name)}
    listings = [listing_of_body(symbol, body) for symbol, body in sorted(bodies.items())]
    return Feed(frames, bodies, markets_body(listings))


def load_sample(path: Path) -> Feed:
    """Read a file of one envelope per line; the frames are put 10 ms apart from time zero."""
    texts = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    return Feed([TimedFrame(i * SAMPLE_GAP_NS, text) for i, text in enumerate(texts)])
