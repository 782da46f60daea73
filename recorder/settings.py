"""What a recording is to be: the options of bp-record as one value."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from recorder.keys import KeySource
from recorder.memory import MEMORY
from schemas.errors import ConfigError
from schemas.shard import Shard
from schemas.topics import is_private
from tape.keep import Keep

WS_URL = "wss://ws.backpack.exchange"
REST_URL = "https://api.backpack.exchange"

RING_AFTER_S = 10.0
MOST_CONNECTIONS = 8


class Patience(NamedTuple):
    """How long the venue, and at the end our own sealing, are waited for, in seconds.

    opening: of a websocket, handshake included.
    ping, pong: between our pings, since a quiet market can be silent for 30 s and the venue answers
        them (protocol section 1); and until an answer.
    closing: until the other end has said goodbye; a dead one never does.
    reply: of a REST request.
    clock: until an answer to what time it is; then the frame is taken without one.
    sealing: of one segment, at the end.
    refused: until a topic of an account that was refused is asked for again; longer each time.
    stalled: until one of several connections is replaced which brings nothing while others do.
    stagger: from the first dialling of one of several connections to that of the next.
    proof: until a connection that is to take the place of another has brought a message, if any is
        to come; overlap: for how long both stay after that.
    look: between two looks at which topics are silent.
    silence: what the patience of each channel (`recorder.cadences`) is multiplied with.
    grace: until what the venue has elsewhere must have come; between remedies, longer each time.
    redial: between two connections replaced because of silence; longer each time.
    """

    opening: float = 10.0
    ping: float = 15.0
    pong: float = 20.0
    closing: float = 5.0
    reply: float = 15.0
    clock: float = 3.0
    sealing: float = 1_800.0
    refused: float = 5.0
    stalled: float = 20.0
    stagger: float = 2.0
    proof: float = 5.0
    overlap: float = 1.0
    look: float = 1.0
    silence: float = 1.0
    grace: float = 10.0
    redial: float = 60.0


PATIENCE = Patience()


class OnSilence(StrEnum):
    """What is done about topics that say nothing."""

    ACT = "act"  # those that are dead are asked for again, or get a new connection
    TELL = "tell"  # nothing but to say so
    OFF = "off"  # nobody looks


class Listen(NamedTuple):
    """Where to take connections. port 0: any that is free."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Settings:
    """topics: names or patterns. data: folder, None to keep nothing. Durations in seconds, sizes
    in bytes.

    memory: what may be held while the disk does not take it.
    min_free: stop early when the disk has less room than this; None: never.
    audit_every: each live book is compared with a fresh snapshot this often; None: never.
    clock_every: our clock is compared with the venue's this often.
    metrics: where bp-record serves /metrics and /healthz; None: nowhere.
    keep: what is beyond that is pruned after each sealing; None: nothing is.
    keys: of an account; None where there are none, and so no topics of one.
    ring: keep only so much, in memory, and write it when something has happened; None: keep all.
    ring_after: what still belongs to it after that.
    connections: to the same topics, at once.
    take_over: go on with the session of the recorder at work in that folder, if there is one.
    shard: record only topics of this share of the markets; None: all.
    markets_every: the venue's market list is looked at this often, which its cache keeps for five
        minutes; None: never again.
    silence: what is done about topics that are dead.
    """

    topics: tuple[str, ...]
    data: Path | None
    ws_url: str = WS_URL
    rest_url: str = REST_URL
    duration: float | None = None
    roll: float = 3_600.0
    patience: Patience = PATIENCE
    memory: int = MEMORY
    min_free: int | None = None
    audit_every: float | None = None
    clock_every: float = 60.0
    metrics: Listen | None = None
    keep: Keep | None = None
    markets_every: float | None = 300.0
    keys: KeySource | None = None
    ring: float | None = None
    ring_after: float = RING_AFTER_S
    connections: int = 1
    take_over: bool = False
    shard: Shard | None = None
    silence: OnSilence = OnSilence.ACT

    @property
    def shard_name(self) -> str | UnsetType:
        """As heads of segments have it."""
        return UNSET if self.shard is None else str(self.shard)

    @property
    def private(self) -> bool:
        """Whether what is recorded may be of an account, so that only its owner may read it."""
        return self.keys is not None or any(map(is_private, self.topics))


def as_url(text: str, schemes: tuple[str, ...]) -> str:
    """The text, if it is a URL of one of the schemes; raises ConfigError."""
    if not re.fullmatch(rf"(?:{'|'.join(schemes)})://\S+", text):
        raise ConfigError(f"{text!r} is not a URL: it should begin with {schemes[-1]}://")
    try:
        parts = urlsplit(text)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is no number, or a bracket that is not closed
        whole = False
    if not whole:
        raise ConfigError(f"{text!r} is not a URL: expected {schemes[-1]}://<host>[:<port>]")
    return text
