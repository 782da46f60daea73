"""Rows of a replay against the files of rows of a segment, part by part.

A part is what the tape keeps in one folder: a table, a day of receipt and a symbol. All parts are
compared by digest; only those that differ are read again, row by row.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from pathlib import PurePosixPath
from typing import NamedTuple

from replay.certificate import Finding
from schemas.digest import Digest
from schemas.errors import TapeError
from schemas.frames import Frame
from schemas.rows import Row
from tape.batches import PrunedFile
from tape.files import sha256_of
from tape.layout import DAY_NS, FRAMES, Tape, date_folder
from tape.manifest import FileEntry, Manifest
from tape.reader import read_frames, read_rows


class Part(NamedTuple):
    """``date`` as in the folder's name."""

    table: str
    date: str
    symbol: str | None


class PartDigests:
    """Digests of rows by part."""

    def __init__(self) -> None:
        self._digests: dict[tuple[str, int, str | None], Digest] = {}

    def see(self, rows: Iterable[Row]) -> None:
        """Take rows into the digests of their parts."""
        digests = self._digests
        for row in rows:
            key = (row.TABLE, row.ts_recv // DAY_NS, row.symbol)
            digest = digests.get(key)
            if digest is None:
                digest = digests[key] = Digest()
            digest.add(row)

    def found(self) -> dict[Part, str]:
        """The digest of each part."""
        return {
            Part(table, _date(day), symbol): digest.hexdigest()
            for (table, day, symbol), digest in self._digests.items()
        }


class StoredRows:
    """The files of rows of one segment."""

    def __init__(self, tape: Tape, manifest: Manifest) -> None:
        self._tape = tape
        self._manifest = manifest
        self._files: dict[Part, list[FileEntry]] = {}
        for entry in sorted(manifest.files, key=lambda entry: entry.first_seq):
            if entry.table != FRAMES:
                self._files.setdefault(_stored_in(entry), []).append(entry)

    def compare(self, replayed: dict[Part, str]) -> tuple[list[Part], list[Finding]]:
        """Parts whose stored rows are not those of the replay, and files that cannot be read.

        What was pruned is neither.
        """
        differing, unreadable = [], []
        for part in sorted({*replayed, *self._files}, key=str):
            try:
                if self._digest(part) != replayed.get(part):
                    differing.append(part)
            except PrunedFile:
                continue
            except TapeError as error:
                files = self._files[part]
                unreadable.append(
                    Finding(
                        problem=str(error),
                        first_seq=files[0].first_seq,
                        last_seq=files[-1].last_seq,
                    )
                )
        return differing, unreadable

    def rows(self, part: Part) -> Iterator[Row]:
        """The stored rows of a part, in order."""
        files = self._files.get(part, [])
        return chain.from_iterable(
            chain.from_iterable(read_rows(self._tape, entry) for entry in files)
        )

    def frame(self, seq: int) -> Frame | None:
        """The frame that a stored row says it was made of."""
        frame = next(read_frames(self._tape, self._manifest, from_seq=seq), None)
        return frame if frame is not None and frame.seq == seq else None

    def intact(self, part: Part) -> bool:
        """Whether the files of a part, which are there, are to the byte those that were sealed."""
        return all(
            sha256_of(self._tape.root / entry.path) == entry.sha256
            for entry in self._files.get(part, [])
        )

    def path(self, part: Part) -> str:
        """Where the rows of a part lie, or would."""
        files = self._files.get(part)
        if files:
            return files[0].path
        return f"rows/{part.table}/{part.date}/ (no file of {part.symbol})"

    def _digest(self, part: Part) -> str | None:
        if part not in self._files:
            return None
        digest = Digest()
        for row in self.rows(part):
            digest.add(row)
        return digest.hexdigest()


def part_of(row: Row) -> Part:
    """Where a row is stored."""
    return Part(row.TABLE, _date(row.ts_recv // DAY_NS), row.symbol)


@lru_cache(maxsize=64)
def _date(day: int) -> str:
    return date_folder(day * DAY_NS)


def _stored_in(entry: FileEntry) -> Part:
    """``rows/<table>/date=../symbol=../<segment>``: tables and dates never need quoting."""
    return Part(entry.table, PurePosixPath(entry.path).parts[2], entry.symbol)
