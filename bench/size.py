"""Bytes per frame on disk, against gzip of the raw lines with their receive times."""

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.captures import SYMBOLS, received, snapshot
from bench.report import line
from tests.tapes import Recording

CAPTURES = ("spot2_events_90s", "spot2")
AIM_FRAMES, AIM_ALL = 0.8, 1.3


def run() -> None:
    """Print the lines of this bench."""
    for name in CAPTURES:
        with TemporaryDirectory(prefix="bp-bench-") as folder:
            _compare(name, Path(folder) / "tape")


def _compare(name: str, data: Path) -> None:
    items = received(name)
    _record(name, data)
    frames, rows = _size(data / "frames"), _size(data / "rows")
    lines = (json.dumps({"recv_ns": r.ts, "frame": r.text}, separators=(",", ":")) for r in items)
    raw = "\n".join(lines).encode()
    peer = len(gzip.compress(raw, 6))
    count = len(items)
    print(f"-- size of {name}: {count:,} frames, {len(raw) / count:.0f} bytes each as raw lines")
    line("gzip -6 of the raw lines", f"{peer / count:.1f} bytes/frame")
    line("frames/", f"{frames / count:.1f} bytes/frame", _ratio(frames / peer, AIM_FRAMES))
    both = frames + rows
    line("frames/ and rows/", f"{both / count:.1f} bytes/frame", _ratio(both / peer, AIM_ALL))


def _record(name: str, data: Path) -> None:
    """The capture as a recording, with its own receive times."""
    items = received(name)
    recording = Recording(data)
    recording.wall = items[0].ts
    recording.begin(f"{c}.{s}" for c in ("depth", "trade", "bookTicker") for s in SYMBOLS)
    recording.connect()
    for index, item in enumerate(items):
        recording.pass_(max(item.ts - recording.wall, 0))
        recording.data(item.text)
        if index == 100:
            for symbol in SYMBOLS:
                recording.snapshot(symbol, snapshot(name, symbol).decode())
    recording.stop()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def _ratio(ratio: float, aim: float) -> str:
    return f"{ratio:.2f} of gzip (aim: below {aim})"
