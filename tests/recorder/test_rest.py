"""Snapshots when REST will not: asked for again, ever later, never too fast; each failure on tape.

All scenes but the last run side by side, each with a venue and a recorder of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recorder.settings import Patience
from schemas.frames import Frame, Kind
from tape.manifest import Verdict
from tests.recorder import plain
from tests.recorder.market import SNAPSHOT, SNAPSHOTS, SOL, bid, bids, depth
from tests.recorder.runs import Played, Run, Scene, play, running, truth
from tests.venue import Cut, Fault, Lose, Send, Step, Venue, Wait, WaitRequest, WaitSubscribed

DEPTH = "/api/v1/depth"
TOO_MANY = '{"code":"TOO_MANY_REQUESTS","message":"slow down"}'
CLOSED = '{"code":"RESOURCE_NOT_FOUND","message":"Not Found"}'
HTML = "<html><body>502 Bad Gateway</body></html>"
SECOND = 1_000_000_000
PER_SECOND = 5


class Trouble(NamedTuple):
    """What REST does at first, and what the tape has to say of it.

    failed: status and body of the FAILED frames in order; 0 where there was no reply at all.
    waits: seconds that must lie between one request and the next, at least.
    rejects: replies that are no book.
    """

    faults: Sequence[Fault]
    failed: Sequence[tuple[int, str]] = ()
    waits: Sequence[float] = ()
    rejects: int = 0
    script: Sequence[Step] = (WaitSubscribed(SOL), *map(Send, bids(11, 5)))


LATER = Fault(429, TOO_MANY, headers={"Retry-After": "3"})
DATED = Fault(429, TOO_MANY, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
INEXACT = SNAPSHOT.replace("100.7", "100.70000000001")
LOST = (WaitSubscribed(SOL), Lose(bid(11)), Lose(bid(12)), *map(Send, bids(13, 3)))
SLOW = (WaitSubscribed(SOL), Send(bid(11)), WaitRequest(DEPTH), *map(Send, bids(12, 4)))
FAST = (
    *(WaitSubscribed(SOL), Send(bid(11)), Lose(bid(12)), Lose(bid(13)), WaitRequest(DEPTH)),
    *(Wait(0.2), *map(Send, bids(12, 4))),
)
TROUBLES: dict[str, Trouble] = {
    # REST as a whole pauses 1 s, 2 s, 4 s.. after "too many" and after the server's own errors.
    "429": Trouble([Fault(429, TOO_MANY)] * 2, [(429, TOO_MANY)] * 2, [1, 2]),
    "429 with Retry-After": Trouble([LATER], [(429, TOO_MANY)], [3]),
    "429 with a date": Trouble([DATED], [(429, TOO_MANY)], [1]),
    "500": Trouble([Fault(500, "oops")] * 2, [(500, "oops")] * 2, [1, 2]),
    "503": Trouble([Fault(503, "")], [(503, "")], [1]),
    # A book's own pause: 0.5 s, doubled.
    "dropped": Trouble([Fault(drop=True)] * 3, [(0, "")] * 3, [0.5, 1, 2]),
    "silent": Trouble([Fault(delay=6)], [(0, "")], [0.5]),
    "no content": Trouble([Fault(204, "")], [(204, "")], [0.5]),
    "html": Trouble([Fault(body=HTML)] * 2, [], [0.5, 1], rejects=2),
    "empty": Trouble([Fault(body="")], [], [0.5], rejects=1),
    "another shape": Trouble([Fault(body='{"bids":[]}')], [], [0.5], rejects=1),
    "inexact": Trouble([Fault(body=INEXACT)], [], [0.5], rejects=1),
    # True replies of another moment than now.
    "stale": Trouble([Fault(stale=5), Fault(stale=4)], [], [0.5, 1], script=LOST),
    "behind": Trouble([Fault(delay=0.2)], script=SLOW),
    "ahead": Trouble([], script=FAST),
    "all mixed": Trouble(
        [Fault(drop=True), Fault(body=HTML), Fault(429, TOO_MANY)],
        [(0, ""), (429, TOO_MANY)],
        [0.5, 1, 2],
        rejects=1,
    ),
}


def suffering(trouble: Trouble) -> Scene[Run]:
    """Record until the book is live at id 15 and the venue's own."""

    async def scene(folder: Path) -> Run:
        venue = Venue(trouble.script, snapshots=SNAPSHOTS)
        for fault in trouble.faults:
            venue.faults.add(DEPTH, fault)
        patience = Patience(reply=3.0)
        async with venue, running(venue, folder, SOL, patience=patience) as run:
            await run.until(lambda: run.last_id("SOL_USDC") == 15)
            assert run.sides("SOL_USDC") == truth(venue.truth.book("SOL_USDC"))
        return run

    return scene


