"""What an interruption left behind, and what may be removed of it. Frames never are."""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import NamedTuple

from schemas.errors import TapeError
from tape.batches import PrunedFile, check_footer
from tape.files import ASIDE, remove, remove_all
from tape.generations import Generations, all_generations, rows_files
from tape.layout import DAMAGED_ENDING, FRAMES, PARQUET_ENDING, ROWS, SegmentName, Tape, tree_of
from tape.manifest import FileEntry, Manifest
from tape.merged import Run

# Made by seal --again and recovery: never by a recorder, which may be at work.
_TREE = re.compile(rf"{ROWS}\.g[0-9]+")


class Superseded(NamedTuple):
    """Generations that a compaction took the place of, and files that nothing else names."""

    manifests: list[Manifest]
    files: list[str]


def superseded(
    tape: Tape, segments: Sequence[Generations], names: Container[SegmentName] | None = None
) -> Superseded:
    """segments: all that may share files with one another, or with those that are named, of which
    alone it is asked then.

    Only where all files of the generation that took the place are there.
    """
    doubtful = {one.name.session for one in segments if one.damaged}
    asked = (one for one in segments if names is None or one.name in names)
    sure = [one for one in asked if one.superseded and one.name.session not in doubtful]
    going = [m for one in sure if _in_place(tape, one) for m in one.superseded]
    sessions, gone = {m.session for m in going}, {(m.name, m.generation) for m in going}
    kept = set(
        _paths(
            m
            for one in segments
            for m in one.readable
            if m.session in sessions and (m.name, m.generation) not in gone
        )
    )
    files = {e.path for m in going for e in rows_files(m) if e.path not in kept}
    return Superseded(going, sorted(files))


def remove_superseded(tape: Tape, going: Superseded) -> None:
    """Rows go before the manifest that names them, so that nothing is forgotten if this is
    interrupted."""
    remove_leftovers(tape, going.files)
    for manifest in going.manifests:
        remove(tape.manifest(manifest.name, manifest.generation))


def remove_leftovers(tape: Tape, paths: Iterable[str]) -> None:
    """Remove files, and folders of a tree of rows made anew that are empty then."""
    files = [tape.root / path for path in paths]
    remove_all(files)
    for folder in {path.parent for path in files if _tree(tape, path) != ROWS}:
        _prune(tape, folder)


def remove_unnamed(
    tape: Tape, name: SegmentName, files: Sequence[FileEntry], folders: Iterable[str]
) -> None:
    """Remove what an interruption left of a segment, and its repetition did not overwrite.

    files: the segment's. folders: patterns of those to look in. What was moved aside stays.
    """
    mine = {tape.root / entry.path for entry in files}
    for folder in folders:
        found = tape.glob(f"{folder}/{escape(str(name))}.*")
        remove_all(p for p in found if p not in mine and p.suffix != DAMAGED_ENDING)


def folders_of(files: Iterable[FileEntry], *tables: str) -> list[str]:
    """Patterns of the folders in which files of a segment may lie: on the days of its frames.

    tables: such as ``frames`` or ``rows/*``.
    """
    days = {Path(e.path).parent.parent.name for e in files if e.table == FRAMES}
    return [f"{table}/{day}/*" for day in sorted(days) for table in tables]


def unfinished(tape: Tape) -> list[str]:
    """Rows of generations that were never finished.

    To be removed only by who holds `tape.lock.upkeep`: then nobody is at work on one.
    """
    segments = all_generations(tape)
    doubtful = {one.name.session for one in segments if one.damaged}
    named = _paths(manifest for one in segments for manifest in one.readable)
    kept = {path for path in named if is_later(tape, tape.root / path)}
    found = (path for path in _rows(tape) if is_later(tape, path))
    return [
        shown
        for path in found
        if (shown := tape.shown(path)) not in kept and session_of(path) not in doubtful
    ]


def abandoned(tape: Tape) -> list[str]:
    """What sealing or saving left of segments that are sealed, and of first generations that are
    gone. To be removed only by who holds `tape.lock.lock` too: then no recorder is at work."""
    segments = all_generations(tape)
    sealed = {one.name for one in segments if one.readable and not one.damaged}
    sealed -= set(map(SegmentName.of, tape.journals()))
    kept = set(_paths(manifest for one in segments for manifest in one.readable))
    rows = (p for p in _rows(tape) if not is_later(tape, p) and segment_of(p) in sealed)
    found = [path for path in rows if tape.shown(path) not in kept]
    found += [p for p in tape.files_below(FRAMES) if p.suffix == ASIDE and segment_of(p) in sealed]
    for folder in (tape.manifest_folder, tape.journal_folder):
        found += sorted(folder.glob(f"*{ASIDE}"))
    return [tape.shown(path) for path in found]


def without_frames(tape: Tape, known: set[SegmentName]) -> list[str]:
    """Rows of segments of which nothing else is left. known: all others."""
    found = (p for p in _rows(tape) if not is_later(tape, p) and not p.name.endswith(ASIDE))
    names = ((path, segment_of(path)) for path in found)
    return [tape.shown(p) for p, name in names if name is not None and name not in known]


def _paths(manifests: Iterable[Manifest]) -> Iterator[str]:
    return (entry.path for manifest in manifests for entry in manifest.files)


def _in_place(tape: Tape, segment: Generations) -> bool:
    """Whether the generation that counts can be read, as far as footers say so."""
    manifest = segment.current
    assert manifest is not None
    return all(_is_sound(tape, entry) for entry in manifest.files)


def _is_sound(tape: Tape, entry: FileEntry) -> bool:
    """Whether a file is there, or was pruned."""
    try:
        check_footer(tape.root, entry)
    except PrunedFile:
        return True
    except TapeError:
        return False
    return True


def _rows(tape: Tape) -> Iterator[Path]:
    """All files of rows, finished or not, in whatever tree."""
    for tree in tape.trees_of_rows():
        if tree == ROWS or _TREE.fullmatch(tree):
            endings = (PARQUET_ENDING, f"{PARQUET_ENDING}{ASIDE}")
            yield from (p for p in tape.files_below(tree) if p.name.endswith(endings))


def is_later(tape: Tape, path: Path) -> bool:
    """Whether no sealing of a journal makes such a file of rows."""
    return _tree(tape, path) not in (ROWS, FRAMES) or _run(path) is not None


def session_of(path: Path) -> str | None:
    """The session a file, finished or not, says it is of."""
    run, name = _run(path), segment_of(path)
    return run.session if run is not None else None if name is None else name.session


def segment_of(path: Path) -> SegmentName | None:
    """The segment a file, finished or not, says it is of."""
    with suppress(TapeError):
        return SegmentName.of(path.with_name(path.name.removesuffix(ASIDE)))
    return None


def _run(path: Path) -> Run | None:
    return Run.of(path.name.removesuffix(ASIDE))


def _tree(tape: Tape, path: Path) -> str:
    return tree_of(tape.shown(path))


def _prune(tape: Tape, folder: Path) -> None:
    with suppress(OSError):  # not empty
        while folder != tape.root:
            folder.rmdir()
            folder = folder.parent
