"""How a venue is set up, and what it notes about its clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.venue.accounts import Accounts
from tests.venue.catalogue import listing_of_body, markets_body
from tests.venue.instance import Instance
from tests.venue.link import Sent
from tests.venue.script import Step


class Received(NamedTuple):
    """One text a client sent: the connection's number and the text (or bytes)."""

    connection: int
    frame: str | bytes


@dataclass(frozen=True, slots=True)
class Options:
    """How the venue behaves.

    `ping_interval` is in seconds between protocol Pings (None: never); an unanswered Ping has no
    consequence, as measured on subscribed sockets (protocol section 1). `on_connect` runs for each
    new connection by itself. `log` keeps every sent frame in `venue.sent`; `sink` is called with
    each. `accounts` checks signatures; without it any of the right form is good. `clock_ahead_ms`
    sets the venue's clock, which is `venue.clock` from then on. `instances`: the server of each
    connection, in order of their numbers; where there are no more, a faultless one.
    """

    port: int = 0
    deflate: bool = True
    ping_interval: float | None = 60.0
    on_connect: Sequence[Step] = ()
    log: bool = True
    sink: Callable[[Sent], None] | None = None
    accounts: Accounts | None = None
    clock_ahead_ms: int = 0
    instances: Sequence[Instance] = ()


@dataclass
class Books:
    """Market list and beginnings of the books, REST body texts."""

    snapshots: Mapping[str, str] = field(default_factory=dict)
    markets: str | None = None

    def market_list(self) -> str:
        """The given list, or one made up from the snapshots."""
        if self.markets is not None:
            return self.markets
        return markets_body(listing_of_body(*item) for item in self.snapshots.items())