def requests(frames: list[Frame]) -> list[Frame]:
    """Requests for books, in order of time."""
    return [frame for frame in frames if frame.kind == Kind.REQUEST and DEPTH in frame.topic]


def waits(frames: list[Frame]) -> list[float]:
    """Seconds between one request and the next."""
    return [(b.ts_mono - a.ts_mono) / SECOND for a, b in pairwise(requests(frames))]


@pytest.fixture(scope="module")
def suffered(tmp_path_factory: pytest.TempPathFactory) -> Played[Run]:
    """All troubles, each with a venue and a recorder of its own."""
    scenes = {name: suffering(trouble) for name, trouble in TROUBLES.items()}
    return play(tmp_path_factory.mktemp("troubles"), scenes)


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_passes(suffered: Played[Run], name: str) -> None:
    """The book came right; every attempt and its outcome is on tape; the pauses grew."""
    folder, trouble, run = suffered.folder(name), TROUBLES[name], suffered.outcome(name)
    tries = len(requests(run.frames))
    assert tries == 1 + len(trouble.waits)
    between = waits(run.frames)
    assert all(was >= least * 0.99 for was, least in zip(between, trouble.waits, strict=True))
    failures = [json.loads(text) for text in plain.payloads(folder, "failed")]
    assert [(f["status"], f["body"]) for f in failures] == list(trouble.failed)
    assert all(failure["error"] for failure in failures if not failure["status"])
    rejects = plain.table(folder, "reject")
    assert [row["reason"] for row in rejects] == ["bad_reply"] * trouble.rejects
    assert len(plain.payloads(folder, "reply")) == 1 + tries - len(failures)
    assert plain.holes(folder) == []
    assert plain.manifests(folder)[0]["verdict"] == Verdict.CERTIFIED


class Clocked(list[str]):
    """The venue's log of requests, with the time of each in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, target: str) -> None:
        self.times.append(time.monotonic())
        super().append(target)


def crowd(count: int) -> dict[str, str]:
    """First books of so many markets."""
    return {f"M{number:02d}_USDC": SNAPSHOT for number in range(count)}


def crowd_venue() -> Venue:
    """As soon as all are subscribed, each market has one frame."""
    topics = [f"depth.{market}" for market in crowd(12)]
    frames = [Send(depth(11, symbol=market)) for market in crowd(12)]
    return Venue([*map(WaitSubscribed, topics), *frames], snapshots=crowd(12))


async def start_all(venue: Venue, folder: Path, done: Callable[[Run], bool]) -> Run:
    """Record the depth of all markets of a crowd until something is true."""
    topics = [f"depth.{market}" for market in crowd(12)]
    async with venue, running(venue, folder, *topics) as run:
        await run.until(lambda: done(run))
    return run


async def crowded(folder: Path) -> Clocked:
    """Twelve books are wanted at once. The venue's own log of requests."""
    venue, log = crowd_venue(), Clocked()
    venue.requests = log
    topics = [f"depth.{market}" for market in crowd(12)]
    await start_all(venue, folder, lambda run: run.is_live(*topics))
    return log


