"""Which rows of a recording belong into one file: those of a table, a day and a symbol."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import chain, groupby
from pathlib import PurePosixPath
from typing import NamedTuple

from tape.generations import rows_files
from tape.layout import ROWS, Part, SegmentName, Tape, tree_of
from tape.manifest import FileEntry, Manifest

Piece = tuple[Manifest, FileEntry]
Parts = dict[Part, list[Piece]]  # the pieces in order of `seq`

_EPOCH = date(1970, 1, 1)


class Day(NamedTuple):
    """The rows of one session that were received on one day, UTC, if they lie scattered.

    day: since the epoch. schema: of the rows; a day has rows of one schema.
    complete: a recorder cannot add to it any more.
    names: of the segments whose rows are to be put together. apart: those of them of which some
        rows lie in a tree of their own. files, bytes: that take part.
    """

    session: str
    day: int
    schema: int
    complete: bool
    names: frozenset[SegmentName]
    apart: frozenset[SegmentName]
    files: int
    bytes: int

    @property
    def date(self) -> str:
        """``2026-11-22``."""
        return date.fromordinal(_EPOCH.toordinal() + self.day).isoformat()


def day_of(text: str) -> int:
    """Days since the epoch of ``2026-11-22``; raises ValueError for what is no date."""
    return date.fromisoformat(text).toordinal() - _EPOCH.toordinal()


def scattered_days(tape: Tape, manifests: Iterable[Manifest]) -> Iterator[Day]:
    """In order of sessions and days. manifests: of the generation that counts, in order.

    The last day of a session is not complete while a journal of it is there.
    """
    recording = {SegmentName.of(path).session for path in tape.journals()}
    for session, group in groupby(manifests, key=lambda manifest: manifest.session):
        by_day: dict[tuple[int, int], list[Manifest]] = {}
        for manifest in group:
            for day in {part_of(entry).day for entry in rows_files(manifest)}:
                by_day.setdefault((day, manifest.rows_schema), []).append(manifest)
        last = max((day for day, _ in by_day), default=0)
        for (day, schema), found in sorted(by_day.items(), key=lambda item: item[0]):
            parts = scattered(found, day)
            if parts:
                complete = session not in recording or day < last
                yield _day(Day(session, day, schema, complete, *_NOTHING), parts)


def scattered(manifests: Sequence[Manifest], day: int) -> Parts:
    """The parts of a day that do not lie in one file, in the tree that all tools read."""
    found: Parts = {}
    for manifest in manifests:
        for entry in rows_files(manifest):
            part = part_of(entry)
            if part.day == day:
                found.setdefault(part, []).append((manifest, entry))
    return {part: found[part] for part in sorted(found, key=str) if _is_scattered(found[part])}


def part_of(entry: FileEntry) -> Part:
    """``rows/<table>/date=../symbol=../<segment>``: tables and dates never need quoting."""
    folder = PurePosixPath(entry.path).parts[-3]
    return Part(entry.table, day_of(folder.removeprefix("date=")), entry.symbol, entry.private)


_NOTHING: tuple[frozenset[SegmentName], frozenset[SegmentName], int, int]
_NOTHING = (frozenset(), frozenset(), 0, 0)


def _day(day: Day, parts: Parts) -> Day:
    pieces = list(chain.from_iterable(parts.values()))
    sizes = {entry.path: entry.bytes for _, entry in pieces}
    names = {manifest.name: manifest for manifest, _ in pieces}
    return day._replace(
        names=frozenset(names),
        apart=frozenset(name for name, manifest in names.items() if _is_apart(manifest)),
        files=len(sizes),
        bytes=sum(sizes.values()),
    )


def _is_scattered(pieces: Sequence[Piece]) -> bool:
    paths = {entry.path for _, entry in pieces}
    return len(paths) > 1 or any(tree_of(path) != ROWS for path in paths)


def _is_apart(manifest: Manifest) -> bool:
    return any(tree_of(entry.path) != ROWS for entry in rows_files(manifest))
