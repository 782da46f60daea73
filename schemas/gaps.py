"""Which rows of gaps are of one gap."""

from typing import NamedTuple

from schemas.rows import Gap


class GapKey(NamedTuple):
    """The same for the rows of one gap of a session, which show it and end it. cause: null where
    the gap is of one stream."""

    topic: str | None
    cause: str | None
    since_seq: int

    @classmethod
    def of(cls, row: Gap) -> "GapKey":
        """That of a row."""
        return cls(row.topic, row.cause if row.topic is None else None, row.since_seq)
