"""The name of a session: it sorts behind all sessions in the folder, whatever the clock says."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import NamedTuple

from recorder.stamp import Stamp
from schemas.errors import BackpackError, TooNew
from tape.layout import Tape
from tape.manifest import load

_TIME = "%Y%m%dT%H%M%SZ"
_SECOND = timedelta(seconds=1)
_TOLERANCE = timedelta(seconds=5)  # sessions shorter than a second are dated a little ahead


class Session(NamedTuple):
    """A name such as ``20261122T063000Z-3f9a``; ``doubt`` of the clock, empty if there is none."""

    name: str
    doubt: str = ""


def new_session(tape: Tape | None, stamp: Stamp) -> Session:
    """A session that begins now, with no older name behind its own."""
    began = datetime.fromtimestamp(stamp.ts_recv // 1_000_000_000, UTC)
    newest = max(_beginnings(tape), default=None) if tape else None
    if tape is None or newest is None:
        return Session(_name(began))
    ended = max(_last_end(tape) or newest, newest)
    doubt = ""
    if began + _TOLERANCE < ended:
        doubt = (
            f"the clock looks wrong: it says {began:%Y-%m-%d %H:%M:%S} UTC, but the last recording"
            f" in {tape.root} ends at {ended:%Y-%m-%d %H:%M:%S}"
        )
    return Session(_name(max(began, newest + _SECOND)), doubt)


def _name(began: datetime) -> str:
    return f"{began:{_TIME}}-{token_hex(2)}"


def _beginnings(tape: Tape) -> Iterator[datetime]:
    """When sessions in the folder began, by their names."""
    for folder in (tape.journal_folder, tape.manifest_folder):
        for path in folder.glob("*"):
            with suppress(ValueError):
                time = path.name.partition(".")[0].partition("-")[0]
                yield datetime.strptime(time, _TIME).replace(tzinfo=UTC)


def _last_end(tape: Tape) -> datetime | None:
    """When the newest sealed segment ended; None if there is none that can be read.

    Raises TooNew where a later version recorded here: it would have to read what is recorded now.
    """
    try:
        manifests = tape.manifests()
        last_ts = load(manifests[-1]).last_ts if manifests else 0
    except TooNew:
        raise
    except (BackpackError, OSError):
        return None
    return datetime.fromtimestamp(last_ts / 1e9, UTC) if last_ts else None
