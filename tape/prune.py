"""Pruning: the oldest segments go, or their frames or rows, each after a line in the log.

The line is on disk before anything of the segment goes. Then go its manifests, the one that counts
last: until then it is whole, from then on it is gone, and its files, which follow, count no more.
Where only frames or rows go, the manifests stay, and the log says why what they name is not there.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from schemas.errors import TapeError
from schemas.frames import Kind
from tape.carried import carried
from tape.ends import Ends
from tape.files import remove, remove_all
from tape.generations import Generations, all_generations, generations_of, named
from tape.glance import is_shared
from tape.laps import ends
from tape.layout import SegmentName, Tape
from tape.manifest import FileEntry, Manifest
from tape.prunings import PrunedEntry, Pruning, What, append, newest, pruned
from tape.retention import Holding, Stock, is_pruned_with
from tape.version import code_version
from tape.view import without_account

_FOLDERS = ("hour=", "symbol=", "date=")  # that are removed with the last file in them


class Order(NamedTuple):
    """What is to be done, and what the log is to say of it: by which command, and why."""

    what: What
    by: str
    why: str


class Gone(NamedTuple):
    """What was pruned of a segment. bytes: that are free now."""

    name: SegmentName
    last_ts: int
    what: What
    files: int
    bytes: int


def prune(tape: Tape, stock: Stock, going: Sequence[Holding], order: Order) -> Iterator[Gone]:
    """Prune segments of a stock that was just taken; each is done when it is given out.

    Raises OSError where the disk refuses; what was done before stays done, and what was begun is
    finished by `finish`. The caller holds `tape.lock.upkeep`.
    """
    work = _Pruning(tape, stock, order)
    for holding in going:
        gone = work.run(holding)
        if gone is not None:
            yield gone


def finish(tape: Tape) -> list[str]:
    """Remove what an interrupted pruning left of a segment that is gone; the files."""
    paths = unfinished(tape)
    remove_files(tape, paths)
    return paths


def unfinished(tape: Tape) -> list[str]:
    """Files that `finish` would remove, as no manifest names them any more: only the last line of
    the log can be of something that was begun and not done."""
    last = newest(tape)
    if last is None or last.what is not What.ALL:
        return []
    there = [file.path for file in last.files if (tape.root / file.path).exists()]
    if not there:
        return []
    kept = named(m for one in all_generations(tape, newer=True) for m in one.readable)
    return [path for path in there if path not in kept]


class _Pruning:
    """Of some segments, one after another."""

    def __init__(self, tape: Tape, stock: Stock, order: Order) -> None:
        self._tape = tape
        self._order = order
        self._claims = Counter(path for held in stock.holdings for path in held.shared)
        self._before: dict[str, dict[str, int]] = {}  # who else gave a file up, by path
        self._known = pruned(tape)

    def run(self, holding: Holding) -> Gone | None:
        """None where there is nothing to remove."""
        segment = generations_of(self._tape, holding.name)
        manifest = segment.current
        if manifest is None:
            raise TapeError(f"{holding.name}: its manifest is gone: bp-tape recover says more")
        self._claims.subtract(holding.shared)
        files = self._files(segment)
        for path in holding.shared:
            self._before.setdefault(path, {})[str(holding.name)] = manifest.generation
        if not files and self._order.what is not What.ALL:
            return None
        append(self._tape, self._line(manifest, files))
        if self._order.what is What.ALL:
            for each in segment.readable:
                remove(self._tape.manifest(each.name, each.generation))
        remove_files(self._tape, [entry.path for entry in files])
        size = sum(entry.bytes for entry in files)
        return Gone(holding.name, manifest.last_ts, self._order.what, len(files), size)

    def _files(self, segment: Generations) -> list[FileEntry]:
        """What nobody else names, and is there; what is of an account last: in a copy without that
        the first one tells whether the others are gone."""
        found = [
            entries[0]
            for path, entries in named(segment.readable).items()
            if is_pruned_with(entries[0], self._order.what)
            and not (is_shared(entries[0], segment.name) and self._claims[path] > 0)
            and (self._tape.root / path).exists()
        ]
        return sorted(found, key=attrgetter("private"))

    def _line(self, manifest: Manifest, files: Sequence[FileEntry]) -> Pruning:
        generations: dict[str, int] = {}
        for entry in files:
            generations |= self._before.get(entry.path, {})
        return Pruning(
            at=datetime.now(UTC),
            by=self._order.by,
            code=code_version(),
            why=self._order.why,
            what=self._order.what,
            segment=str(manifest.name),
            generations=generations | {str(manifest.name): manifest.generation},
            verdict=manifest.verdict,
            end=manifest.end,
            ring=manifest.ring,
            first_seq=manifest.first_seq,
            last_seq=manifest.last_seq,
            first_ts=manifest.first_ts,
            last_ts=manifest.last_ts,
            frames=manifest.frames,
            ends=self._ends(manifest),
            files=[PrunedEntry(entry.path, entry.bytes, entry.sha256) for entry in files],
        )

    def _ends(self, manifest: Manifest) -> Ends:
        """What cannot be read is as the manifest has it. Nothing that only the account's files say
        goes into the log, which anybody may read."""
        known = self._known.frames.get(manifest.name)
        if known is not None:
            return known.ends
        public = without_account(self._tape)
        try:
            found = ends(public, manifest)
            if self._order.what is What.FRAMES:
                return replace(found, carried=tuple(carried(public, manifest)))
        except TapeError:
            topics = tuple(sorted(set(manifest.topics) - {""}))
            first, last = manifest.first_ts, manifest.last_ts
            return Ends(Kind.SEGMENT, topics, first, last, carried=())
        return found


def remove_files(tape: Tape, paths: Sequence[str]) -> None:
    """Remove files, and the folders of their partitions that are empty then."""
    files = [tape.root / path for path in paths]
    remove_all(files)
    for folder in sorted({path.parent for path in files}):
        _drop(folder)


def _drop(folder: Path) -> None:
    with suppress(OSError):  # not empty
        while folder.name.startswith(_FOLDERS):
            folder.rmdir()
            folder = folder.parent
