"""What a recording is to be: the options of bp-record as one value."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from recorder.memory import MEMORY
from schemas.errors import ConfigError

WS_URL = "wss://ws.backpack.exchange"
REST_URL = "https://api.backpack.exchange"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", re.ASCII)


class Patience(NamedTuple):
    """How long the venue, and at the end our own sealing, are waited for, in seconds.

    opening: of a websocket, handshake included.
    ping, pong: between our pings, since a quiet market can be silent for 30 s and the venue answers
        them (protocol section 1); and until an answer.
    closing: until the other end has said goodbye; a dead one never does.
    reply: of a REST request.
    clock: until an answer to what time it is; then the frame is taken without one.
    sealing: of one segment, at the end.
    """

    opening: float = 10.0
    ping: float = 15.0
    pong: float = 20.0
    closing: float = 5.0
    reply: float = 15.0
    clock: float = 3.0
    sealing: float = 1_800.0


PATIENCE = Patience()


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


def seconds(text: str) -> float:
    """``30s``, ``1.5h``, ``2d`` in seconds; raises ConfigError.

    >>> seconds("90s")
    90.0
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ConfigError(f"{text!r} is not a duration: write it as 30s, 10m, 1h or 7d")
    return float(match[1]) * _UNITS[match[2]]


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
