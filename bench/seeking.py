"""How long a seek takes in a long recording, and the book of the busiest market from there."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import NamedTuple

from bench.report import line
from bench.served import Served
from schemas.requests import DEPTH_PATH
from tape.layout import Tape
from tape.manifest import Manifest
from tape.moment import stamp
from tape.reader import segments

POSITIONS = 30
AIM_MS = 200


class Seek(NamedTuple):
    """Seconds from a command to its answer, and from there to the reply with the book."""

    seek: float
    depth: float

    @property
    def both(self) -> float:
        """Until the book is there."""
        return self.seek + self.depth


def run(data: Path) -> None:
    """Print the lines of this part. The files are in the system's cache, as they were just made. A
    new server has none of its own filled, which is why each position gets one, at first."""
    parts = segments(Tape(data))
    market, positions = _busiest(parts), _positions(parts)
    print(f"-- seek to {POSITIONS} random times of {sum(p.frames for p in parts):,} frames,")
    print(f"   then GET depth of {market}; aim: {AIM_MS} ms together")
    _report("each in a new server", [_fresh(data, ts, market) for ts in positions])
    with Served(data, ahead=True) as server:
        _report("all in the same", [_seek(server, ts, market) for ts in positions])


def _fresh(data: Path, ts: int, market: str) -> Seek:
    with Served(data, ahead=True) as server:
        return _seek(server, ts, market)


def _seek(server: Served, ts: int, market: str) -> Seek:
    started = perf_counter()
    server.command(command="seek", to=stamp(ts))
    moved = perf_counter()
    book = server.get(f"{DEPTH_PATH}?symbol={market}&limit=1000")
    ended = perf_counter()
    assert len(book["bids"]) > 100 < len(book["asks"]), "a whole book"
    return Seek(moved - started, ended - moved)


def _report(what: str, seeks: Sequence[Seek]) -> None:
    both = _median_and_worst(seek.both for seek in seeks)
    parts = (_median_and_worst(part) for part in zip(*seeks, strict=True))
    line(f"{what}: median and worst", both, "seek {}; depth {}".format(*parts))


def _median_and_worst(seconds: Iterable[float]) -> str:
    taken = [1e3 * value for value in seconds]
    return f"{median(taken):.0f} and {max(taken):.0f} ms"


def _positions(parts: Sequence[Manifest]) -> list[int]:
    """Times with frames after them, the same each run."""
    chance = Random(7)
    chosen = chance.choices(parts, [part.frames for part in parts], k=POSITIONS)
    return [chance.randrange(part.first_ts, part.last_ts) for part in chosen]


def _busiest(parts: Sequence[Manifest]) -> str:
    """The market with most depth frames."""
    depth = {
        topic: sum(part.topics.get(topic, 0) for part in parts)
        for topic in {topic for part in parts for topic in part.topics}
        if topic.startswith("depth.")
    }
    return max(depth, key=depth.__getitem__).removeprefix("depth.")
