"""Checks a recording, byte by byte: what is sealed against its manifests, journals by themselves.

The lock and the journals that sealing could not read to the end (``.damaged``) are no part of it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from itertools import pairwise
from pathlib import Path

from schemas.errors import TapeError, TooNew
from tape.batches import DamagedFile, check_footer, lines_in, read_lines
from tape.files import sha256_of
from tape.finding import Finding
from tape.generations import Generations, all_generations, named
from tape.layout import FRAMES, SegmentName, Tape
from tape.lock import is_locked
from tape.manifest import FileEntry, Manifest, load
from tape.merged import begun, members
from tape.prunings import Pruning, lines, log_path, pruned
from tape.reader import discontinued, headless, holes
from tape.stored import there_or_lost
from tape.strays import strays
from tape.verify_journal import wrong_journal

_CUT_OFF = "its compaction was cut off; bp-tape recover and bp-tape compact finish it"

Progress = Callable[[int, int], None]


def verify(tape: Tape, progress: Progress = lambda _done, _total: None) -> list[Finding]:
    """All there is to say against a recording; an empty list: it is whole and lost nothing.

    ``progress`` is told, after each file, the bytes checked so far and those of all files.
    """
    generations = all_generations(tape, newer=True)
    kept = [manifest for each in generations for manifest in each.kept]
    current = [each.current for each in generations if each.current is not None]
    findings = list(_unreadable(tape, generations))
    for manifest in kept:
        path = _path(tape, manifest)
        findings.extend(Finding(path, wrong, True) for wrong in _wrong_counts(manifest))
        if manifest in current:
            findings.extend(Finding(path, loss, False) for loss in manifest.losses)
    halves = begun(tape, generations).paths
    files = there_or_lost(tape, named(kept))
    findings.extend(_still_wrong(tape, list(_wrong_files(tape.root, files, halves, progress))))
    newer = {each.name for each in generations if each.newer}
    findings.extend(_wrong_order(tape, current, pruned(tape).gone, newer))
    findings.extend(_unsealed(tape))
    findings.extend(strays(tape, all_generations(tape, newer=True)))
    findings.extend(_wrong_log(tape))
    return findings


def _unreadable(tape: Tape, generations: Sequence[Generations]) -> Iterator[Finding]:
    for each in generations:
        for path in each.damaged:
            yield Finding(tape.shown(path), _problem(path), True)
        for path in each.newer:
            yield Finding(tape.shown(path), _problem(path), False)


def _problem(manifest: Path) -> str:
    """Why a manifest cannot be read."""
    try:
        load(manifest)
    except TapeError as error:
        return str(error)
    return "could not be read a moment ago"


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


def _wrong_files(
    root: Path, files: dict[str, list[FileEntry]], halves: set[str], progress: Progress
) -> Iterator[Finding]:
    """``halves``: merged files with rows that no manifest counts yet."""
    done, total = 0, sum(entries[0].bytes for entries in files.values())
    for path, entries in files.items():
        yield from _wrong_file(root, entries, path in halves)
        done += entries[0].bytes
        progress(done, total)


def _wrong_file(root: Path, entries: Sequence[FileEntry], half: bool) -> Iterator[Finding]:
    """entries: all there are of one file."""
    entry = entries[0]
    try:
        for each in entries:
            check_footer(root, each)
        if {sha256_of(root / entry.path)} != {each.sha256 for each in entries}:
            for _ in read_lines(root, entry, lambda _: [None]):
                pass
            yield Finding(entry.path, "its sha256 is another, though its pages can be read", True)
        elif half:
            yield Finding(entry.path, _CUT_OFF, False)
        elif _is_miscounted(root, entries):
            yield Finding(entry.path, "its manifest counts other lines or seqs", True)
    except DamagedFile as error:
        yield Finding(entry.path, error.problem, True)
    except TooNew as error:
        yield Finding(entry.path, str(error), False)


def _is_miscounted(root: Path, entries: Sequence[FileEntry]) -> bool:
    """A merged file may have rows too of segments that have others now, and do not name it."""
    lines, first, last = lines_in(root, entries[0])
    said_lines = sum(e.rows for e in entries)
    said_first, said_last = min(e.first_seq for e in entries), max(e.last_seq for e in entries)
    if len(members(root, entries[0])) > len(entries):
        return lines < said_lines or said_first < first or last < said_last
    return (lines, first, last) != (said_lines, said_first, said_last)


def _still_wrong(tape: Tape, found: Sequence[Finding]) -> Iterator[Finding]:
    """Without files that were replaced and removed, by a compaction, while others were checked."""
    gone = [each for each in found if not (tape.root / each.path).exists()]
    kept = (m for each in all_generations(tape, newer=True) for m in each.kept) if gone else ()
    names = named(kept)
    return (each for each in found if each not in gone or each.path in names)


def _wrong_order(
    tape: Tape,
    found: Sequence[Manifest],
    gone: Mapping[SegmentName, Pruning],
    newer: Set[SegmentName],
) -> Iterator[Finding]:
    """gone: segments that were pruned. newer: that only a later version can judge."""
    for name in holes(found, gone):
        if name not in newer:
            yield Finding(tape.shown(tape.manifest(name)), "missing between its neighbours", True)
    excused = gone.keys() | newer
    for one in headless(found, excused):
        yield Finding(_path(tape, one), "its session began before it, with what is not here", False)
    for one, name in discontinued(tape, found, excused):
        problem = f"was to be continued by {name}, which is not there"
        yield Finding(_path(tape, one), problem, False)
    for one, following in pairwise(found):
        neighbours = one.session == following.session and following.number == one.number + 1
        if neighbours and following.first_seq != one.last_seq + 1:
            yield Finding(
                _path(tape, following),
                f"begins with seq {following.first_seq}, the segment before ends with"
                f" {one.last_seq}",
                one.lost is None and not following.damage,
            )


def _wrong_log(tape: Tape) -> Iterator[Finding]:
    """Of a line that is damaged, what it says was pruned is missing for all that anybody knows."""
    for line in lines(tape):
        if line.pruning is None:
            yield Finding(tape.shown(log_path(tape)), f"its line {line.number} is damaged", True)


def _unsealed(tape: Tape) -> Iterator[Finding]:
    if is_locked(tape.root):
        return  # a recorder is at work: its journals are where they belong
    for path in tape.journals():
        shown = tape.shown(path)
        yield Finding(
            shown,
            "not sealed; bp-record seals it when it starts, and so does bp-tape recover",
            False,
        )
        yield from wrong_journal(path, shown)


def _path(tape: Tape, manifest: Manifest) -> str:
    return tape.shown(tape.manifest(manifest.name, manifest.generation))
