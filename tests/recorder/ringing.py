"""A recorder with a ring, whose time a script can make leap."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from market.engine import Engine
from recorder.dumps import Dump
from recorder.stamp import Stamp, now
from schemas.frames import Frame, Kind
from schemas.rows import Row
from tape.layout import Tape
from tape.manifest import Manifest, Verdict
from tape.reader import read_frames, segments
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.market import SNAPSHOTS, SOL, TRADES, bid
from tests.recorder.runs import Run, running
from tests.recorder.stage import Stage
from tests.venue import Do, Send, Step, Venue, WaitRequest, WaitSubscribed

DEPTH = "/api/v1/depth"
SECOND = 10**9

# A book that is live at id 12, and a stream of trades.
LIVE: tuple[Step, ...] = (
    *(WaitSubscribed(TRADES), WaitSubscribed(SOL), Send(bid(11)), WaitRequest(DEPTH)),
    Send(bid(12)),
)


class Leaps:
    """Clocks that stand still but for leaps, however busy the machine is."""

    def __init__(self) -> None:
        self.ahead = 0
        self._begun = now()

    def __call__(self) -> Stamp:
        return Stamp(self._begun.ts_recv + self.ahead, self._begun.ts_mono + self.ahead)


class Ringing(Stage):
    """Plays a script to a recorder with a ring.

    dumps: those that steps have asked for. waiting: for those that come later, perhaps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Leaps()
        self.dumps: list[Dump] = []
        self.waiting: list[asyncio.Task[Dump]] = []

    def passes(self, seconds: int, leaps: int = 1) -> Do:
        """So much time goes by, in so many leaps, after each of which a segment is rolled."""

        async def leap(_: Venue) -> None:
            for _leap in range(leaps):
                begun = self.begun
                self.clock.ahead += seconds * SECOND // leaps
                await self._until(begun + 1)

        return Do(leap)

    def leaps(self, seconds: float) -> Do:
        """So much time goes by at once."""

        def leap(_: Venue) -> None:
            self.clock.ahead += int(seconds * SECOND)

        return Do(leap)

    def dumped(self, why: str) -> Do:
        """Ask for a dump, and wait until it is written."""

        async def dump(_: Venue) -> None:
            assert self.run is not None
            self.clock.ahead += SECOND  # a segment is not as short as a script
            self.dumps.append(await self.run.recorder.dump(why))

        return Do(dump)

    def asked(self, why: str) -> Do:
        """The same; the script goes on meanwhile."""

        async def ask(_: Venue) -> None:
            assert self.run is not None
            self.waiting.append(asyncio.create_task(self.run.recorder.dump(why)))
            await asyncio.sleep(0)

        return Do(ask)

    @property
    def begun(self) -> int:
        """Segments that have begun."""
        return 0 if self.run is None else len(self.run.kinds(Kind.SEGMENT))

    async def _until(self, count: int) -> None:
        while self.begun < count:
            await asyncio.sleep(0.005)

    async def record(self, script: Sequence[Step], data: Path, **settings: Any) -> Run:
        """Record a script to its end, then stop."""
        far_end = Venue([*LIVE, *script], snapshots=SNAPSHOTS)
        settings = {"ring": 1.0, "ring_after": 0.0, **settings}
        topics = (SOL, TRADES)
        async with far_end, running(far_end, data, *topics, clock=self.clock, **settings) as run:
            self.run = run
            playing = asyncio.create_task(far_end.finished())
            await run.until(playing.done)
            playing.result()
        self.dumps += [await asked for asked in self.waiting]
        return run


def check_dumped(run: Run, data: Path) -> list[Manifest]:
    """All that was written is certified, and makes the frames and rows that it made live; nobody
    misses what was not written."""
    found = segments(Tape(data))
    assert {m.verdict for m in found} == {Verdict.CERTIFIED}
    assert {m.ring for m in found} == {int(run.recorder.settings.ring or 0) * SECOND}
    for manifest in found:
        frames, rows = alone(data, manifest)
        span = range(manifest.first_seq, manifest.last_seq + 1)
        assert frames == [frame for frame in run.frames if frame.seq in span]
        assert rows == [row for row in run.rows if row.seq in span]
    assert plain.journals(data) == []
    assert verify(Tape(data)) == []
    return found


def alone(data: Path, manifest: Manifest) -> tuple[list[Frame], list[Row]]:
    """What one segment has, and makes in an engine that has seen nothing before."""
    engine, frames = Engine(), list(read_frames(Tape(data), manifest))
    return frames, [row for frame in frames for row in engine.feed(frame)]
