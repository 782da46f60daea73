"""Files of a recording that no manifest names, though other tools would read them."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from schemas.errors import TapeError
from tape.files import ASIDE
from tape.finding import Finding
from tape.generations import Generations, named
from tape.layout import DAMAGED_ENDING, FRAMES, ROWS, SegmentName, Tape

_TREE = re.compile(rf"{ROWS}\.g(?P<generation>[0-9]+)/")


def strays(tape: Tape, generations: Sequence[Generations]) -> Iterator[Finding]:
    """What is left of a manifest that is gone, and what was never of this recording."""
    names = named(manifest for each in generations for manifest in each.readable)
    sealed = {each.name for each in generations if each.current is not None}
    known = {each.name for each in generations} | set(map(SegmentName.of, tape.journals()))
    explained = {each.name for each in generations if each.damaged} | (known - sealed)
    there = {(m.name, m.generation) for each in generations for m in each.readable}
    lost = set[tuple[SegmentName, int]]()
    for path in _files(tape):
        shown, name = path.relative_to(tape.root).as_posix(), _segment(path)
        if shown in names or name in explained:
            continue
        if path.suffix == DAMAGED_ENDING:
            yield Finding(shown, "could not be read; bp-tape recover moved it aside", False)
            continue
        yield Finding(shown, "no manifest names it", True)
        if name is not None and (of := (name, _generation(shown))) not in there:
            lost.add(of)
    for missing in sorted(lost):
        shown = tape.manifest(*missing).relative_to(tape.root).as_posix()
        yield Finding(shown, "missing, though there are files of its segment", True)
    for path in sorted(tape.journal_folder.glob(f"*{DAMAGED_ENDING}")):
        if _segment(path.with_name(path.name.removesuffix(DAMAGED_ENDING))) not in sealed:
            shown = path.relative_to(tape.root).as_posix()
            yield Finding(shown, "no frame of it could be read", False)


def _files(tape: Tape) -> Iterator[Path]:
    for folder in (FRAMES, *sorted(path.name for path in tape.root.glob(f"{ROWS}*"))):
        yield from sorted(p for p in (tape.root / folder).rglob("*") if p.is_file())


def _generation(shown: str) -> int:
    """That of the tree of rows a file lies in."""
    tree = _TREE.match(shown)
    return 0 if tree is None else int(tree["generation"])


def _segment(path: Path) -> SegmentName | None:
    """The segment a file says it is of."""
    with suppress(TapeError):
        return SegmentName.of(path.with_name(path.name.removesuffix(ASIDE)))
    return None
