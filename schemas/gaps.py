"""Which rows of gaps are of one gap."""

from typing import NamedTuple

from schemas.rows import Gap
from schemas.shedding import LOAD_FRAMES, LOAD_ROWS

_APART = frozenset((LOAD_FRAMES, LOAD_ROWS))  # these count frames, and say nothing of ids


class GapKey(NamedTuple):
    """The same for the rows of one gap of a session, which show it and end it. cause: null where
    the gap is of the ids of one stream."""

    topic: str | None
    cause: str | None
    since_seq: int

    @classmethod
    def of(cls, row: Gap) -> "GapKey":
        """That of a row."""
        apart = row.topic is None or row.cause in _APART
        return cls(row.topic, row.cause if apart else None, row.since_seq)
