"""The steps of a venue script: what the far end does, in order, as plain values.

A script is a list of steps. The venue's own script plays to every connection; the steps given as
`on_connect` run once for each new connection and touch only that one. A step that sends goes to
whoever is connected and subscribed at that moment, so a script simply goes on after a `Cut`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.venue.feed import Feed
    from tests.venue.server import Venue


class Step:
    """Any step of a script."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Send(Step):
    """Send one frame to the subscribers of its `stream`; the venue's book advances with it.

    `force` sends to every open connection whatever it subscribed to: error frames, garbage text,
    and `bytes`, which go out as a binary frame.
    """

    frame: str | bytes
    force: bool = False


@dataclass(frozen=True, slots=True)
class Lose(Step):
    """Advance the venue's own book by one depth frame that nobody receives: a gap for clients."""

    frame: str


@dataclass(frozen=True, slots=True)
class Wait(Step):
    """Do nothing for some wall seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class WaitSubscribed(Step):
    """Wait until `count` open connections are subscribed to `topic` (None: to anything).

    A connection that was closed, cut or stalled no longer counts, so after a `Cut` this waits for
    a new subscription.
    """

    topic: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class WaitUnsubscribed(Step):
    """Wait until no open connection is subscribed to `topic`."""

    topic: str


@dataclass(frozen=True, slots=True)
class WaitRequest(Step):
    """Wait until a REST request came whose path (query included) starts with `prefix`.

    Each request satisfies one such step only: a second step waits for a second request. The
    request's reply is made before the script goes on.
    """

    prefix: str


@dataclass(frozen=True, slots=True)
class Close(Step):
    """Start a proper closing handshake on all connections, or on one."""

    code: int = 1001
    reason: str = ""
    connection: int | None = None


@dataclass(frozen=True, slots=True)
class Cut(Step):
    """Abort the TCP connection (all, or one) without a Close frame: the client sees 1006."""

    connection: int | None = None


@dataclass(frozen=True, slots=True)
class Ping(Step):
    """Send one protocol Ping to every open connection."""


@dataclass(frozen=True, slots=True)
class Stall(Step):
    """Never send data to the present connections again, but keep their sockets open.

    `deaf` stops reading from them too: client pings stay unanswered (a black hole). Without it
    they are still answered, as by a server whose feed hangs.
    """

    deaf: bool = False
    connection: int | None = None


@dataclass(frozen=True, slots=True)
class Play(Step):
    """Play the frames [start, stop) of a feed, paced by their own times.

    `speed` multiplies real time; None means as fast as the sockets take it. With `lost` the frames
    advance the venue's books but reach nobody: an outage.
    """

    feed: Feed
    speed: float | None = None
    start: int = 0
    stop: int | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Do(Step):
    """Call something with the venue at this point of the script, awaiting it if need be."""

    call: Callable[[Venue], Awaitable[None] | None]
