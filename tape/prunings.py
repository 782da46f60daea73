"""The log of what was pruned: a line for each segment, on disk before the first of its files goes.

Each line is one JSON document, whose first member is the sha256 of the line without it. A line
that a crash tore is none: nothing was removed for it. What the log names counts as pruned where it
is not there any more; what is there, or came back from a copy, counts as ever.
"""

import os
from collections.abc import Container, Iterator
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import msgspec

from schemas.errors import TapeError
from tape.bounds import Count, Time
from tape.ends import Ends
from tape.files import make_folder, sync_folder
from tape.layout import PARQUET_ENDING, SegmentName, Tape, generation_of
from tape.proof import Head
from tape.version import FORMAT, Written, refuse_newer

_NAME = "log.jsonl"
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


class Line(NamedTuple):
    """number: from 1. pruning: None where the line is damaged."""

    number: int
    pruning: Pruning | None


class Pruned(NamedTuple):
    """What is not there as it was pruned, by segment, in the order of the log.

    gone: of which nothing is left. frames, rows: of those that are there, which lack these. The
    prunings are without their files.
    """

    gone: dict[SegmentName, Pruning]
    frames: dict[SegmentName, Pruning]
    rows: dict[SegmentName, Pruning]

    @property
    def unplayable(self) -> dict[SegmentName, Pruning]:
        """Segments whose frames are gone, with or without the rest."""
        return self.gone | self.frames

    def notes(self) -> Iterator[str]:
        """What there is to say of it, for people; nothing where nothing is gone."""
        for found, which in (
            (self.gone, "pruned wholly"),
            (self.frames, "whose frames were pruned: they cannot be replayed"),
            (self.rows, "whose rows were pruned: bp-tape seal --again makes them anew"),
        ):
            if found:
                first, last = min(found), max(found)
                span = f"{first}" if first == last else f"{first} to {last}"
                count = f"{len(found):,} segment{'s'[: len(found) > 1]}"
                yield f"{count} {which} ({span}; manifest/{_NAME} says when and why)"


def log_path(tape: Tape) -> Path:
    """Where the log lies."""
    return tape.manifest_folder / _NAME


def append(tape: Tape, pruning: Pruning) -> None:
    """Add a line; it is on disk when this returns. The caller holds `tape.lock.upkeep`."""
    path = log_path(tape)
    make_folder(path.parent)
    with path.open("ab+") as file:
        _cut_torn(file)
        file.write(_line(pruning))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def lines(tape: Tape) -> Iterator[Line]:
    """All lines but one that a crash tore. Raises TooNew for what a later version wrote."""
    try:
        file = log_path(tape).open("rb")
    except FileNotFoundError:
        return
    with file:
        for number, text in enumerate(file, 1):
            pruning = _parsed(text.removesuffix(b"\n"))
            if pruning is not None or text.endswith(b"\n"):
                yield Line(number, pruning)


def prunings(tape: Tape) -> Iterator[Pruning]:
    """What the lines say that can be read."""
    return (line.pruning for line in lines(tape) if line.pruning is not None)


def pruned(tape: Tape) -> Pruned:
    """What is not there as it was pruned."""
    there = tape.generations()
    found = Pruned({}, {}, {})
    for pruning in prunings(tape):
        bare = msgspec.structs.replace(pruning, files=[])
        begun = bool(pruning.files) and not (tape.root / pruning.files[0].path).exists()
        if pruning.what is What.ALL:
            if pruning.name not in there:
                found.gone[pruning.name] = bare
        elif begun:
            lacking = found.frames if pruning.what is What.FRAMES else found.rows
            for text, generation in pruning.generations.items():
                paths = there.get(SegmentName.parse(text))
                if paths is None:
                    continue
                anew = pruning.what is What.ROWS and generation_of(paths[-1]) > generation
                if not anew:
                    lacking[SegmentName.parse(text)] = bare
    return found


def pruned_files(tape: Tape, paths: Container[str]) -> dict[str, Pruning]:
    """Those of some files that the log names, there or not, without the list of files."""
    found: dict[str, Pruning] = {}
    for pruning in prunings(tape):
        bare = msgspec.structs.replace(pruning, files=[])
        found.update((file.path, bare) for file in pruning.files if file.path in paths)
    return found


def pruning_of(tape: Tape, path: str, digest: str) -> Pruning | None:
    """By what the very file was pruned, by its sha256; None where the log does not have it."""
    for pruning in prunings(tape):
        if any(file.path == path and file.sha256 == digest for file in pruning.files):
            return pruning
    return None


def _line(pruning: Pruning) -> bytes:
    text = msgspec.json.encode(pruning)
    return _HEAD + sha256(text).hexdigest().encode() + b'",' + text[1:] + b"\n"


def _parsed(line: bytes) -> Pruning | None:
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


def _cut_torn(file: IO[bytes]) -> None:
    """Remove the beginning of a line that a crash left: nothing was removed for it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    if file.read() in (b"", b"\n"):
        return
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
