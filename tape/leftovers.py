"""What an interruption left behind, and what may be removed of it. Frames never are."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from schemas.errors import TapeError
from tape.batches import check_footer
from tape.files import ASIDE, remove, remove_all
from tape.generations import Generations, all_generations, rows_files
from tape.layout import PARQUET_ENDING, ROWS, SegmentName, Tape
from tape.manifest import Manifest

# Made by compaction and by seal --again: never by a recorder, which may be at work.
_MERGED = re.compile(
    r"(?P<session>.+)\.(?P<first>[0-9]{5,})-(?P<last>[0-9]{5,})\.g(?P<generation>[0-9]+)\.parquet"
)
_TREE = re.compile(rf"{ROWS}\.g[0-9]+")


class Superseded(NamedTuple):
    """Generations that a compaction took the place of, and files that nothing else names."""

    manifests: list[Manifest]
    files: list[str]


class Begun(NamedTuple):
    """A compaction that was cut off while it switched from one segment to the next.

    names: segments that still have their own files. paths: merged files that hold their rows too.
    """

    names: set[SegmentName]
    paths: set[str]


def begun(segments: Sequence[Generations]) -> Begun:
    """segments: all that may share files with one another."""
    runs: dict[_Run, set[str]] = {}
    for one in segments:
        if one.current is not None and one.current.generation:
            for entry in rows_files(one.current):
                if run := _run(Path(entry.path)):
                    runs.setdefault(run, set()).add(entry.path)
    found = Begun(set(), set())
    for run, paths in runs.items():
        behind = {one.name for one in segments if _is_behind(one, run)}
        if behind:
            found.names.update(behind)
            found.paths.update(paths)
    return found


def superseded(tape: Tape, segments: Sequence[Generations]) -> Superseded:
    """segments: all that may share files with one another.

    Only where all files of the generation that took the place are there.
    """
    doubtful = {one.name.session for one in segments if one.damaged}
    sure = [one for one in segments if one.superseded and one.name.session not in doubtful]
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


def remove_superseded(tape: Tape, segments: Sequence[Generations]) -> None:
    """Rows go before the manifest that names them, so that nothing is forgotten if this is
    interrupted."""
    going = superseded(tape, segments)
    remove_leftovers(tape, going.files)
    for manifest in going.manifests:
        remove(tape.manifest(manifest.name, manifest.generation))


def remove_leftovers(tape: Tape, paths: Iterable[str]) -> None:
    """Remove files, and folders of a tree of rows made anew that are empty then."""
    files = [tape.root / path for path in paths]
    remove_all(files)
    for folder in {path.parent for path in files if _tree(tape, path) != ROWS}:
        _prune(tape, folder)


def unfinished(tape: Tape) -> list[str]:
    """Rows of generations that were never finished.

    To be removed only by who holds `tape.lock.upkeep`: then nobody is at work on one.
    """
    segments = all_generations(tape)
    doubtful = {one.name.session for one in segments if one.damaged}
    named = _paths(manifest for one in segments for manifest in one.readable)
    kept = {path for path in named if _is_later(tape, tape.root / path)}
    found = (path for path in _rows(tape) if _is_later(tape, path))
    return [
        shown
        for path in found
        if (shown := _shown(tape, path)) not in kept and _session(path) not in doubtful
    ]


def abandoned(tape: Tape) -> list[str]:
    """What sealing or saving left of segments that are sealed, and of first generations that are
    gone. To be removed only by who holds `tape.lock.lock` too: then no recorder is at work."""
    segments = all_generations(tape)
    sealed = {one.name for one in segments if one.readable and not one.damaged}
    sealed -= set(map(SegmentName.of, tape.journals()))
    kept = set(_paths(manifest for one in segments for manifest in one.readable))
    rows = (p for p in _rows(tape) if not _is_later(tape, p) and _segment(p) in sealed)
    found = [path for path in rows if _shown(tape, path) not in kept]
    found += [p for p in sorted(tape.root.glob(f"frames/*/*/*{ASIDE}")) if _segment(p) in sealed]
    found += sorted(tape.manifest_folder.glob(f"*{ASIDE}"))
    return [_shown(tape, path) for path in found]


def without_frames(tape: Tape, known: set[SegmentName]) -> list[str]:
    """Rows of segments of which nothing else is left. known: all others."""
    found = (p for p in _rows(tape) if not _is_later(tape, p) and not p.name.endswith(ASIDE))
    names = ((path, _segment(path)) for path in found)
    return [_shown(tape, p) for p, name in names if name is not None and name not in known]


def merged_generation(path: Path, name: SegmentName) -> int:
    """The generation of a merged file that has rows of a segment in it; -1 for any other file."""
    run = _run(path)
    return run.generation if run is not None and run.spans(name) else -1


class _Run(NamedTuple):
    """The segments whose rows were merged, as the names of the files say."""

    session: str
    first: int
    last: int
    generation: int

    def spans(self, name: SegmentName) -> bool:
        return self.session == name.session and self.first <= name.number <= self.last


def _run(path: Path) -> _Run | None:
    merged = _MERGED.fullmatch(path.name)
    if merged is None:
        return None
    return _Run(merged["session"], *map(int, merged.group("first", "last", "generation")))


def _is_behind(segment: Generations, run: _Run) -> bool:
    """Whether a segment was to be switched to the merged files of a run, and was not."""
    now = segment.current
    return now is not None and run.spans(segment.name) and now.generation < run.generation


def _paths(manifests: Iterable[Manifest]) -> Iterator[str]:
    return (entry.path for manifest in manifests for entry in manifest.files)


def _in_place(tape: Tape, segment: Generations) -> bool:
    """Whether the generation that counts can be read, as far as footers say so."""
    manifest = segment.current
    assert manifest is not None
    try:
        for entry in manifest.files:
            check_footer(tape.root, entry)
    except TapeError:
        return False
    return True


def _rows(tape: Tape) -> Iterator[Path]:
    """All files of rows, finished or not, in whatever tree."""
    for tree in sorted(tape.root.glob(f"{ROWS}*")):
        if tree.name == ROWS or _TREE.fullmatch(tree.name):
            files = (*tree.rglob(f"*{PARQUET_ENDING}"), *tree.rglob(f"*{PARQUET_ENDING}{ASIDE}"))
            yield from sorted(path for path in files if path.is_file())


def _is_later(tape: Tape, path: Path) -> bool:
    """Whether no sealing of a journal makes such a file."""
    name = path.name.removesuffix(ASIDE)
    return _tree(tape, path) != ROWS or _MERGED.fullmatch(name) is not None


def _session(path: Path) -> str | None:
    merged = _MERGED.fullmatch(path.name.removesuffix(ASIDE))
    if merged is not None:
        return merged["session"]
    name = _segment(path)
    return None if name is None else name.session


def _segment(path: Path) -> SegmentName | None:
    with suppress(TapeError):
        return SegmentName.of(path.with_name(path.name.removesuffix(ASIDE)))
    return None


def _tree(tape: Tape, path: Path) -> str:
    return path.relative_to(tape.root).parts[0]


def _prune(tape: Tape, folder: Path) -> None:
    with suppress(OSError):  # not empty
        while folder != tape.root:
            folder.rmdir()
            folder = folder.parent


def _shown(tape: Tape, path: Path) -> str:
    return path.relative_to(tape.root).as_posix()
