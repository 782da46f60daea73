"""What a recording is to be: the options of bp-record as one value."""

import re
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ConfigError

WS_URL = "wss://ws.backpack.exchange"
REST_URL = "https://api.backpack.exchange"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """topics: names or patterns. data: folder, None to keep nothing. Durations in seconds."""

    topics: tuple[str, ...]
    data: Path | None
    ws_url: str = WS_URL
    rest_url: str = REST_URL
    duration: float | None = None
    roll: float = 3_600.0


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
    if not re.fullmatch(rf"(?:{'|'.join(schemes)})://[^/\s]+\S*", text):
        raise ConfigError(f"{text!r} is not a URL: it should begin with {schemes[-1]}://")
    return text
