"""What a recording says of a load, counted the dumb way from its frames and rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from schemas.frames import Frame, Kind
from schemas.rows import Gap, Row

# Lowest levels that cost a stream its rows, and its frames, by what its name begins with.
ROWS = {
    **dict.fromkeys(("ticker", "externalTicker", "kline", "markPrice", "openInterest"), 1),
    **dict.fromkeys(("stockPrice", "stockIndicativeQuote", "depth.200ms"), 1),
    "bookTicker": 2,
    **dict.fromkeys(("depth", "trade", "liquidation"), 3),
}


class Sums(NamedTuple):
    """Messages by stream: those on the tape, copies of those on other connections, those at whose
    level no rows are made, and what gap rows say of lost and skipped ones."""

    taken: Counter[str]
    copies: Counter[str]
    skipped: Counter[str]
    load_frames: Counter[str]
    load_rows: Counter[str]


def sums(frames: Iterable[Frame], rows: Iterable[Row]) -> Sums:
    """Of a recording that has ended."""
    taken: Counter[str] = Counter()
    copies: Counter[str] = Counter()
    names: dict[int, str] = {}
    skipped: Counter[str] = Counter()
    level = 0
    for frame in frames:
        if frame.kind is Kind.LOAD:
            level = json.loads(frame.payload)["level"]
        elif frame.kind is Kind.DATA:
            name = json.loads(frame.payload)["stream"]
            taken[name] += 1
            names[frame.seq] = name
            if level >= needed(name):
                skipped[name] += 1
        elif frame.kind is Kind.COPIES:
            copies.update(names[seq] for seq in json.loads(frame.payload)["seq"])
    told: dict[str, Counter[str]] = {"load_frames": Counter(), "load_rows": Counter()}
    for row in rows:
        if isinstance(row, Gap) and row.cause in told:
            assert row.state == "resumed"
            told[row.cause][row.topic or ""] += row.missing or 0
    return Sums(taken, copies, skipped, **told)


def needed(name: str) -> int:
    """The level that costs a stream its rows; three more cost its frames."""
    found = [level for begin, level in ROWS.items() if name.startswith(f"{begin}.")]
    return min(found, default=100)
