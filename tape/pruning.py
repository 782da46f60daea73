"""One line of the log of what was pruned, and how it proves itself."""

from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import PurePosixPath

import msgspec

from schemas.errors import TapeError
from tape.bounds import Count, Time
from tape.ends import Ends
from tape.layout import PARQUET_ENDING, SegmentName
from tape.proof import Head
from tape.version import FORMAT, Written, refuse_newer

_HEAD = b'{"self_sha256":"'
_HEX = 64


class What(StrEnum):
    """What is pruned of a segment."""

    ALL = "all"
    FRAMES = "frames"
    ROWS = "rows"  # but for the small tables that say what is missing


class PrunedEntry(msgspec.Struct, frozen=True, array_like=True):
    """One file that was removed, as its manifest had it: path, bytes, sha256."""

    path: str
    bytes: Count
    sha256: str


class Pruning(msgspec.Struct, frozen=True, kw_only=True):
    """One line: what was pruned of one segment.

    at: when, UTC. by: which command, of which version (code). why: as it was told.
    generations: of the segment, for each file of rows also that of earlier ones that shared it:
        by name, the one that counted.
    verdict, end, ring, first_seq, last_seq, first_ts, last_ts, frames: as the manifest had them.
    files: that were removed for it, in that order.
    """

    format: Count = FORMAT
    at: datetime
    by: str
    code: str
    why: str
    what: What
    segment: str
    generations: dict[str, Count]
    verdict: str
    end: str | None
    ring: Count | None = None
    first_seq: Count
    last_seq: Count
    first_ts: Time
    last_ts: Time
    frames: Count
    ends: Ends
    files: list[PrunedEntry]

    @property
    def name(self) -> SegmentName:
        return SegmentName.parse(self.segment)

    @property
    def session(self) -> str:
        return self.name.session

    @property
    def number(self) -> int:
        return self.name.number

    def __str__(self) -> str:
        return f"pruned on {self.at:%Y-%m-%d %H:%M} UTC by {self.by} ({self.why})"


def to_line(pruning: Pruning) -> bytes:
    """With its sha256 as the first member."""
    text = msgspec.json.encode(pruning)
    return _HEAD + sha256(text).hexdigest().encode() + b'",' + text[1:] + b"\n"


def from_line(line: bytes) -> Pruning | None:
    """Without the end of the line; None where it is damaged. Raises TooNew."""
    digest, rest = line[len(_HEAD) : len(_HEAD) + _HEX], line[len(_HEAD) + _HEX :]
    text = b"{" + rest.removeprefix(b'",')
    if line != _HEAD + digest + b'",' + text[1:] or sha256(text).hexdigest().encode() != digest:
        return None
    try:
        head = msgspec.json.decode(text, type=Head)
        refuse_newer("the log of what was pruned", Written(head.format, code=head.code))
        pruning = msgspec.json.decode(text, type=Pruning)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return pruning if _makes_sense(pruning) else None


def _makes_sense(pruning: Pruning) -> bool:
    """What no pruning writes: what is named could be removed."""
    try:
        names = [SegmentName.parse(text) for text in (pruning.segment, *pruning.generations)]
    except TapeError:
        return False
    one_session = all(name.session == pruning.session for name in names)
    return one_session and all(
        ".." not in parts and parts[0] != "/" and parts[-1].endswith(PARQUET_ENDING)
        for parts in (PurePosixPath(file.path).parts or ("/",) for file in pruning.files)
    )
