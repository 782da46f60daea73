"""Where everything lies in a recording's folder (design section 4)."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from schemas.errors import NotARecording, TapeError
from schemas.shard import Shard

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
LARGEST_SEGMENT_FRAMES = 20_000_000  # half an hour of the venue's peak

FRAMES = "frames"
ROWS = "rows"
ACCOUNT = "account"  # has trees of frames and rows of its own: what is private
JOURNAL_ENDING = ".journal.zst"
DAMAGED_ENDING = ".damaged"
PARQUET_ENDING = ".parquet"
MANIFEST_ENDING = ".json"
LOSS_ENDING = ".loss"  # before .parquet: frames that say what a frames file had that is gone
# What a folder has at least one of in which there is anything of a recording, damaged as it may be.
MARKS = ("manifest/*.json*", f"journal/*{JOURNAL_ENDING}*", f"{FRAMES}/*/*/*.parquet*")

_NULL = "__HIVE_DEFAULT_PARTITION__"  # what Hive readers take for null
_LONGEST_NAME = 200  # file systems end a name at 255 bytes
_SEGMENT = re.compile(r"(?P<session>[^/.][^/]*)\.(?P<number>[0-9]{5,})", re.ASCII)
_GENERATION = re.compile(r"(?P<segment>.+)\.g(?P<generation>[1-9][0-9]*)", re.ASCII)


class SegmentName(NamedTuple):
    """A segment: ``number`` counts from 0 or 1 within its session. Sorts in recording order."""

    session: str
    number: int

    @classmethod
    def parse(cls, text: str) -> "SegmentName":
        """From ``<session>.<n>``; raises TapeError where it is something else.

        >>> SegmentName.parse("20261122T060000Z.00003")
        SegmentName(session='20261122T060000Z', number=3)
        """
        match = _SEGMENT.fullmatch(text)
        if match is None:
            raise TapeError(f"{text!r} is not a segment's name: expected <session>.<five digits>")
        return cls(match["session"], int(match["number"]))

    @classmethod
    def of(cls, path: Path) -> "SegmentName":
        """The segment a file of a tape belongs to; raises TapeError where it is of none."""
        stem = path.name.removesuffix(JOURNAL_ENDING)
        if stem.endswith(PARQUET_ENDING):
            stem = stem.removesuffix(PARQUET_ENDING).removesuffix(LOSS_ENDING)
        if stem.endswith(MANIFEST_ENDING):
            stem = stem.removesuffix(MANIFEST_ENDING)
            later = _GENERATION.fullmatch(stem)
            stem = stem if later is None else later["segment"]
        if _SEGMENT.fullmatch(stem) is None:
            raise TapeError(f"{path} is not a file of a recording; move it away")
        return cls.parse(stem)

    def __str__(self) -> str:
        return f"{self.session}.{self.number:05d}"


class Part(NamedTuple):
    """What one file of rows holds. ``day``: days since the epoch of their ``ts_recv``, UTC.

    private: rows that `schemas.privacy` keeps apart.
    """

    table: str
    day: int
    symbol: str | None
    private: bool = False


@dataclass(frozen=True, slots=True)
class Tape:
    """A recording's folder. Only names are made here; nothing is created.

    public: readers leave out what is of an account, see `tape.view`.
    """

    root: Path
    public: bool = False

    @classmethod
    def open(cls, root: Path | str) -> "Tape":
        """An existing recording; raises NotARecording where there is none."""
        tape = cls(Path(root))
        if not tape.root.is_dir():
            raise NotARecording(f"no folder {tape.root}; bp-record --help says how to make one")
        if not tape.manifests() and not tape.journals():
            if any(tape.files_below(FRAMES)):
                raise NotARecording(
                    f"{tape.root} has frames, but no manifest says what they are: bp-tape recover"
                    " makes the manifests anew"
                )
            refuse_shards(tape.root)
            raise NotARecording(
                f"{tape.root} holds no recording: neither manifest/*{MANIFEST_ENDING} nor"
                f" journal/*{JOURNAL_ENDING}; name the folder that bp-record wrote to"
            )
        return tape

    @property
    def journal_folder(self) -> Path:
        return self.root / "journal"

    @property
    def manifest_folder(self) -> Path:
        return self.root / "manifest"

    def journal(self, name: SegmentName) -> Path:
        """The open segment."""
        return self.journal_folder / f"{name}{JOURNAL_ENDING}"

    def manifest(self, name: SegmentName, generation: int = 0) -> Path:
        """Its presence means that this generation of the segment is whole."""
        return self.manifest_folder / f"{name}{_suffix(generation)}{MANIFEST_ENDING}"

    @property
    def account_folder(self) -> Path:
        """What is of an account lies in here, and nothing else does."""
        return self.root / ACCOUNT

    def frames(self, name: SegmentName, ts_recv: int, private: bool = False) -> Path:
        """File of the frames received in the same hour as ``ts_recv`` (ns, UTC)."""
        return self._top(private) / frames_folder(ts_recv) / f"{name}{PARQUET_ENDING}"

    def losses(self, name: SegmentName, ts_recv: int) -> Path:
        """File of the frames that say what is missing from a file of `frames` that is gone."""
        beside = self.frames(name, ts_recv)
        return beside.with_name(f"{name}{LOSS_ENDING}{PARQUET_ENDING}")

    def rows(self, segment: object, part: Part, tree: str = ROWS) -> Path:
        """File of the rows of a part. segment: its name, or what a file of several is called.

        tree: see `rows_tree`.
        """
        folder = self._top(part.private) / tree / part.table / date_folder(part.day * DAY_NS)
        return folder / symbol_folder(part.symbol) / f"{segment}{PARQUET_ENDING}"

    def journals(self) -> list[Path]:
        """Journals not sealed yet, in recording order; OSError where the folder is not readable."""
        return sorted(_listed(self.journal_folder, JOURNAL_ENDING), key=SegmentName.of)

    def manifests(self) -> list[Path]:
        """Manifests of all sealed segments, in recording order: the latest generation of each."""
        return [paths[-1] for paths in self.generations().values()]

    def generations(self) -> dict[SegmentName, list[Path]]:
        """All manifests of each segment, in recording order, each from its first generation on.

        Raises OSError where the folder is not readable.
        """
        found: dict[SegmentName, list[Path]] = {}
        paths = _listed(self.manifest_folder, MANIFEST_ENDING)
        for path in sorted(paths, key=lambda path: (SegmentName.of(path), generation_of(path))):
            found.setdefault(SegmentName.of(path), []).append(path)
        return found

    def manifests_of(self, name: SegmentName) -> list[Path]:
        """Manifests of a segment, from its first generation on."""
        its = _listed(self.manifest_folder, MANIFEST_ENDING, f"{name}.")
        return sorted((path for path in its if SegmentName.of(path) == name), key=generation_of)

    def is_sealed(self, name: SegmentName) -> bool:
        """Whether there is a manifest of a segment, of whatever generation."""
        return self.manifest(name).exists() or bool(self.manifests_of(name))

    def files_below(self, tree: str) -> Iterator[Path]:
        """All files of a tree and then those of the account's, in order; none where there is none.

        Raises OSError where one is not readable: what is in it would else be taken for lost.
        """
        for top in self._tops:
            for place, folders, names in os.walk(top / tree, onerror=_raised):
                folders.sort()
                yield from (Path(place, name) for name in sorted(names))

    def glob(self, pattern: str) -> Iterator[Path]:
        """What matches a pattern that begins with a tree, there and among what is the account's."""
        for top in self._tops:
            yield from top.glob(pattern)

    def trees_of_rows(self) -> list[str]:
        """``rows``, and what is called alike: see `rows_tree`."""
        return sorted({path.name for path in self.glob(f"{ROWS}*")})

    @property
    def _tops(self) -> tuple[Path, Path]:
        return self.root, self.account_folder

    def _top(self, private: bool) -> Path:
        return self.account_folder if private else self.root

    def shown(self, path: Path) -> str:
        """A path as manifests and messages name it: relative to the recording's folder."""
        return path.relative_to(self.root).as_posix()


