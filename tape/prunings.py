"""The log of what was pruned: a line for each segment, on disk before the first of its files goes.

Each line is one JSON document, whose first member is the sha256 of the line without it. A line
that a crash tore is none: nothing was removed for it. What the log names counts as pruned where it
is not there any more; what is there, or came back from a copy, counts as ever.
"""

import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from tape.files import make_folder, sync_folder
from tape.gist import gist
from tape.layout import SegmentName, Tape, generation_of
from tape.pruning import PrunedEntry, Pruning, What, from_line, to_line

__all__ = [
    "Line",
    "Pruned",
    "PrunedEntry",
    "Pruning",
    "What",
    "append",
    "lines",
    "log_path",
    "newest",
    "pruned",
    "pruned_files",
    "pruning_of",
    "prunings",
]

_NAME = "log.jsonl"
_STEP = 1 << 20  # bytes of the log that are looked at, from its end


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
        file.write(to_line(pruning))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def lines(tape: Tape, having: bytes = b"") -> Iterator[Line]:
    """All lines that have some text, but for one that a crash tore. Raises TooNew for what a later
    version wrote."""
    try:
        file = log_path(tape).open("rb")
    except FileNotFoundError:
        return
    with file:
        for number, text in enumerate(file, 1):
            if having not in text:
                continue
            pruning = from_line(text.removesuffix(b"\n"))
            if pruning is not None or text.endswith(b"\n"):
                yield Line(number, pruning)


def prunings(tape: Tape) -> Iterator[Pruning]:
    """What the lines say that can be read."""
    return (line.pruning for line in lines(tape) if line.pruning is not None)


def newest(tape: Tape) -> Pruning | None:
    """What the last line says that can be read; None where there is none."""
    try:
        file = log_path(tape).open("rb")
    except FileNotFoundError:
        return None
    with file:
        return next(filter(None, map(from_line, _backwards(file))), None)


def pruned(tape: Tape) -> Pruned:
    """What is not there as it was pruned."""
    there = tape.generations()
    found = Pruned({}, {}, {})
    for pruning in gist(tape, log_path(tape)):
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
    name = msgspec.json.encode(path)
    for line in lines(tape, name):
        for file in () if line.pruning is None else line.pruning.files:
            if (file.path, file.sha256) == (path, digest):
                return line.pruning
    return None


def _backwards(file: IO[bytes]) -> Iterator[bytes]:
    """The lines from the last one on, without their ends."""
    at, rest = file.seek(0, os.SEEK_END), b""
    while at:
        start = max(at - _STEP, 0)
        file.seek(start)
        first, *others = (file.read(at - start) + rest).split(b"\n")
        yield from reversed(others)
        at, rest = start, first
    yield rest


def _cut_torn(file: IO[bytes]) -> None:
    """Remove the beginning of a line that a crash left: nothing was removed for it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    if file.read() in (b"", b"\n"):
        return
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
