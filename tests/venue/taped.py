"""A feed made from a recording, read with plain pyarrow: the far end borrows nothing of ours."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pyarrow import parquet

from tests.venue.feed import Feed, TimedFrame

_COLUMNS = ["seq", "ts_recv", "kind", "topic", "payload"]


def load_tape(root: Path) -> Feed:
    """The data frames of a recording, its first snapshot of each market, its market list."""
    lines: list[dict[str, Any]] = []
    for path in root.glob("frames/*/*/*.parquet"):
        lines += parquet.ParquetFile(path).read(columns=_COLUMNS).to_pylist()
    lines.sort(key=lambda line: line["seq"])
    frames = [
        TimedFrame(line["ts_recv"].value, line["payload"].decode())
        for line in lines
        if line["kind"] == "data"
    ]
    snapshots: dict[str, str] = {}
    markets: str | None = None
    for line in lines:
        if line["kind"] == "reply":
            path = urlsplit(line["topic"])
            body = line["payload"].decode()
            if path.path.endswith("/depth"):
                snapshots.setdefault(parse_qs(path.query)["symbol"][0], body)
            elif path.path.endswith("/markets"):
                markets = body
    return Feed(frames, snapshots, markets)
