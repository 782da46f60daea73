"""How long the disk will do, by what was recorded in the last days."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from tape.layout import DAY_NS
from tape.manifest import Manifest

DAYS = 7  # that are looked back
_LEAST_NS = 60_000_000_000  # less than a minute says nothing of a day


class Recorded(NamedTuple):
    """A segment: when its first and last frame were received, ns, and the bytes of its files."""

    first_ts: int
    last_ts: int
    bytes: int


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """By the last days recorded.

    bytes_per_day: of files; None where too little was recorded to tell.
    free: bytes on that disk. days_left: until it is full at that rate; None where nobody can tell.
    """

    bytes_per_day: int | None
    free: int
    days_left: float | None


def recorded(manifest: Manifest) -> Recorded:
    """Of a segment as it was sealed, whatever was pruned since."""
    return Recorded(manifest.first_ts, manifest.last_ts, manifest.stored_bytes())


def forecast(root: Path, segments: Iterable[Recorded]) -> Forecast:
    """For a recording that goes on as in the last days; ``segments``: all there are."""
    rate = bytes_per_day(segments)
    free = free_bytes(root)
    return Forecast(bytes_per_day=rate, free=free, days_left=free / rate if rate else None)


def bytes_per_day(segments: Iterable[Recorded]) -> int | None:
    """Of the last seven days up to the newest frame; pauses in between count as time."""
    found = list(segments)
    newest = max((segment.last_ts for segment in found), default=0)
    late = [segment for segment in found if segment.last_ts > newest - DAYS * DAY_NS]
    span = newest - min((segment.first_ts for segment in late), default=newest)
    if span < _LEAST_NS:
        return None
    return sum(segment.bytes for segment in late) * DAY_NS // span


def free_bytes(root: Path) -> int:
    """That may be written on a folder's disk."""
    stat = os.statvfs(root)
    return stat.f_bavail * stat.f_frsize


def pretty_days(days: float | None) -> str | None:
    """For people: in tenths below ten.

    >>> pretty_days(0.52), pretty_days(123.4)
    ('0.5', '123')
    """
    return None if days is None else f"{days:.1f}" if days < 10 else f"{days:.0f}"
