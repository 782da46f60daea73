"""Files of a recording that no manifest names, though other tools would read them."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tape.files import ASIDE
from tape.finding import Finding
from tape.generations import Generations, named
from tape.layout import DAMAGED_ENDING, FRAMES, ROWS, SegmentName, Tape, tree_of
from tape.leftovers import is_later, segment_of, session_of
from tape.lock import is_kept
from tape.merged import Run
from tape.prune import unfinished
from tape.prunings import pruned

_TREE = re.compile(rf"{ROWS}\.g(?P<generation>[0-9]+)")
_CUT_OFF = "left by what was cut off; bp-tape compact or recover removes it"


def strays(tape: Tape, generations: Sequence[Generations]) -> Iterator[Finding]:
    """What is left of a manifest that is gone, and what was never of this recording."""
    names = named(manifest for each in generations for manifest in each.readable)
    sealed = {each.name for each in generations if each.current is not None}
    known = {each.name for each in generations} | set(map(SegmentName.of, tape.journals()))
    explained = {each.name for each in generations if each.damaged or each.newer}
    explained |= known - sealed
    there = {(m.name, m.generation) for each in generations for m in each.readable}
    lost = set[tuple[SegmentName, int]]()
    gone, left = pruned(tape).gone, set(unfinished(tape))
    for path in _others(tape, generations):
        shown, name = tape.shown(path), segment_of(path)
        if shown in names or shown in left or name in explained:
            continue
        if path.suffix == DAMAGED_ENDING:
            yield Finding(shown, "could not be read; bp-tape recover moved it aside", False)
            continue
        if is_later(tape, path) and (path.suffix == ASIDE or Run.of(path)):
            yield Finding(shown, _CUT_OFF, False)
            continue
        yield Finding(shown, "no manifest names it", True)
        if name is not None and (of := (name, _generation(shown))) not in there:
            lost.add(of)
    for missing in sorted(lost):
        shown = tape.shown(tape.manifest(*missing))
        yield Finding(shown, "missing, though there are files of its segment", True)
    for path in sorted(tape.journal_folder.glob(f"*{DAMAGED_ENDING}")):
        name = segment_of(path.with_name(path.name.removesuffix(DAMAGED_ENDING)))
        if name not in sealed and name not in gone:
            yield Finding(tape.shown(path), "no frame of it could be read", False)


def _others(tape: Tape, generations: Sequence[Generations]) -> Iterator[Path]:
    """All files but those that somebody is making now, or that only a later version can judge."""
    newer = {each.name.session for each in generations if each.newer}
    kept = is_kept(tape.root)
    for tree in (FRAMES, *tape.trees_of_rows()):
        for path in tape.files_below(tree):
            if not (is_later(tape, path) and (kept or session_of(path) in newer)):
                yield path


def _generation(shown: str) -> int:
    """That of the tree of rows a file lies in."""
    tree = _TREE.fullmatch(tree_of(shown))
    return 0 if tree is None else int(tree["generation"])
