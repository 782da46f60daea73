"""Live books are compared with fresh snapshots; what differs is said loudly and made anew."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from recorder.audits import Audits
from recorder.interval import Interval
from recorder.summary import exit_code
from schemas.frames import Kind
from tape.layout import Tape
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.market import SNAPSHOT, SNAPSHOTS, SOL, bid, bids
from tests.recorder.runs import Run, running, truth
from tests.venue import Fault, Send, Venue, WaitRequest, WaitSubscribed

LOSSES = 3
DEPTH = "/api/v1/depth"
SCRIPT = [WaitSubscribed(SOL), Send(bid(11)), WaitRequest(DEPTH), *map(Send, bids(12, 5))]


def audits(run: Run) -> list[tuple[str, str, int]]:
    """Topic, source and levels that differ."""
    return [(row.topic, row.source, row.levels) for row in run.table("audit")]  # type: ignore[attr-defined]


def check_certified(data: Path) -> None:
    """Replay makes the same of it."""
    assert {m["verdict"] for m in plain.manifests(data)} == {"certified"}
    assert verify(Tape(data)) == []


def test_a_live_book_is_audited_again_and_again(tmp_path: Path) -> None:
    """Which costs it nothing when it is right."""

    async def scene() -> Run:
        far_end = Venue(SCRIPT, snapshots=SNAPSHOTS)
        async with far_end, running(far_end, tmp_path, SOL, audit_every=0.2) as run:
            await run.until(lambda: len(audits(run)) >= 3)
            assert run.sides("SOL_USDC") == truth(far_end.truth.book("SOL_USDC"))
        return run

    run = asyncio.run(scene())
    assert set(audits(run)) == {(SOL, "rest", 0)}
    assert not run.recorder.tally.mismatches
    assert exit_code(run.recorder) == 0
    check_certified(tmp_path)


def test_a_book_that_is_not_the_venues_is_said_and_made_anew(tmp_path: Path) -> None:
    """A snapshot that differs, for once: who is right nobody knows, so the book starts over."""
    other = json.loads(SNAPSHOT)
    other["bids"][0][1], other["lastUpdateId"] = "999", "16"
    other["bids"] += [[f"90.{number}", f"{number}.00"] for number in range(11, 17)]

    async def scene() -> Run:
        far_end = Venue(SCRIPT, snapshots=SNAPSHOTS)
        async with far_end, running(far_end, tmp_path, SOL, audit_every=0.5) as run:
            await run.until(lambda: run.is_live(SOL) and run.last_id("SOL_USDC") == 16)
            far_end.faults.add(DEPTH, Fault(body=json.dumps(other)))
            await run.until(lambda: any(levels for _, _, levels in audits(run)))
            await run.until(lambda: run.is_live(SOL))
            assert run.sides("SOL_USDC") == truth(far_end.truth.book("SOL_USDC"))
        return run

    run = asyncio.run(scene())
    assert [levels for _, _, levels in audits(run) if levels] == [1]
    assert run.recorder.tally.mismatches == {SOL: 1}
    assert run.said(f"AUDIT: the book of {SOL} is not the venue's (rest) at id 16: 1 levels differ")
    assert run.said("3 at 100.5, - here, 999 at 100.5, - there")
    assert exit_code(run.recorder) == LOSSES
    assert [(row["cause"], row["topic"]) for row in plain.holes(tmp_path)] == [("audit", SOL)]
    check_certified(tmp_path)


def test_books_that_are_not_live_are_not_audited(tmp_path: Path) -> None:
    """They are asked for as it is."""

    async def scene() -> Run:
        far_end = Venue([WaitSubscribed(SOL)], snapshots=SNAPSHOTS)
        far_end.faults.add(DEPTH, Fault(404, "gone"), times=50)
        async with far_end, running(far_end, tmp_path, SOL, audit_every=0.05) as run:
            await run.until(lambda: bool(run.kinds(Kind.FAILED)))
            await asyncio.sleep(1.0)
            assert len(run.kinds(Kind.REQUEST)) == 2  # of the market list and of the book
        return run

    assert audits(asyncio.run(scene())) == []


def test_audits_that_would_be_too_many_are_stretched() -> None:
    """Half of what the venue likes is theirs; streams of one market share a request."""
    said: list[str] = []
    topics = [f"depth.M{number}_USDC" for number in range(200)]
    Audits(lambda: [*topics, "depth.200ms.M1_USDC", "trade.M1_USDC"], Interval(10.0), said.append)
    assert said == ["audits: 200 books take 80s at 2.5 requests/s, so each comes that often"]
    Audits(lambda: topics, Interval(80.0), said.append)
    assert len(said) == 1
