"""All that a recording holds, for comparing it before and after it was worked on."""

from itertools import chain
from typing import Any

import polars as pl

from schemas.frames import Frame
from schemas.rows import Row
from tape.layout import SegmentName, Tape
from tape.reader import read_frames, read_rows, segments
from tests.tape.dumb import DAY, START, DumbRecorder, sealed

Rows = dict[tuple[str, str | None], list[Row]]


def contents(tape: Tape, generation: int | None = None) -> dict[SegmentName, Rows]:
    """Rows of each segment by table and symbol, as our reader gives them."""
    found: dict[SegmentName, Rows] = {}
    for manifest in segments(tape, merge=True, generation=generation):
        rows = found[manifest.name] = {}
        for entry in sorted(manifest.files, key=lambda entry: entry.first_seq):
            if entry.table != "frames":
                lines = list(chain.from_iterable(read_rows(tape, entry)))
                assert len(lines) == entry.rows
                rows.setdefault((entry.table, entry.symbol), []).extend(lines)
    return found


def frames_of(tape: Tape) -> dict[SegmentName, list[Frame]]:
    """Frames of each segment."""
    return {m.name: list(read_frames(tape, m)) for m in segments(tape, merge=True)}


def seen_by_others(tape: Tape) -> dict[str, Any]:
    """What Polars sees of each table below rows/: lines by day, symbol and frame."""
    key = ["date", "symbol", "seq"]
    return {
        table.name: pl.read_parquet(table / "**/*.parquet", hive_partitioning=True)
        .select(key)
        .sort(key)
        .rows()
        for table in sorted((tape.root / "rows").iterdir())
    }


def files_of(tape: Tape) -> set[str]:
    """All files but the locks."""
    files = (path for path in tape.root.rglob("*") if path.is_file())
    names = {path.relative_to(tape.root).as_posix() for path in files}
    return names - {".lock", ".upkeep"}


def hourly(tape: Tape, hours: int = 4) -> DumbRecorder:
    """A certified segment for each hour, from 22:00 of the first day on; one is over midnight."""
    recorder = DumbRecorder(tape, ts=START // DAY * DAY + 22 * DAY // 24)
    for hour in range(hours):
        if hour:
            recorder.roll()
        recorder.say(("ETH_USDC", hour, 1), ("ETH_USDC", hour + 1, 1), (None, 1, -1))
        recorder.say(("SOL_USDC", hour, 2), (f"ONLY_{hour}", 3, 3))
        recorder.ts += DAY // 24 + 60_000_000_000 * 7 * (hour == 1)
        recorder.say(("ETH_USDC", hour, 4))
    recorder.stop()
    for journal in tape.journals():
        sealed(tape, SegmentName.of(journal))
    return recorder
