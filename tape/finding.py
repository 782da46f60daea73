"""What there is to say against a recording."""

from typing import NamedTuple


class Finding(NamedTuple):
    """Something to know about a recording.

    path: file, relative to the recording's folder.
    damage: what is on disk is not what was written; else it is, and lacks something it always did.
    """

    path: str
    problem: str
    damage: bool
