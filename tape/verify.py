"""Checks a recording against its manifests, byte by byte."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from schemas.errors import TapeError
from tape.batches import DamagedFile, check_footer, lines_in, read_lines
from tape.files import ASIDE, sha256_of
from tape.layout import DAMAGED_ENDING, FRAMES, JOURNAL_ENDING, SegmentName, Tape
from tape.lock import is_locked
from tape.manifest import FileEntry, Manifest, load
from tape.reader import discontinued, holes


class Finding(NamedTuple):
    """Something to know about a recording.

    path: file, relative to the recording's folder.
    damage: what is on disk is not what was sealed; else it is, and lacks something it always did.
    """

    path: str
    problem: str
    damage: bool


def verify(
    tape: Tape, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> list[Finding]:
    """All there is to say against a recording; an empty list: it is whole and lost nothing.

    ``progress`` is told, after each file, the bytes checked so far and those of all files.
    """
    found, findings = _manifests(tape)
    done, total = 0, sum(manifest.stored_bytes() for manifest in found)
    for manifest in found:
        path = _relative(tape, tape.manifest(manifest.name))
        findings.extend(Finding(path, loss, False) for loss in manifest.losses)
        findings.extend(Finding(path, wrong, True) for wrong in _wrong_counts(manifest))
        for entry in manifest.files:
            findings.extend(_wrong_file(tape.root, entry))
            done += entry.bytes
            progress(done, total)
    findings.extend(_wrong_order(tape, found))
    findings.extend(_unsealed(tape))
    findings.extend(_strays(tape, found))
    return findings


def _manifests(tape: Tape) -> tuple[list[Manifest], list[Finding]]:
    found, findings = [], []
    for path in tape.manifests():
        try:
            found.append(load(path))
        except TapeError as error:
            findings.append(Finding(_relative(tape, path), str(error), True))
    return found, findings


def _wrong_counts(manifest: Manifest) -> Iterator[str]:
    """What a manifest says of the segment against what it says of the files."""
    lines = Counter[str]()
    for entry in manifest.files:
        lines[entry.table] += entry.rows
    for table, count in {FRAMES: manifest.frames, **manifest.rows}.items():
        if lines[table] != count:
            yield f"{count} lines of {table}, its files have {lines[table]}"
    span = manifest.last_seq - manifest.first_seq + 1
    if not manifest.damage and span != manifest.frames:
        yield f"{manifest.frames} frames cannot fill {span} seqs"


def _wrong_file(root: Path, entry: FileEntry) -> Iterator[Finding]:
    try:
        check_footer(root, entry)
        if sha256_of(root / entry.path) != entry.sha256:
            for _ in read_lines(root, entry, lambda _: [None]):
                pass
            yield Finding(entry.path, "its sha256 is another, though its pages can be read", True)
        elif lines_in(root, entry) != (entry.rows, entry.first_seq, entry.last_seq):
            yield Finding(entry.path, "its manifest counts other lines or seqs", True)
    except DamagedFile as error:
        yield Finding(entry.path, error.problem, True)


def _wrong_order(tape: Tape, found: Sequence[Manifest]) -> Iterator[Finding]:
    for name in holes(found):
        yield Finding(_relative(tape, tape.manifest(name)), "missing between its neighbours", True)
    for one, name in discontinued(tape, found):
        problem = f"was to be continued by {name}, which is not there"
        yield Finding(_relative(tape, tape.manifest(one.name)), problem, False)
    for one, following in pairwise(found):
        neighbours = one.session == following.session and following.number == one.number + 1
        if neighbours and following.first_seq != one.last_seq + 1:
            yield Finding(
                _relative(tape, tape.manifest(following.name)),
                f"begins with seq {following.first_seq}, the segment before ends with"
                f" {one.last_seq}",
                one.lost is None and not following.damage,
            )


def _unsealed(tape: Tape) -> Iterator[Finding]:
    if is_locked(tape.root):
        return  # a recorder is at work: its journals are where they belong
    for path in tape.journals():
        yield Finding(_relative(tape, path), "not sealed; bp-record seals it when it starts", False)


def _strays(tape: Tape, found: Sequence[Manifest]) -> Iterator[Finding]:
    """Files that other tools would read and no manifest names."""
    named = {entry.path for manifest in found for entry in manifest.files}
    accounted = {str(SegmentName.of(path)) for path in (*tape.journals(), *tape.manifests())}
    accounted -= {str(manifest.name) for manifest in found}
    for folder in (FRAMES, "rows"):
        for path in sorted((tape.root / folder).rglob("*")):
            segment = path.name.removesuffix(ASIDE).removesuffix(".parquet")
            if path.is_file() and _relative(tape, path) not in named and segment not in accounted:
                yield Finding(_relative(tape, path), "no manifest names it", True)
    for path in sorted(tape.journal_folder.glob(f"*{DAMAGED_ENDING}")):
        segment = path.name.removesuffix(DAMAGED_ENDING).removesuffix(JOURNAL_ENDING)
        if segment not in {str(manifest.name) for manifest in found}:
            yield Finding(_relative(tape, path), "no frame of it could be read", False)


def _relative(tape: Tape, path: Path) -> str:
    return path.relative_to(tape.root).as_posix()
