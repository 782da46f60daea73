"""What a fault is made of: moves of a venue along its feed, as plain values.

``of`` is a channel of the market that the fault is about: ``depth``, ``depth.200ms``, ``trade``..
A move that is about the next frame of a channel first lets all frames before it pass.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.venue import Fault


class Move:
    """Any move."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Pass(Move):
    """The next frames of the feed, as they are."""

    count: int = 1


@dataclass(frozen=True, slots=True)
class Until(Move):
    """All frames up to the next one of a channel, and that one, as they are."""

    of: str


@dataclass(frozen=True, slots=True)
class Drop(Move):
    """The next frames of a channel are never sent."""

    of: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Twice(Move):
    """The next frame of a channel is sent twice."""

    of: str


@dataclass(frozen=True, slots=True)
class Late(Move):
    """The next frame of a channel is sent after so many others of that channel."""

    of: str
    by: int = 1


@dataclass(frozen=True, slots=True)
class Again(Move):
    """The last frames of a channel are sent once more."""

    of: str
    count: int = 3


@dataclass(frozen=True, slots=True)
class Mangle(Move):
    """The next frame of a channel is sent otherwise: a name of `stage.MANGLED`."""

    of: str
    how: str


@dataclass(frozen=True, slots=True)
class Noise(Move):
    """A message that is no frame of the feed; bytes that are no text go out as such."""

    payload: bytes
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Oversized(Move):
    """A message of so many bytes; only announced, or compressed to a small part of that."""

    size: int
    inflated: bool = False


@dataclass(frozen=True, slots=True)
class Hangup(Move):
    """A closing handshake on all connections."""

    code: int


@dataclass(frozen=True, slots=True)
class Cutoff(Move):
    """All connections end without a word."""


@dataclass(frozen=True, slots=True)
class Freeze(Move):
    """The connections stay open: nothing more is sent, nothing read."""


@dataclass(frozen=True, slots=True)
class Deaf(Move):
    """Nothing is read any more, so that no Ping is answered; frames go on."""


@dataclass(frozen=True, slots=True)
class Outage(Move):
    """The next frames of the whole feed reach nobody."""

    count: int = 24


@dataclass(frozen=True, slots=True)
class Back(Move):
    """Wait until everything is subscribed on one connection."""


@dataclass(frozen=True, slots=True)
class Knock(Move):
    """Wait for the next connection, whatever it has subscribed to; or for that many topics."""

    topics: int = 0


@dataclass(frozen=True, slots=True)
class Pause(Move):
    """Nothing happens for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Door(Move):
    """The next handshakes have this fault."""

    fault: Fault
    times: int = 1


@dataclass(frozen=True, slots=True)
class Rest(Move):
    """The next requests for the market's snapshot have this fault."""

    fault: Fault
    times: int = 1


@dataclass(frozen=True, slots=True)
class Asked(Move):
    """Wait for a request for the market's snapshot; not for ever."""


@dataclass(frozen=True, slots=True)
class Hold(Move):
    """The next frames of a channel wait in the venue, which has them in its book already."""

    of: str
    count: int = 3


@dataclass(frozen=True, slots=True)
class Release(Move):
    """What was held is sent."""


@dataclass(frozen=True, slots=True)
class Renumber(Move):
    """From here on all ids are others, as after a restart of the matching engine."""

    by: int
    seconds: int = 30  # that it took


@dataclass(frozen=True, slots=True)
class Delist(Move):
    """The market is gone: its streams fall silent, its snapshot is Not Found."""
