"""Times of the wire to ns since the epoch, UTC. Every unit is converted once, here."""

import re
from datetime import UTC, datetime, timedelta

from schemas.errors import InexactNumber

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INT64_MAX = 2**63 - 1
_BELOW_MICROS = re.compile(r"[.,][0-9]{6}0*[1-9]")  # digits that datetime would cut off


def optional_micros(value: int | None) -> int | None:
    """Microseconds to ns; None stays None."""
    return None if value is None else value * 1_000


def optional_millis(value: int | None) -> int | None:
    """Milliseconds to ns; None stays None."""
    return None if value is None else value * 1_000_000


def iso(text: str) -> int:
    """Naive ISO 8601 text in UTC, with ``T`` or a space (protocol fact 8), to ns.

    >>> iso("2026-09-02T16:43:00")
    1788367380000000000
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InexactNumber(f"{text[:40]!r} is not an ISO 8601 time") from None
    if _BELOW_MICROS.search(text):
        raise InexactNumber(f"{text[:40]!r} is finer than a microsecond")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    ns = (moment - _EPOCH) // _MICROSECOND * 1_000
    if not 0 <= ns <= _INT64_MAX:
        raise InexactNumber(f"{text[:40]!r} is outside of 1970 to 2262")
    return ns
