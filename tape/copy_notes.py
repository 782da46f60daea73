"""Copies that were found, collected for COPIES frames."""

from typing import NamedTuple

from schemas.frames import MessagesCopied
from tape.copies import Original

MOST = 1_000  # in one frame
LONGEST_NS = 1_000_000_000  # that one waits


class Found(NamedTuple):
    """A message and the frame it is on the tape as. late_ns, event_us: as in `MessagesCopied`."""

    original: Original
    late_ns: int
    event_us: int | None

    def of_copy(self, late_ns: int, event_us: int | None) -> "Found":
        """The same of a copy of this message."""
        known = self.event_us is not None and event_us is not None
        event = (self.event_us or 0) + (event_us or 0) if known else None
        return Found(self.original, self.late_ns + late_ns, event)


class CopyNotes:
    """Notes in order of arrival."""

    def __init__(self) -> None:
        self._since = 0
        self._noted = _nothing()

    def __bool__(self) -> bool:
        return bool(self._noted.seq)

    def add(self, found: Found, conn: int, at: int) -> None:
        """A message came again. at: when, ns."""
        if not self:
            self._since = at
        noted = self._noted
        noted.seq.append(found.original.seq)
        noted.conn.append(conn)
        noted.late_ns.append(found.late_ns)
        noted.event_us.append(found.event_us)

    def is_due(self, at: int) -> bool:
        """Whether what is noted has to be on the tape by then."""
        return bool(self) and (len(self._noted.seq) >= MOST or at - self._since > LONGEST_NS)

    def take(self) -> MessagesCopied:
        """All that is noted, and begin anew."""
        noted, self._noted = self._noted, _nothing()
        return noted


def _nothing() -> MessagesCopied:
    return MessagesCopied([], [], [], [])
