"""Sizes and durations as people write and read them."""

import re

from schemas.errors import ConfigError

_TIMES = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", re.ASCII)
_UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}
_BY_CASELESS = {unit.lower(): size for unit, size in _UNITS.items()}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([a-z]+)", re.ASCII)


def seconds(text: str) -> float:
    """``30s``, ``1.5h``, ``2d`` in seconds; raises ConfigError.

    >>> seconds("90s")
    90.0
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ConfigError(f"{text!r} is not a duration: write it as 30s, 10m, 1h or 7d")
    return float(match[1]) * _TIMES[match[2]]


def octets(text: str) -> int:
    """``500MB``, ``1.5GiB`` in bytes; raises ConfigError.

    >>> octets("1.5kB")
    1500
    """
    match = _SIZE.fullmatch(text.strip().lower())
    unit = _BY_CASELESS.get(match[2]) if match else None
    if match is None or unit is None or not float(match[1]):
        raise ConfigError(f"{text!r} is not a size: write it as 500MB, 1GB or 1.5GiB")
    return int(float(match[1]) * unit)


def pretty_size(size: float) -> str:
    """Bytes for people.

    >>> pretty_size(1_234_567)
    '1.2 MB'
    """
    for unit in ("TB", "GB", "MB", "kB"):
        if size >= _UNITS[unit]:
            return f"{size / _UNITS[unit]:.1f} {unit}"
    return f"{size:.0f} bytes"


def pretty_span(seconds: float) -> str:
    """A duration for people.

    >>> pretty_span(192), pretty_span(7_500), pretty_span(0.25)
    ('3m12s', '2h05m', '0.2s')
    """
    whole = int(seconds)
    if seconds < 10:
        return f"{seconds:.1f}s"
    if whole < 60:
        return f"{whole}s"
    if whole < 3_600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3_600}h{whole % 3_600 // 60:02d}m"
