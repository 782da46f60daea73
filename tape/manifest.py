"""The manifest of a sealed segment: written last, so its presence means the segment is whole."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache, partial
from glob import escape
from pathlib import Path
from typing import Any

import msgspec

from schemas.errors import TapeError
from schemas.frames import UnionInput
from tape.bounds import Count, Time
from tape.entry import FileEntry
from tape.files import write_whole
from tape.glance import Glance, Shelf, glance, is_shared
from tape.journal_reader import Damage
from tape.layout import FRAMES, SegmentName, Tape, frames_folder, generation_of
from tape.places import holds_frames, holds_rows
from tape.pool import Counts, Pool
from tape.proof import Changed, Head, check_self, with_self
from tape.version import FORMAT, Written, refuse_newer

__all__ = [
    "FileEntry",
    "Lost",
    "Manifest",
    "Origin",
    "State",
    "Verdict",
    "later_than",
    "load",
    "outline",
    "save",
    "shelf",
    "state_of",
]

_LOWEST_TS = 2  # format since which first_ts and last_ts are the lowest and highest
_SHOWN = 100  # characters of a path


class Verdict(StrEnum):
    """What sealing found when it replayed the segment."""

    CERTIFIED = "certified"  # the replay made the very frames and rows of the live recorder
    FRAMES = "frames"  # the very frames; the live recorder's rows were of an older format
    DIVERGENT = "divergent"  # it made others: a fault of the program, see `Manifest.divergence`
    RECOVERED = "recovered"  # the recorder did not finish, or bytes were lost: nothing to prove


class Origin(StrEnum):
    """What a generation of a segment was made of."""

    JOURNAL = "journal"  # the recorder's own, when the segment was sealed
    FRAMES = "frames"  # its frames/ files, replayed again
    COMPACTION = "compaction"  # the generation before: the same rows in fewer files


class Lost(msgspec.Struct, frozen=True):
    """The end of the journal that could not be read: what a crash tore.

    after_ts: ns, UTC, when the last good frame arrived.
    """

    bytes: Count
    after_seq: Count
    after_ts: Time
    reason: str

    def __str__(self) -> str:
        return f"{self.bytes} bytes after seq {self.after_seq}: {self.reason}"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know of a segment without opening it. Times are ns since the epoch, UTC.

    rows_schema: of its tables, see `schemas.rows.SCHEMA`.
    generation: 0 as recorded; the highest there is counts. origin: what this one was made of.
    code: version that sealed it.
    divergence: which frames the live recorder and the replay disagree on; None if none.
    end: ``roll``, ``stop`` or ``dump: ..`` as the recorder left it; None after a crash.
    first_ts, last_ts: lowest and highest time of receipt; in format 1, of the first and last frame.
    kinds: frames per kind; ``topics``: data frames per stream, ``""`` where it cannot be read.
    rows: rows per table; ``unknown``: streams and events the engine has no handler for.
    frames_digest, rows_digest: see `schemas.digest`, over all frames of the segment.
    damage: what is missing before the last frame; ``lost``: what is missing after it.
    ring, shard, union: as in `schemas.frames.SegmentHead`; None or empty where they are not set.
    heals: as there: it has trades by REST that other sessions lack.
    """

    format: int = FORMAT
    rows_schema: int = 1
    generation: Count = 0
    origin: Origin = Origin.JOURNAL
    code: str
    session: str
    number: Count
    verdict: Verdict
    divergence: str | None
    end: str | None
    created: datetime
    first_seq: Count
    last_seq: Count
    first_ts: Time
    last_ts: Time
    kinds: dict[str, Count]
    topics: Mapping[str, Count]
    rows: dict[str, Count]
    unknown: dict[str, Count]
    frames_digest: str
    rows_digest: str
    damage: list[Damage]
    lost: Lost | None
    ring: Count | None = None
    heals: bool = False
    shard: str | None = None
    union: Sequence[UnionInput] = ()
    files: Sequence[FileEntry]

    @property
    def name(self) -> SegmentName:
        return SegmentName(self.session, self.number)

    @property
    def frames(self) -> int:
        """Frames of all kinds."""
        return sum(self.kinds.values())

    @property
    def losses(self) -> list[str]:
        """What is wrong with the segment since it was sealed, as sentences; empty if certified."""
        said = [] if self.divergence is None else [f"divergent: {self.divergence}"]
        if self.end is None:
            said.append(f"the recorder ended without a stop after seq {self.last_seq}")
        of_journal = self.origin is Origin.JOURNAL  # else nobody knows what they were lost with
        whose = "journal" if of_journal else "segment"
        inside = "the journal was damaged" if of_journal else "frames are missing"
        said.extend(f"{inside}: {damage}" for damage in self.damage)
        if self.lost is not None:
            said.append(f"the {whose}'s end was lost: {self.lost}")
        return said

    def stored_bytes(self, table: str | None = None) -> int:
        """Bytes of all files, or of those of one table (or ``frames``)."""
        if isinstance(self.files, Shelf):
            return self.files.stored_bytes(table)
        return sum(entry.stored for entry in self.files if table in (None, entry.table))

    @property
    def private(self) -> bool:
        """Whether any of its files lies among what is of an account."""
        if isinstance(self.files, Shelf):
            return self.files.glance.private
        return any(entry.private for entry in self.files)

    @property
    def shared(self) -> Iterable[str]:
        """Paths of files that may have rows of other segments."""
        if isinstance(self.files, Shelf):
            return self.files.glance.shared
        return [entry.path for entry in self.files if is_shared(entry, self.name)]

    def has_files(self, table: str, symbol: str | None = None) -> bool:
        """Whether any is of a table and a market."""
        if isinstance(self.files, Shelf):
            return self.files.glance.has(table, symbol)
        return any((entry.table, entry.symbol) == (table, symbol) for entry in self.files)

    def files_of(self, table: str) -> list[FileEntry]:
        """The files of a table (or ``frames``), in the order of their seqs."""
        if isinstance(self.files, Shelf) and not self.files.has(table):
            return []
        return sorted(
            (entry for entry in self.files if entry.table == table), key=lambda e: e.first_seq
        )


