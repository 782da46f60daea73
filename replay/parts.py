"""Rows of a replay against the files of rows of a segment, part by part.

A part is what the tape keeps in one folder: a table, a day of receipt and a symbol, and whether it
is of an account. All parts are compared by digest; only those that differ are read again, row by
row.
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
from schemas.privacy import Privacy, is_private_row
from schemas.rows import Row
from tape.batches import PrunedFile
from tape.columns import filed_topic
from tape.files import sha256_of
from tape.layout import ACCOUNT, DAY_NS, FRAMES, Tape, date_folder
from tape.manifest import FileEntry, Manifest
from tape.reader import read_frames, read_rows

_Key = tuple[str, int, str | None, bool]  # as `Part`, with the day as a number


class Part(NamedTuple):
    """``date`` as in the folder's name."""

    table: str
    date: str
    symbol: str | None
    private: bool = False


class Sorter:
    """Sees the frames of a segment with their rows, and tells the parts of the rows.

    apart: what is of an account lies apart; in segments of before it did, all lies together.
    """

    def __init__(self, apart: bool) -> None:
        self._privacy = Privacy() if apart else None

    def see(self, frame: Frame, rows: Iterable[Row]) -> Iterator[tuple[Part, Row]]:
        """The next frame."""
        for key, row in self.keys(frame, rows):
            yield _part(key), row

    def keys(self, frame: Frame, rows: Iterable[Row]) -> Iterator[tuple[_Key, Row]]:
        """The same, with what is quicker to make than a part."""
        apart = self._privacy is not None
        private = self._privacy is not None and self._privacy.see(frame, filed_topic(frame))
        for row in rows:
            mine = private or (apart and is_private_row(row))
            yield (row.TABLE, row.ts_recv // DAY_NS, row.symbol, mine), row


class PartDigests:
    """Digests of rows by part."""

    def __init__(self, sorter: Sorter) -> None:
        self._sorter = sorter
        self._digests: dict[_Key, Digest] = {}

    def see(self, frame: Frame, rows: Iterable[Row]) -> None:
        """Take the rows of the next frame into the digests of their parts."""
        digests = self._digests
        for key, row in self._sorter.keys(frame, rows):
            digest = digests.get(key)
            if digest is None:
                digest = digests[key] = Digest()
            digest.add(row)

    def found(self) -> dict[Part, str]:
        """The digest of each part."""
        return {_part(key): digest.hexdigest() for key, digest in self._digests.items()}


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
        top = f"{ACCOUNT}/" if part.private else ""
        return f"{top}rows/{part.table}/{part.date}/ (no file of {part.symbol})"

    def _digest(self, part: Part) -> str | None:
        if part not in self._files:
            return None
        digest = Digest()
        for row in self.rows(part):
            digest.add(row)
        return digest.hexdigest()


def _part(key: _Key) -> Part:
    table, day, symbol, private = key
    return Part(table, _date(day), symbol, private)


@lru_cache(maxsize=64)
def _date(day: int) -> str:
    return date_folder(day * DAY_NS)


def _stored_in(entry: FileEntry) -> Part:
    """``rows/<table>/date=../symbol=../<segment>``: tables and dates never need quoting."""
    return Part(entry.table, PurePosixPath(entry.path).parts[-3], entry.symbol, entry.private)
