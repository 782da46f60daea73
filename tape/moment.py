"""Moments of a recording: what people write for them, and how they are written for people."""

import re
from datetime import UTC, datetime

from schemas.errors import InexactNumber, UsageError
from schemas.times import iso

_NS = 1_000_000_000
_NS_TEXT = re.compile(r"[0-9]{19}", re.ASCII)
_CLOCK_ONLY = re.compile(r"[0-9]{2}:[0-9]{2}", re.ASCII)
# What datetime can keep of the fraction of a second, and the rest, which is added by hand.
_FINE = re.compile(r"([.,][0-9]{6})([0-9]{1,3})(?![0-9])", re.ASCII)
_FIRST_NS = 10**18  # 2001: a smaller number is meant in other units
_EXAMPLES = (
    "give UTC such as 2026-11-22T06:30, 2026-11-22, 06:30 (on the recording's first day)"
    " or nanoseconds since 1970 (19 digits)"
)


def moment(value: int | str, first_ns: int) -> int:
    """A time somebody asked for, as ns since the epoch, UTC.

    value: ISO 8601 with up to nine decimals of a second, UTC unless it names an offset; a date; a
        time of day, which is on the day of ``first_ns``; or ns since the epoch, as int or text.

    Raises UsageError with examples.

    >>> moment("2026-11-22T06:30:00.000000001", 0)
    1795329000000000001
    """
    if isinstance(value, int):
        return _ns(value)
    text = value.strip()
    if _NS_TEXT.fullmatch(text):
        return _ns(int(text))
    if _CLOCK_ONLY.match(text):
        text = f"{_utc(first_ns):%Y-%m-%d}T{text}"
    try:
        return iso(_FINE.sub(r"\1", text)) + _below_micros(text)
    except InexactNumber:
        raise UsageError(f"{value!r} is not a time: {_EXAMPLES}") from None


def stamp(ns: int) -> str:
    """A time for people and for JSON, exact.

    >>> stamp(1795329000000000001)
    '2026-11-22T06:30:00.000000001Z'
    """
    return f"{_utc(ns):%Y-%m-%dT%H:%M:%S}.{ns % _NS:09d}Z"


def length(ns: int) -> str:
    """A span of time for people.

    >>> length(3_723_400_000_000)
    '1 h 2 min 3.4 s'
    """
    seconds, tenths = divmod(ns // 100_000_000, 10)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{seconds}.{tenths} s"
    if hours or minutes:
        text = f"{minutes} min {text}"
    return f"{hours} h {text}" if hours else text


def _ns(value: int) -> int:
    if not _FIRST_NS <= value < 2**63:
        raise UsageError(f"{value} is not a time in nanoseconds since 1970: {_EXAMPLES}")
    return value


def _below_micros(text: str) -> int:
    """The seventh to ninth decimal of the second, in ns."""
    fine = _FINE.search(text)
    return 0 if fine is None else int(fine[2].ljust(3, "0"))


def _utc(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // _NS, UTC)