async def refused(folder: Path) -> list[Frame]:
    """The first of twelve requests gets a 429 with two seconds to wait."""
    venue = crowd_venue()
    venue.faults.add(DEPTH, Fault(429, TOO_MANY, headers={"Retry-After": "2"}))
    run = await start_all(venue, folder, lambda run: len(run.kinds(Kind.REPLY)) > 3)
    return run.frames


async def closed(folder: Path) -> list[Frame]:
    """404 first; frames go on; a new connection; then all is well."""
    script = [
        *[WaitSubscribed(SOL), Send(bid(11)), WaitRequest(DEPTH), *map(Send, bids(12, 3))],
        *[Wait(1.5), *map(Send, bids(15, 3)), Wait(0.05), Cut()],
        *[WaitSubscribed(SOL), Send(bid(18)), WaitRequest(DEPTH), Send(bid(19))],
    ]
    venue = Venue(script, snapshots=SNAPSHOTS)
    venue.faults.add(DEPTH, Fault(404, CLOSED))
    async with venue, running(venue, folder, SOL) as run:
        await run.until(lambda: run.last_id("SOL_USDC") == 19)
        assert run.sides("SOL_USDC") == truth(venue.truth.book("SOL_USDC"))
    return run.frames


async def listless(folder: Path) -> list[str]:
    """The market list fails twice. The venue's log of requests."""
    venue = Venue(snapshots=SNAPSHOTS)
    venue.faults.add("/api/v1/markets", Fault(500, "oops"))
    venue.faults.add("/api/v1/markets", Fault(drop=True))
    async with venue, running(venue, folder, SOL) as run:
        await run.until(lambda: bool(run.kinds(Kind.OPEN)))
    return venue.requests


SCENES: dict[str, Scene[Any]] = {s.__name__: s for s in (crowded, refused, closed, listless)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[Any]:
    """The other scenes."""
    return play(tmp_path_factory.mktemp("rest"), SCENES)


def test_snapshots_of_many_markets_keep_the_venues_pace(played: Played[Any]) -> None:
    """Never more than five requests in a second, by the venue's clock. A third of the second is
    left to the scheduler: without a limit all twelve come at once."""
    log: Clocked = played.outcome("crowded")
    assert len(log) == 1 + 1 + 12 == len(set(log))  # markets, the time, books
    spans = [b - a for a, b in zip(log.times, log.times[PER_SECOND:], strict=False)]
    assert all(span > 0.66 for span in spans), spans


def test_one_refusal_silences_all_markets(played: Played[Any]) -> None:
    """After a 429 nobody asks until its Retry-After is over, whoever waits in turn already."""
    frames: list[Frame] = played.outcome("refused")
    (failure,) = [frame for frame in frames if frame.kind == Kind.FAILED]
    after = [frame for frame in requests(frames) if frame.seq > failure.seq]
    assert after
    assert all(frame.ts_mono - failure.ts_mono > 1.99 * SECOND for frame in after)


def test_a_market_that_is_not_there_is_not_asked_for_again(played: Played[Any]) -> None:
    """404 does not mend soon: no request while the connection lasts; but a new one asks anew."""
    frames: list[Frame] = played.outcome("closed")
    first, second = requests(frames)
    cut, _ = (frame for frame in frames if frame.kind == Kind.CLOSE)
    assert first.seq < cut.seq < second.seq
    (failure,) = map(json.loads, plain.payloads(played.folder("closed"), "failed"))
    assert (failure["status"], failure["body"]) == (404, CLOSED)


def test_the_market_list_is_asked_for_again(played: Played[Any]) -> None:
    """Two failures at the start are overcome; what came in the end is on the tape."""
    requests = [path for path in played.outcome("listless") if path != "/api/v1/time"]
    assert requests == ["/api/v1/markets"] * 3
    (markets,) = plain.payloads(played.folder("listless"), "reply")
    assert [market["symbol"] for market in json.loads(markets)] == ["SOL_USDC"]
