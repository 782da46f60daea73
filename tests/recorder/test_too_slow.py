"""A recorder that is too slow for what a venue sends, over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recorder.child import run_child
from recorder.settings import Patience
from recorder.summary import exit_code
from replay.certificate import Outcome as Certified
from replay.certify import certify
from schemas.frames import Frame, Kind
from schemas.rows import Row
from schemas.shedding import Level
from tape.manifest import Verdict
from tape.reader import read_frames, segments
from tests.recorder.commands import venue
from tests.recorder.runs import Run, running
from tests.recorder.shed import sums
from tests.tape.contents import contents

SOAK = bool(os.environ.get("SOAK"))
LOSSES = 3
FRAMES = 350_000 if SOAK else 9_000
SPEED = "45"  # 6,000 messages a second
SLEEP_S = 0.0008  # of who listens, for each: less than 1,200
CONNECTIONS = (1, 2) if SOAK else (2,)
ROLL_S = 3.0
AT_ONCE = Patience(stagger=0.01)


class Outcome(NamedTuple):
    """What was sent, by stream, and what came of it."""

    run: Run
    connections: int
    sent: Counter[str]
    books: list[str]


@pytest.fixture(scope="module", params=CONNECTIONS)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One such recording, which ends once it has recovered by itself."""
    return asyncio.run(_record(tmp_path_factory.mktemp("slow") / "tape", request.param))


async def _record(data: Path, connections: int) -> Outcome:
    """The venue is a process of its own, as it would be as slow otherwise."""
    feed = ("--feed", "sim:7", "--seconds", "30", "--speed", SPEED, "--repeat", "0")
    with ExitStack() as stack:
        arguments = (*feed, "--expect", "all", "--frames", str(FRAMES))
        far_end = await asyncio.to_thread(lambda: stack.enter_context(venue(*arguments)))
        books = [name for name in far_end.topics if name.startswith("depth.")]
        more: dict[str, Any] = {"connections": connections, "roll": ROLL_S, "patience": AT_ONCE}
        more["sealing"] = run_child  # or that makes it slow too
        async with running(far_end, data, *far_end.topics, **more) as run:
            run.recorder.intake.listeners.append(_slow)
            report = await asyncio.to_thread(far_end.played)
            await run.until(lambda: run.recorder.intake.shedding.level is Level.ALL)
            await run.until(lambda: run.is_live(*books))
        return Outcome(run, connections, Counter(report["topics"]), books)


def _slow(frame: Frame, rows: list[Row]) -> None:
    """Holds up the only thread there is; costs no processor that others need."""
    del rows
    if frame.kind is Kind.DATA:
        time.sleep(SLEEP_S)


def test_it_sheds_down_to_what_it_can_take(outcome: Outcome) -> None:
    """In both ways, and level by level."""
    turns = outcome.run.kinds(Kind.LOAD)
    assert len(turns) >= 2 * Level.NO_TICKERS
    recorder = outcome.run.recorder
    assert recorder.load_alarm.skipped
    assert recorder.load_alarm.lost
    assert recorder.load_alarm.alarm == ""
    assert outcome.run.said("this machine does not keep up")
    assert outcome.run.said("this machine keeps up again")


def test_each_message_is_on_the_tape_or_counted(outcome: Outcome) -> None:
    """By stream: what the venue says it has sent, what lies on the tape, what gap rows say."""
    tape = outcome.run.recorder.tape
    assert tape is not None
    frames = [frame for manifest in segments(tape) for frame in read_frames(tape, manifest)]
    rows = [row for by in contents(tape).values() for table in by.values() for row in table]
    found = sums(frames, rows)
    assert found.taken + found.copies + found.load_frames == outcome.sent
    assert bool(found.copies) == (outcome.connections > 1)
    assert found.load_rows == found.skipped
    assert found.load_frames.total() == outcome.run.recorder.load_alarm.lost


def test_the_venue_never_hung_up(outcome: Outcome) -> None:
    """The sockets were read all the time."""
    assert len(outcome.run.kinds(Kind.OPEN)) == outcome.connections
    assert all(json.loads(f.payload)["stopped"] for f in outcome.run.kinds(Kind.CLOSE))


def test_it_is_certified_with_losses(outcome: Outcome) -> None:
    """And what was live is what replay sees."""
    recorder = outcome.run.recorder
    assert recorder.tape is not None
    assert recorder.sealer is not None
    assert recorder.sealer.sealed.totals.keys() == {Verdict.CERTIFIED}
    assert len(recorder.sealer.sealed.newest) > 1
    assert certify(recorder.tape).outcome is Certified.CERTIFIED
    assert exit_code(recorder) == LOSSES
