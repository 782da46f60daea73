"""Files shared between projects, beside the repository; tests that need them skip without them."""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
# As captured; and cut up so that each frame holds one id, as Backpack sends them.
WHOLE, SPLIT = CAPTURES = ("spot2", "spot2_events_90s")

needs_shared = pytest.mark.skipif(
    not (SHARED / "samples").is_dir() or not (SHARED / "real").is_dir(),
    reason=f"the sample frames and real captures are not in ../{SHARED.name}",
)


class Arrival(NamedTuple):
    """A frame of a real capture."""

    recv_ns: int
    text: str


class Shot(NamedTuple):
    """A REST snapshot that belongs to a real capture: when its reply arrived, and its text."""

    symbol: str
    recv_ns: int
    body: str


def sample_texts(name: str) -> list[str]:
    """The frames of ``samples/<name>.jsonl``, one text each, byte for byte."""
    return (SHARED / "samples" / f"{name}.jsonl").read_text("utf-8").splitlines()


@cache
def capture_frames(name: str) -> tuple[Arrival, ...]:
    """The frames of a real capture in order of arrival.

    Whoever cut up the one could not know which level changed at which id, so that its books are
    those of the venue only where a frame of the other ends: bookTickers of other ids are left out.
    """
    frames = _frames(name)
    if name != SPLIT:
        return frames
    ends = {_id(frame) for frame in _frames(WHOLE) if _is(frame, "depth")}
    return tuple(frame for frame in frames if not _is(frame, "bookTicker") or _id(frame) in ends)


def _is(arrival: Arrival, channel: str) -> bool:
    return f'"stream":"{channel}.' in arrival.text


def _id(arrival: Arrival) -> tuple[str, int]:
    """Market and newest update id."""
    data = json.loads(arrival.text)["data"]
    return data["s"], data["u"]


@cache
def _frames(name: str) -> tuple[Arrival, ...]:
    with gzip.open(SHARED / "real" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return tuple(Arrival(record["recv_ns"], record["frame"]) for record in map(_object, lines))


def capture_shots(name: str) -> list[Shot]:
    """The snapshots of a real capture, earliest first."""
    return sorted(_shots(name), key=lambda shot: shot.recv_ns)


def _shots(name: str) -> Iterator[Shot]:
    for path in (SHARED / "real").glob(f"{name}.*.meta.json"):
        meta = _object(path.read_text("utf-8"))
        symbol = meta["symbol"]
        body = path.with_name(f"{name}.{symbol}.snapshot.json").read_text("utf-8")
        yield Shot(symbol, meta["snapshot_recv_ns"], body)


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    assert isinstance(value, dict)
    return value