def shard_folders(root: Path) -> list[Path]:
    """Recordings of shards in a folder, see `schemas.shard`: by how many they are, and number."""
    found = [(Shard.of_folder(path.name), path) for path in _listed(root, "")]
    known = [(shard.of, shard.number, path) for shard, path in found if shard is not None]
    return [path for _, _, path in sorted(known) if path.is_dir()]


def refuse_shards(root: Path) -> None:
    """Raise NotARecording where a folder has shards in it."""
    if shards := shard_folders(root):
        names = ", ".join(folder.name for folder in shards)
        raise NotARecording(
            f"{root} holds shards ({names}), and this takes one recording: name one of them, or"
            " make one of all with bp-tape union"
        )


def generation_of(manifest: Path) -> int:
    """0 for ``<session>.<n>.json``, k for ``<session>.<n>.g<k>.json``."""
    later = _GENERATION.fullmatch(manifest.name.removesuffix(MANIFEST_ENDING))
    return 0 if later is None else int(later["generation"])


def rows_tree(generation: int) -> str:
    """The folder of rows that were made anew: ``rows.g1``. Beside ``rows``, whose readers, of
    whatever make, would else see them twice."""
    return f"{ROWS}{_suffix(generation)}"


def in_account(path: str) -> bool:
    """Whether a path below a recording's folder, as `Tape.shown` gives it, is private."""
    return path.startswith(f"{ACCOUNT}/")