def save(manifest: Manifest, tape: Tape) -> None:
    """Write a manifest; it is complete and synced, or not there."""
    text = msgspec.json.format(msgspec.json.encode(manifest, enc_hook=_plain), indent=2) + b"\n"
    write_whole(tape.manifest(manifest.name, manifest.generation), with_self(text))


def load(path: Path) -> Manifest:
    """Read a manifest; raises TapeError where it is damaged, missing, another's or says what cannot
    be, TooNew where a later version wrote it."""
    try:
        content = path.read_bytes()
        head = msgspec.json.decode(content, type=Head)
        check_self(content, head)
        refuse_newer(path, Written(head.format, head.rows_schema, head.code))
        manifest = msgspec.json.decode(content, type=Manifest)
        _check_name(path, manifest)
        _check_sense(manifest)
        return manifest
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError, Changed) as error:
        raise TapeError(
            f"{path} cannot be read ({error}): bp-tape recover makes it anew from the frames;"
            " or bring it back from a copy"
        ) from None


def outline(path: Path, pool: Pool | None = None) -> Manifest:
    """The same, with the entries of its files left on disk. pool: of who reads many."""
    manifest = load(path)
    pool = Pool() if pool is None else pool
    return msgspec.structs.replace(
        manifest,
        topics=Counts.of(manifest.topics, pool),
        files=shelf(path, glance(manifest.name, manifest.files, pool)),
    )


State = tuple[int, ...]


def state_of(path: Path) -> State | None:
    """What changes whenever a file is written, by whatever means; None where it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def shelf(path: Path, seen: Glance) -> Shelf:
    """The entries of a manifest, left on disk."""
    return Shelf(partial(_entries, path), seen)


def _entries(path: Path) -> Sequence[FileEntry]:
    """Those of the generation that has taken the place of this one, if it is removed by now: who
    listed the segments before can go on reading them."""
    try:
        return _entries_of(path, state_of(path))
    except TapeError:
        later = later_than(path)
        if path.exists() or not later:
            raise
        return load(later[-1]).files


@lru_cache(maxsize=2)
def _entries_of(path: Path, state: State | None) -> Sequence[FileEntry]:
    """Who asks for those of one table asks for those of others. state: as it is now."""
    del state
    return load(path).files


def later_than(path: Path) -> list[Path]:
    """Manifests of the same segment that are of later generations, the first ones first."""
    there = path.parent.glob(f"{escape(str(SegmentName.of(path)))}.g*{path.suffix}")
    return sorted((p for p in there if generation_of(p) > generation_of(path)), key=generation_of)


def _plain(value: Any) -> Any:
    """What is left on disk or packed, as it is written."""
    return dict(value) if isinstance(value, Mapping) else list(value)


def _check_name(path: Path, manifest: Manifest) -> None:
    named = SegmentName.of(path), generation_of(path)
    if (manifest.name, manifest.generation) != named:
        raise Changed(f"it is that of {manifest.name}, generation {manifest.generation}")


def _check_sense(manifest: Manifest) -> None:
    """What no sealing writes: files elsewhere could be removed by it, times be walked for ever."""
    for entry in manifest.files:
        _check_file(entry, manifest.name)
    spans = [(manifest.first_seq, manifest.last_seq)]
    if manifest.format >= _LOWEST_TS:
        spans.append((manifest.first_ts, manifest.last_ts))
    for first, last in spans:
        if last < first:
            raise Changed(f"{first} to {last} is no span")
    hours = {entry.path.rpartition("/")[0] for entry in manifest.files if entry.table == FRAMES}
    for ts in (manifest.first_ts, manifest.last_ts):
        if not any(hour.endswith(frames_folder(ts)) for hour in hours):
            raise Changed(f"a frame arrived at {ts}, and no file is of that hour")


def _check_file(entry: FileEntry, name: SegmentName) -> None:
    if entry.table == FRAMES:
        can_be = entry.symbol is None and holds_frames(entry.path, name)
    else:
        can_be = holds_rows(entry.path, name, entry.table, entry.symbol)
    if not can_be:
        raise Changed(f"no file of {name} can be {entry.path[:_SHOWN]!r}")
    if entry.last_seq < entry.first_seq or max(entry.footer_bytes, entry.share or 0) > entry.bytes:
        raise Changed(f"{entry.path} cannot be so")
