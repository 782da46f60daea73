"""Snapshots when REST will not: asked for again, ever later, never too fast; each failure on tape.

All scenes but the last run side by side, each with a venue and a recorder of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from recorder.settings import Patience
from schemas.frames import Frame, Kind
from tape.manifest import Verdict
from tests.recorder import plain
from tests.recorder.market import SNAPSHOT, SNAPSHOTS, SOL, bid, bids
from tests.recorder.runs import Run, play, running, truth
from tests.venue import (
    Fault,
    Lose,
    Send,
    Step,
    Venue,
    Wait,
    WaitRequest,
    WaitSubscribed,
)

DEPTH = "/api/v1/depth"
TOO_MANY = '{"code":"TOO_MANY_REQUESTS","message":"slow down"}'
CLOSED = '{"code":"RESOURCE_NOT_FOUND","message":"Not Found"}'
HTML = "<html><body>502 Bad Gateway</body></html>"
SECOND = 1_000_000_000
PER_SECOND = 5


class Trouble(NamedTuple):
    """What REST does at first, and what the tape has to say of it.

    statuses: of the FAILED frames in order; 0 where there was no reply at all.
    waits: seconds that must lie between one request and the next, at least.
    """

    faults: Sequence[Fault]
    statuses: Sequence[int] = ()
    waits: Sequence[float] = ()
    script: Sequence[Step] = ()
    rejects: int = 0


LIVE = (WaitSubscribed(SOL), *map(Send, bids(11, 5)))
TROUBLES: dict[str, Trouble] = {
    # The pause of REST as a whole: 1 s, 2 s, 4 s.. after "too many" and the server's own errors.
    "429": Trouble([Fault(429, TOO_MANY)] * 2, [429] * 2, [1, 2], LIVE),
    "429 with Retry-After": Trouble(
        [Fault(429, TOO_MANY, headers={"Retry-After": "3"})], [429], [3], LIVE
    ),
    "429 with a date": Trouble(
        [Fault(429, TOO_MANY, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})],
        [429],
        [1],
        LIVE,
    ),
    "500": Trouble([Fault(500, "oops")] * 2, [500] * 2, [1, 2], LIVE),
    "503": Trouble([Fault(503, "")], [503], [1], LIVE),
    # The book's own: 0.5 s, doubled.
    "dropped": Trouble([Fault(drop=True)] * 3, [0] * 3, [0.5, 1, 2], LIVE),
    "silent": Trouble([Fault(delay=6)], [0], [0.5], LIVE),
    "html": Trouble([Fault(body=HTML)] * 2, [], [0.5, 1], LIVE, rejects=2),
    "empty": Trouble([Fault(body="")], [], [0.5], LIVE, rejects=1),
    "another shape": Trouble([Fault(body='{"bids":[]}')], [], [0.5], LIVE, rejects=1),
    "inexact": Trouble(
        [Fault(body=SNAPSHOT.replace("100.7", "100.70000000001"))], [], [0.5], LIVE, rejects=1
    ),
    "no content": Trouble([Fault(204, "")], [204], [0.5], LIVE),
    # True replies of another moment.
    "stale": Trouble(
        [Fault(stale=5), Fault(stale=4)],
        waits=[0.5, 1],
        script=(WaitSubscribed(SOL), Lose(bid(11)), Lose(bid(12)), *map(Send, bids(13, 3))),
    ),
    "behind": Trouble(
        [Fault(delay=0.2)],
        script=(WaitSubscribed(SOL), Send(bid(11)), WaitRequest(DEPTH), *map(Send, bids(12, 4))),
    ),
    "ahead": Trouble(
        [],
        script=(
            *(WaitSubscribed(SOL), Send(bid(11)), Lose(bid(12)), Lose(bid(13)), WaitRequest(DEPTH)),
            *(Wait(0.2), *map(Send, bids(12, 4))),
        ),
    ),
    "all mixed": Trouble(
        [Fault(drop=True), Fault(body=HTML), Fault(500), Fault(429, TOO_MANY)],
        [0, 500, 429],
        [0.5, 1, 2, 4],
        LIVE,
        rejects=1,
    ),
}


async def suffer(trouble: Trouble, folder: Path) -> Run:
    """Record until the book is live at id 15 and the venue's own."""
    venue = Venue(trouble.script, snapshots=SNAPSHOTS)
    for fault in trouble.faults:
        venue.faults.add(DEPTH, fault)
    patience = Patience(reply=3.0)
    async with venue, running(venue, folder, SOL, patience=patience) as run:
        await run.until(lambda: run.last_id("SOL_USDC") == 15)
        assert run.sides("SOL_USDC") == truth(venue.truth.book("SOL_USDC"))
    return run


def requests(frames: list[Frame]) -> list[Frame]:
    """Requests for books, in order of time."""
    return [frame for frame in frames if frame.kind == Kind.REQUEST and DEPTH in frame.topic]


def waits(frames: list[Frame]) -> list[float]:
    """Seconds between one request and the next."""
    return [(b.ts_mono - a.ts_mono) / SECOND for a, b in pairwise(requests(frames))]


@pytest.fixture(scope="module")
def suffered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Run]]:
    """All troubles, each in a folder of its name."""
    folder, runs = tmp_path_factory.mktemp("troubles"), {}

    async def scene(name: str, trouble: Trouble) -> None:
        runs[name] = await suffer(trouble, folder / name)

    play(*(scene(name, trouble) for name, trouble in TROUBLES.items()))
    return folder, runs


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_passes(suffered: tuple[Path, dict[str, Run]], name: str) -> None:
    """The book came right; every attempt and its outcome is on tape; the pauses grew."""
    folder, runs = suffered
    trouble, run = TROUBLES[name], runs[name]
    tries = len(requests(run.frames))
    assert tries == 1 + len(trouble.waits)
    between = waits(run.frames)
    assert all(was >= least * 0.99 for was, least in zip(between, trouble.waits, strict=True))
    failures = [json.loads(text) for text in plain.payloads(folder / name, "failed")]
    assert [failure["status"] for failure in failures] == list(trouble.statuses)
    bodies = [f.body for f, s in zip(trouble.faults, trouble.statuses, strict=False) if s]
    assert [f["body"] for f in failures if f["status"]] == [body or "" for body in bodies] or (
        name == "all mixed"
    )
    assert all(failure["error"] for failure in failures if not failure["status"])
    rejects = plain.table(folder / name, "reject")
    assert [row["reason"] for row in rejects] == ["bad_reply"] * trouble.rejects
    assert len(plain.payloads(folder / name, "reply")) == 1 + tries - len(failures)
    assert plain.table(folder / name, "gap") == []
    assert plain.manifests(folder / name)[0]["verdict"] == Verdict.CERTIFIED