def tree_of(path: str) -> str:
    """The tree such a path lies in, the account's or not: ``frames``, ``rows``, ``rows.g1``..

    >>> tree_of("account/rows.g1/order/date=2026-11-22/symbol=ETH_USDC/x.00001.parquet")
    'rows.g1'
    """
    return path.removeprefix(f"{ACCOUNT}/").partition("/")[0]


def table_of(path: str) -> str:
    """The table of such a path to a file of rows."""
    return path.removeprefix(f"{ACCOUNT}/").split("/", 2)[1]


def frames_folder(ts_recv: int) -> str:
    """``frames/date=2026-11-22/hour=06`` for a time in ns."""
    return f"{FRAMES}/{date_folder(ts_recv)}/hour={_utc(ts_recv):%H}"


def date_folder(ts_recv: int) -> str:
    """``date=2026-11-22`` for a time in ns."""
    return f"date={_utc(ts_recv):%Y-%m-%d}"


def symbol_folder(symbol: str | None) -> str:
    """``symbol=ETH_USDC``; quoted where a path needs it.

    A symbol too long for a file system (the venue could send any text) ends in its hash; the
    manifest has it whole.
    """
    if symbol is None:
        return f"symbol={_NULL}"
    quoted = quote(symbol, safe="")
    if len(quoted) > _LONGEST_NAME:
        return f"symbol={quoted[:_LONGEST_NAME]}-{sha256(symbol.encode()).hexdigest()[:16]}"
    if quoted == _NULL:
        return f"symbol=%5F{quoted[1:]}"
    return f"symbol={quoted}"


def _listed(folder: Path, ending: str, beginning: str = "") -> list[Path]:
    """What is in a folder; a glob would find nothing in one that it may not read."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    found = (name for name in names if name.startswith(beginning))
    return [folder / name for name in found if name.endswith(ending)]


def _raised(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _suffix(generation: int) -> str:
    return f".g{generation}" if generation else ""


def _utc(ts: int) -> datetime:
    return datetime.fromtimestamp(ts // 1_000_000_000, UTC)
