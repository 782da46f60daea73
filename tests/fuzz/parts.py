"""Files of the recording of format 1, whose bytes never change, to be spoiled one at a time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from tape.layout import FRAMES
from tape.manifest import FileEntry, Manifest, load
from tests.shared import ROOT

RECORDING = ROOT / "data" / "versions" / "1"
SEGMENT = "20260902T164310Z.00004"
CHOSEN = (FRAMES, "book_keyframe", "book_ticker", "depth", "gap", "kline", "session", "trade")


class Whole(NamedTuple):
    """A file of the recording: pages, then its footer."""

    entry: FileEntry
    pages: bytes
    footer: bytes


@cache
def files() -> tuple[Whole, ...]:
    """The file of each chosen table."""
    named = {entry.table: entry for entry in manifest().files}
    return tuple(_whole(named[table]) for table in CHOSEN)


@cache
def manifest() -> Manifest:
    """Of the segment they are of."""
    return load(RECORDING / "manifest" / f"{SEGMENT}.json")


def spoiled(root: Path, choice: int, offset: int, patch: bytes) -> FileEntry:
    """One of them below another root, with other bytes at an offset into its pages, which stay as
    long as they are; the manifest beside it, as if it had no other file."""
    whole = files()[choice % len(files())]
    size = len(whole.pages)
    start = offset % size
    pages = (whole.pages[:start] + patch + whole.pages[start + len(patch) :])[:size]
    path = root / whole.entry.path
    path.parent.mkdir(parents=True)
    path.write_bytes(pages + whole.footer)
    folder = root / "manifest"
    folder.mkdir()
    only = msgspec.structs.replace(manifest(), files=[whole.entry])
    (folder / f"{SEGMENT}.json").write_bytes(msgspec.json.encode(only))
    return whole.entry


def _whole(entry: FileEntry) -> Whole:
    content = (RECORDING / entry.path).read_bytes()
    cut = len(content) - entry.footer_bytes
    return Whole(entry, content[:cut], content[cut:])
