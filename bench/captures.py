"""The real captures of ``../shared/real`` as frames, with their snapshots in place."""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from schemas.frames import Frame, Kind
from schemas.requests import SnapshotRequest
from tests.shared import capture_frames

REAL = Path(__file__).resolve().parents[1].parent / "shared" / "real"
SYMBOLS = ("BTC_USDC", "ETH_USDC")


class Received(NamedTuple):
    """Receive time in ns and the frame's text."""

    ts: int
    text: str


def available() -> bool:
    """Whether the captures are beside the project."""
    return REAL.is_dir()


@cache
def received(name: str) -> list[Received]:
    """All frames of a capture, those of `tests.shared.capture_frames`."""
    return [Received(*arrival) for arrival in capture_frames(name)]


def snapshot(name: str, symbol: str) -> bytes:
    """The REST depth body taken during the capture."""
    return (REAL / f"{name}.{symbol}.snapshot.json").read_bytes()


def frames(name: str) -> list[Frame]:
    """The capture as a recorder would have taken it: snapshots asked for and answered."""
    meta = {s: json.loads((REAL / f"{name}.{s}.meta.json").read_bytes()) for s in SYMBOLS}
    events = [(r.ts, Kind.DATA, "", r.text.encode()) for r in received(name)]
    for symbol in SYMBOLS:
        ts, path = meta[symbol]["snapshot_recv_ns"], SnapshotRequest(symbol, 0).path
        events.append((ts - 1, Kind.REQUEST, path, b""))
        events.append((ts, Kind.REPLY, path, snapshot(name, symbol)))
    events.sort(key=lambda event: event[0])
    return [
        Frame(seq, ts, ts, int(kind is Kind.DATA), kind, path, payload)
        for seq, (ts, kind, path, payload) in enumerate(events, 1)
    ]
