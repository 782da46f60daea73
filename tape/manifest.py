"""The manifest of a sealed segment: written last, so its presence means the segment is whole."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from schemas.errors import TapeError
from tape.files import write_whole
from tape.journal import Damage
from tape.layout import SegmentName, Tape
from tape.version import FORMAT


class Verdict(StrEnum):
    """What sealing found when it replayed the segment."""

    CERTIFIED = "certified"  # the replay made the very frames and rows of the live recorder
    DIVERGENT = "divergent"  # it made others: a fault of the program, see `Manifest.divergence`
    RECOVERED = "recovered"  # the recorder did not finish, or bytes were lost: nothing to prove


class Origin(StrEnum):
    """What a generation of a segment was made of."""

    JOURNAL = "journal"  # the recorder's own, when the segment was sealed
    FRAMES = "frames"  # its frames/ files, replayed again
    COMPACTION = "compaction"  # the generation before: the same rows in fewer files


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file of a segment.

    path: relative to the recording's folder, with ``/``.
    table: ``frames`` or a table of rows.
    symbol: market of the rows; None for frames and for rows about no market.
    first_seq, last_seq: lowest and highest seq in it.
    footer_bytes, footer_sha256: of its end, which readers check before they trust it: a damaged
        Parquet footer can end the process that parses it.
    """

    path: str
    table: str
    symbol: str | None
    bytes: int
    sha256: str
    rows: int
    first_seq: int
    last_seq: int
    footer_bytes: int
    footer_sha256: str


class Lost(msgspec.Struct, frozen=True):
    """The end of the journal that could not be read: what a crash tore.

    after_ts: ns, UTC, when the last good frame arrived.
    """

    bytes: int
    after_seq: int
    after_ts: int
    reason: str

    def __str__(self) -> str:
        return f"{self.bytes} bytes after seq {self.after_seq}: {self.reason}"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know of a segment without opening it. Times are ns since the epoch, UTC.

    rows_schema: of its tables, see `schemas.rows.SCHEMA`.
    generation: 0 as recorded; the highest there is counts. origin: what this one was made of.
    code: version that sealed it.
    divergence: which frames the live recorder and the replay disagree on; None if none.
    end: ``roll`` or ``stop`` as the recorder left it; None after a crash.
    kinds: frames per kind; ``topics``: data frames per stream, ``""`` where it cannot be read.
    rows: rows per table; ``unknown``: streams and events the engine has no handler for.
    frames_digest, rows_digest: see `schemas.digest`, over all frames of the segment.
    damage: what is missing before the last frame; ``lost``: what is missing after it.
    """

    format: int = FORMAT
    rows_schema: int = 1
    generation: int = 0
    origin: Origin = Origin.JOURNAL
    code: str
    session: str
    number: int
    verdict: Verdict
    divergence: str | None
    end: str | None
    created: datetime
    first_seq: int
    last_seq: int
    first_ts: int
    last_ts: int
    kinds: dict[str, int]
    topics: dict[str, int]
    rows: dict[str, int]
    unknown: dict[str, int]
    frames_digest: str
    rows_digest: str
    damage: list[Damage]
    lost: Lost | None
    files: list[FileEntry]

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
        said.extend(f"the journal was damaged: {damage}" for damage in self.damage)
        if self.lost is not None:
            said.append(f"the journal's end was lost: {self.lost}")
        return said

    def stored_bytes(self, table: str | None = None) -> int:
        """Bytes of all files, or of those of one table (or ``frames``)."""
        return sum(entry.bytes for entry in self.files if table in (None, entry.table))

    def files_of(self, table: str) -> list[FileEntry]:
        """The files of a table (or ``frames``), in the order of their seqs."""
        return sorted(
            (entry for entry in self.files if entry.table == table), key=lambda e: e.first_seq
        )


def save(manifest: Manifest, tape: Tape) -> None:
    """Write a manifest; it is complete and synced, or not there."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    write_whole(tape.manifest(manifest.name), text + b"\n")


def load(path: Path) -> Manifest:
    """Read a manifest; raises TapeError where it is damaged, missing or too new."""
    try:
        content = path.read_bytes()
        written = msgspec.json.decode(content, type=_Written).format
        if written > FORMAT:
            raise TapeError(
                f"{path} has format {written}, this version reads up to {FORMAT}:"
                " install a newer backpack-recorder"
            )
        return msgspec.json.decode(content, type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TapeError(
            f"{path} cannot be read ({error}): bring it back from a copy, or move it away to go on"
            " without this segment; its Parquet files can still be opened on their own"
        ) from None


class _Written(msgspec.Struct):
    format: int
