"""What pruning must leave, worked out from the JSON of manifests alone: tuples, sums, a loop."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tape.layout import SegmentName, Tape
from tests.tape.dumb import HOUR, NAME, DumbRecorder, sealed

DOUBTS = ("gap", "audit", "clock")

Say = tuple[int, bool]  # levels of a segment, and whether its recorder stopped in order


class Model(NamedTuple):
    """What stays: names of segments, and all Parquet files; and who is spared."""

    segments: list[str]
    files: set[str]
    spared: list[str]


def recorded(tape: Tape, segments: Sequence[Say]) -> None:
    """A segment an hour. Each that was cut off ends its session."""
    recorder: DumbRecorder | None = None
    for number, (levels, certified) in enumerate(segments):
        if recorder is None:
            session = f"20261122T07{number:02d}00Z"
            start = NAME._replace(session=session)
            recorder = DumbRecorder(tape, start, 1_795_330_800_000_000_000 + number * HOUR)
        else:
            recorder.ts = 1_795_330_800_000_000_000 + number * HOUR
            recorder.roll()
        for level in range(levels):
            recorder.say(("ETH_USDC", level, 1), (f"ONLY_{number}", level, 2), (None, 1, -1))
        if not certified:
            recorder.cut()
            recorder = None
    if recorder is not None:
        recorder.stop()
    for journal in tape.journals():
        sealed(tape, SegmentName.of(journal))


def plain(root: Path) -> list[dict[str, Any]]:
    """All manifests."""
    return [json.loads(path.read_text()) for path in sorted(root.glob("manifest/*.json"))]


def parquet(root: Path) -> set[str]:
    """All Parquet files there are."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*.parquet")}


def expected(
    root: Path, what: str, oldest: int | None, size: int | None, force: bool = False
) -> Model:
    """oldest: last times before it are too old. size: bytes of all files that may stay."""
    named: dict[str, set[str]] = {}  # by segment
    last: dict[str, tuple[int, str]] = {}
    verdicts: dict[str, str] = {}
    tables: dict[str, str] = {}
    for manifest in plain(root):
        name = f"{manifest['session']}.{manifest['number']:05d}"
        last[name], verdicts[name] = (manifest["last_ts"], name), manifest["verdict"]
        for entry in manifest["files"]:
            named.setdefault(name, set()).add(entry["path"])
            tables[entry["path"]] = entry["table"]
    goes = {
        path
        for path, table in tables.items()
        if what == "all"
        or (what == "frames" and table == "frames")
        or (what == "rows" and table not in ("frames", *DOUBTS))
    }
    released: list[str] = []
    spared: list[str] = []

    def left() -> set[str]:
        held = {p for name, paths in named.items() if name not in released for p in paths}
        return {path for path in parquet(root) if path in held or path not in goes}

    for name in sorted(last, key=lambda name: last[name])[:-1]:
        total = sum((root / path).stat().st_size for path in left())
        if not (oldest is not None and last[name][0] < oldest) and (size is None or total <= size):
            break
        if what != "all" and not named[name] & goes & parquet(root):
            continue
        if verdicts[name] != "certified" and not force:
            spared.append(name)
        else:
            released.append(name)
    stay = [name for name in sorted(last) if what != "all" or name not in released]
    return Model(stay, left(), spared)
