"""Reads a recording as a stranger would, with open tools and none of the project's code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from tests.recorder.market import Sides

MESSAGES = ("data", "binary")  # the kinds of frame that came over the websocket
_FRAME = ("seq", "ts_recv", "ts_mono", "conn", "kind", "topic", "payload")
_SEAL_MAGIC, _SEAL_BYTES = b"\x50\x2a\x4d\x18", 24  # a skippable frame before each batch
_LEVEL = ("seq", "action", "side", "price", "qty")


def manifests(root: Path) -> list[dict[str, Any]]:
    """All manifests in order of their names, which is the order of recording."""
    paths = sorted((root / "manifest").glob("*.json"))
    return [json.loads(path.read_text()) for path in paths]


def frames(root: Path, *kinds: str, session: str = "") -> list[dict[str, Any]]:
    """Frames of some kinds in order of arrival; of one session, where there are several."""
    return _lines(root, f"frames/**/{session}*.parquet", _FRAME, kinds)


def payloads(root: Path, *kinds: str) -> list[bytes]:
    """Payloads of frames of some kinds, by default of all websocket messages."""
    return [
        line["payload"] for line in _lines(root, "frames/**/*.parquet", _FRAME, kinds or MESSAGES)
    ]


def table(root: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a table in the order they were made."""
    return _lines(root, f"rows/{name}/**/*.parquet")


def holes(root: Path) -> list[dict[str, Any]]:
    """Gaps of single streams, each once, as it showed: not as it ended."""
    known, found = set(), []
    for row in table(root, "gap"):
        name = (row["topic"], row["since_seq"])
        if row["topic"] is not None and not (name in known and row["ts_until"] is not None):
            found.append(row)
            known.add(name)
    return found


def outages(root: Path) -> list[tuple[str, str]]:
    """Cause and state of the gaps of all streams at once, in order."""
    rows = table(root, "gap")
    return [(row["cause"], row["state"]) for row in rows if row["topic"] is None]


def book_of_rows(root: Path, symbol: str) -> Sides:
    """The last book of a market from the depth table alone, as its documentation says.

    The end of the connection clears it; this is the book that stood before.
    """
    book: dict[str, dict[Decimal, Decimal]] = {"bid": {}, "ask": {}}
    before = book
    for row in _lines(root, f"rows/depth/*/symbol={symbol}/*.parquet", _LEVEL):
        if row["action"] == "clear":
            book, before = {"bid": {}, "ask": {}}, book
        elif row["side"] is not None and row["qty"]:
            book[row["side"]][row["price"]] = row["qty"]
        elif row["side"] is not None:
            book[row["side"]].pop(row["price"], None)
    last = book if book["bid"] or book["ask"] else before
    return last["bid"], last["ask"]


def fingerprints(root: Path) -> dict[str, str]:
    """sha256 of every file of a recording but its lock, by path."""
    return {
        path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def journal(path: Path) -> tuple[list[list[Any]], int]:
    """Frames of a journal as arrays, as far as it is whole; and the bytes behind that."""
    content, found = path.read_bytes(), []
    while content:
        batch = zstandard.ZstdDecompressor().decompressobj()
        sealed = content.startswith(_SEAL_MAGIC)
        packed = batch.decompress(content[_SEAL_BYTES if sealed else 0 :])
        if not batch.eof:
            break
        found += msgspec.msgpack.decode(packed)
        content = batch.unused_data
    return found, len(content)


def journals(root: Path) -> list[str]:
    """What is left in the journal's folder."""
    return sorted(path.name for path in (root / "journal").iterdir())


def _lines(
    root: Path, pattern: str, columns: Sequence[str] | None = None, kinds: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Lines of all these files, public and of an account; those of one frame keep their order."""
    paths = [*sorted(root.glob(pattern)), *sorted(root.glob(f"account/{pattern}"))]
    if not paths:
        return []
    names = None if columns is None else list(columns)
    parts = [pq.read_table(path, columns=names, partitioning=None) for path in paths]
    table = pa.concat_tables(parts)
    if kinds:
        table = table.filter(pc.is_in(table["kind"], pa.array(kinds)))
    found: list[dict[str, Any]] = table.to_pylist()
    return sorted(found, key=lambda line: line["seq"])
