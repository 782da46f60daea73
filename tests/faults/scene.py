"""One recording of a venue that suffers a script of faults, and what is left of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from market.engine import Engine
from recorder.recorder import Recorder
from recorder.settings import Settings
from tape.layout import Tape
from tape.seal import seal
from tests.faults.leap import LeapLoop, leap
from tests.faults.moves import Back, Pass, Pause
from tests.faults.stage import Stage
from tests.faults.table import FAULTS
from tests.faults.watch import Watch
from tests.recorder.runs import Run
from tests.simulate import Plan, simulate
from tests.venue import Do, Feed, Venue, of_session
from tests.venue.link import Cue

SOL, BTC = MARKETS = ("SOL_USDC", "BTC_USDC_PERP")
TOPICS = (
    *("depth.SOL_USDC", "depth.200ms.SOL_USDC", "depth.BTC_USDC_PERP"),
    *("trade.SOL_USDC", "trade.BTC_USDC_PERP"),
    *("bookTicker.SOL_USDC", "bookTicker.BTC_USDC_PERP"),
)
PRELUDE = (Back(), Pass(20), Pause(5.0), Pass(20))  # everything is live
LONGEST_S = 900  # until everything is live again, by a clock that leaps


class Hit(NamedTuple):
    """A fault of the table about one market, after so many frames of the feed."""

    after: int
    fault: str
    market: str = SOL


Script = Sequence[Hit]


@dataclass(frozen=True)
class Evidence:
    """What a scene leaves.

    venue, stage: the far end with its logs and its truth.
    run: the recorder's frames and rows as they were made live.
    watch: what was wrong with the books while it ran.
    tape: the recording, sealed.
    """

    venue: Venue
    stage: Stage
    run: Run
    watch: Watch
    tape: Tape


def record(script: Script, folder: Path, audit_every: float | None = None) -> Evidence:
    """Play a script to a recorder, over sockets and onto a disk."""
    evidence = leap(_scene(script, folder, audit_every))
    for journal in evidence.tape.journals():
        seal(journal, evidence.tape, Engine())
    return evidence


async def _scene(script: Script, folder: Path, audit_every: float | None) -> Evidence:
    feed, cues = _feed()
    stages: list[Stage] = []

    async def act(venue: Venue) -> None:
        stages.append(Stage(venue, cues, TOPICS))
        await stages[0].play(PRELUDE, SOL)
        for hit in script:
            await stages[0].go_on(hit.after)
            await stages[0].play(FAULTS[hit.fault], hit.market)
        stages[0].settle()

    venue = Venue.of_feed(feed, [Do(act)])
    async with venue:
        urls = venue.ws_url, venue.rest_url
        run = Run(Settings(TOPICS, folder, *urls, audit_every=audit_every))
        run.recorder.sealer = None  # sealed here, which saves a process
        _wait_for_disk(run.recorder)
        watch = Watch(run.recorder.intake.engine, venue)
        run.recorder.intake.listeners.append(watch.see)
        try:
            await asyncio.sleep(0)
            watch.stage = stages[0]
            await venue.finished()
            await _come_right(run, stages[0])
        finally:
            await run.finish()
    return Evidence(venue, stages[0], run, watch, Tape(folder))


def _wait_for_disk(recorder: Recorder) -> None:
    """Time does not leap while something is written."""
    store, space = recorder.store, recorder.space
    assert space is not None
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LeapLoop)
    loop.wait_for(lambda: store.waiting + space.worker.waiting)


async def _come_right(run: Run, stage: Stage) -> None:
    """Frames go on, a few a second, until every stream has said something, so that what it misses
    shows, and every book is live and the venue's own."""
    wanted = [market for market in MARKETS if market not in stage.delisted]
    depths = [t for t in TOPICS if t.startswith("depth.") and t.rpartition(".")[2] in wanted]
    for _ in range(LONGEST_S):
        await stage.go_on(8 if stage.silent else 2)
        await asyncio.sleep(1.0)
        ids = [(run.last_id(market), stage.truth.now(market)) for market in wanted]
        right = run.is_live(*depths) and all(ours == true for ours, true in ids)
        if right and not stage.silent:
            return
    raise AssertionError(f"not right after {LONGEST_S} s: {ids}")


@cache
def _feed() -> tuple[Feed, list[Cue]]:
    """Two markets, and the frames of the topics that are recorded."""
    feed = of_session(simulate(Plan(seed=31, seconds=60)))
    return feed, [cue for cue in feed.cues if cue.topic in TOPICS]
