"""Files with the rows of several segments: how they are named, whose rows they hold."""

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from tape.batches import DamagedFile, labels_in
from tape.generations import Generations
from tape.layout import SegmentName, Tape
from tape.manifest import FileEntry

MEMBERS = "members"  # label of a merged file: the numbers of the segments it has rows of

_MERGED = re.compile(
    r"(?P<session>.+)\.(?P<first>[0-9]{5,})-(?P<last>[0-9]{5,})\.g(?P<generation>[0-9]+)\.parquet"
)


class Run(NamedTuple):
    """The segments whose rows were merged, as the names of the files say; not each is in each."""

    session: str
    first: int
    last: int
    generation: int

    @classmethod
    def of(cls, path: Path | str) -> "Run | None":
        """By the name of a merged file; None for any other file."""
        merged = _MERGED.fullmatch(Path(path).name)
        if merged is None:
            return None
        return cls(merged["session"], *map(int, merged.group("first", "last", "generation")))

    def spans(self, name: SegmentName) -> bool:
        """Whether a segment may be among them."""
        return self.session == name.session and self.first <= name.number <= self.last

    def __str__(self) -> str:
        return f"{self.session}.{self.first:05d}-{self.last:05d}.g{self.generation}"


class Begun(NamedTuple):
    """A compaction that was cut off while it switched from one segment to the next.

    names: segments that still have their own files. paths: merged files that hold their rows too.
    """

    names: set[SegmentName]
    paths: set[str]


def begun(tape: Tape, segments: Sequence[Generations]) -> Begun:
    """segments: all that may share files with one another."""
    runs: dict[Run, dict[str, Generations]] = {}
    seen = set[str]()
    for one in segments:
        if one.current is not None and one.current.generation:
            for path in one.current.shared:
                if path not in seen and (run := Run.of(path)):
                    runs.setdefault(run, {})[path] = one
                seen.add(path)
    found = Begun(set(), set())
    every = sorted(segments, key=attrgetter("name"))
    for run, files in runs.items():
        ends = (SegmentName(run.session, number) for number in (run.first, run.last + 1))
        since, until = (bisect_left(every, end, key=attrgetter("name")) for end in ends)
        waiting = [one.name for one in every[since:until] if _may_be_behind(one, run)]
        for path, one in files.items() if waiting else ():
            held = members(tape.root, _entry(one, path))
            if behind := {name for name in waiting if name.number in held}:
                found.names.update(behind)
                found.paths.add(path)
    return found


def _entry(segment: Generations, path: str) -> FileEntry:
    assert segment.current is not None
    return next(entry for entry in segment.current.files if entry.path == path)


def members(root: Path, entry: FileEntry) -> Collection[int]:
    """Numbers of the segments that a merged file has rows of; none where it cannot be read."""
    run = Run.of(entry.path)
    if run is None:
        return ()
    try:
        said = labels_in(root, entry).get(MEMBERS)
    except DamagedFile:
        return ()
    return range(run.first, run.last + 1) if said is None else parsed(said)


def written(numbers: Iterable[int]) -> str:
    """The label for the members of a file.

    >>> written({3, 1})
    '00001,00003'
    """
    return ",".join(f"{number:05d}" for number in sorted(numbers))


def parsed(label: str) -> set[int]:
    """The members again.

    >>> parsed("00001,00003") == {1, 3}
    True
    """
    return {int(number) for number in label.split(",") if number.isdecimal()}


def merged_generation(path: Path, name: SegmentName) -> int:
    """The generation of a merged file that has rows of a segment in it; -1 for any other file."""
    run = Run.of(path)
    return run.generation if run is not None and run.spans(name) else -1


def _may_be_behind(segment: Generations, run: Run) -> bool:
    """Whether a segment was not switched to the merged files of a run, if it has rows in them."""
    now = segment.current
    return now is not None and run.spans(segment.name) and now.generation < run.generation
