"""However a connection ends: the tape says so, a new one begins, and the books come back right.

Each scene is an outage with a hole of its own: frames that the venue counted and nobody received.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from recorder.settings import Patience
from schemas.frames import Kind
from tape.manifest import Verdict
from tests.recorder import plain
from tests.recorder.market import SNAPSHOTS, SOL, TRADES, bid, bids, trade
from tests.recorder.raw import raw
from tests.recorder.runs import Played, Run, Scene, Where, play, running, truth
from tests.venue import (
    Close,
    Cut,
    Do,
    Lose,
    Options,
    Send,
    Stall,
    Step,
    Venue,
    Wait,
    WaitRequest,
    WaitSubscribed,
)

DEPTH = "/api/v1/depth"
MISSED = 4  # frames in each outage


def outage(first: int, *ends: Step) -> list[Step]:
    """A live book from id `first` on, then an end of all connections and frames nobody gets."""
    return [
        WaitSubscribed(SOL),
        Send(bid(first)),
        WaitRequest(DEPTH),
        *map(Send, bids(first + 1, 3)),
        Wait(0.05),
        *ends,
        Do(alone),
        *map(Lose, bids(first + 4, MISSED)),
    ]


async def alone(venue: Venue) -> None:
    """Wait until the venue has nobody left to talk to."""
    await venue.until(lambda: not any(link.hears() for link in venue.connections))


def ending(first: int) -> list[Step]:
    """A live book from id `first` on."""
    return [
        WaitSubscribed(SOL),
        Send(bid(first)),
        WaitRequest(DEPTH),
        *map(Send, bids(first + 1, 3)),
    ]


async def record(venue: Venue, folder: Path, last: int, *topics: str, **settings: Any) -> Run:
    """Record until the live book has the last id and is the venue's own."""
    async with venue, running(venue, folder, SOL, *topics, **settings) as run:
        await run.until(lambda: run.is_live(SOL) and run.last_id("SOL_USDC") == last)
        assert run.sides("SOL_USDC") == truth(venue.truth.book("SOL_USDC"))
    return run


def told(folder: Path, kind: str) -> list[dict[str, Any]]:
    """What the session rows say of the opens or closes, which is what the frames say."""
    rows = [row for row in plain.table(folder, "session") if row["event"] == kind]
    frames = plain.frames(folder, kind)
    assert [(row["conn"], row["detail"].encode()) for row in rows] == [
        (frame["conn"], frame["payload"]) for frame in frames
    ]
    return [{"conn": row["conn"], **json.loads(row["detail"])} for row in rows]


def gaps(folder: Path) -> list[tuple[str, int, int, int]]:
    """Cause, the id that should have come, the id that came, ids in between."""
    rows = plain.holes(folder)
    names = ("cause", "expected_id", "received_id", "missing")
    return [tuple(row[name] for name in names) for row in rows]


def check_one_outage(folder: Path, code: int, reason: str) -> None:
    """Two connections; the first ended as it did, and what it cost is told to the id."""
    opens, closes = told(folder, "open"), told(folder, "close")
    assert [one["conn"] for one in opens] == [one["conn"] for one in closes] == [1, 2]
    assert [(c["code"], c["reason"]) for c in closes] == [(code, reason), (1000, "")]
    assert gaps(folder) == [("disconnect", 15, 19, MISSED)]
    assert [c["stopped"] for c in closes] == [False, True]
    assert plain.outages(folder) == [("disconnect", "open"), ("disconnect", "resumed")]
    commands = plain.frames(folder, "sent")
    assert [line["conn"] for line in commands] == [1, 2]
    assert commands[0]["payload"] == commands[1]["payload"]
    (manifest,) = plain.manifests(folder)
    assert manifest["verdict"] == Verdict.CERTIFIED


ENDS: dict[str, tuple[Step, int, str]] = {
    "normal": (Close(1000), 1000, ""),
    "going away": (Close(1001, "draining"), 1001, "draining"),
    "error": (Close(1011, "internal"), 1011, "internal"),
    "restart": (Close(1012, "service restart"), 1012, "service restart"),
    "own code": (Close(4000, "слишком медленно"), 4000, "слишком медленно"),
    "no code": (raw(Frame(Opcode.CLOSE, b"")), 1005, ""),
    "cut": (Cut(), 1006, ""),
    "bad frame": (
        raw(Frame(Opcode.CONT, b"of nothing")),
        1002,
        "ours: unexpected continuation frame",
    ),
    "bad close": (raw(Frame(Opcode.CLOSE, b"\x03")), 1002, "ours: close frame too short"),
}


def ended_by(end: Step) -> Scene[None]:
    """An outage that begins like this."""

    async def scene(folder: Path) -> None:
        await record(Venue([*outage(11, end), *ending(19)], snapshots=SNAPSHOTS), folder, 22)

    return scene


async def deaf(folder: Path) -> None:
    """The socket stays open and says nothing more, as behind a broken router."""
    script = [*outage(11, Stall(deaf=True)), *ending(19)]
    venue = Venue(script, snapshots=SNAPSHOTS)
    await record(venue, folder, 22, patience=Patience(ping=0.1, pong=2.0, closing=0.1))
    assert len(venue.connections) == 2


async def away(folder: Path) -> None:
    """Connections are refused for a while. The venue that comes back knows what was missed."""
    gone = Venue(ending(11), snapshots=SNAPSHOTS)
    async with AsyncExitStack() as going:
        await going.enter_async_context(gone)
        async with running(Where(gone.ws_url, gone.rest_url), folder, SOL) as run:
            await run.until(lambda: run.last_id("SOL_USDC") == 14)
            await going.aclose()
            refused = f"no websocket at {gone.ws_url}: "
            await run.until(lambda: sum(refused in text for text in run.notices) == 2)
            await back_again(gone, run)


async def back_again(gone: Venue, run: Run) -> None:
    """The venue is on its port again, has gone on meanwhile, and stays until the recorder ends."""
    for frame in bids(15, MISSED):
        gone.truth.note("SOL_USDC", frame)
    book = {"SOL_USDC": gone.truth.book("SOL_USDC").catch_up().body()}
    options = Options(port=int(gone.ws_url.rpartition(":")[2]))
    async with Venue(ending(19), snapshots=book, options=options) as back:
        await run.until(lambda: run.last_id("SOL_USDC") == 22)
        assert run.sides("SOL_USDC") == truth(back.truth.book("SOL_USDC"))
        await run.finish()


async def unwelcome(folder: Path) -> None:
    """A venue that hangs up on everybody at once. No pause is shorter than it should be."""
    options = Options(on_connect=[Close(1013, "try again later")])
    venue = Venue(snapshots=SNAPSHOTS, options=options)
    async with venue, running(venue, folder, SOL) as run:
        await run.until(lambda: len(run.kinds(Kind.CLOSE)) == 4)
        run.stop.set()
        ends = run.kinds(Kind.OPEN, Kind.CLOSE)
    pauses = [b.ts_mono - a.ts_mono for a, b in pairwise(ends) if a.kind is Kind.CLOSE]
    assert [end.kind for end in ends] == [Kind.OPEN, Kind.CLOSE] * 4
    least = [0.25, 0.5, 1.0]  # half of what is doubled from 0.5 s on
    assert all(pause >= s * 0.99e9 for pause, s in zip(pauses, least, strict=True))
    assert len(venue.connections) == 4


async def harmless(folder: Path) -> None:
    """Ids go on where they were."""
    again = [WaitSubscribed(SOL), Send(bid(15)), WaitRequest(DEPTH), Send(bid(16))]
    script = [*outage(11, Close(1012))[:-MISSED], *again]
    await record(Venue(script, snapshots=SNAPSHOTS), folder, 16)


async def trades(folder: Path) -> None:
    """Trades are missed too."""
    script = [
        *[WaitSubscribed(TRADES), Send(trade(70)), Send(trade(71)), Wait(0.05), Cut()],
        *[WaitSubscribed(TRADES), Send(trade(75)), Send(trade(76))],
    ]
    venue = Venue(script, snapshots=SNAPSHOTS)
    async with venue, running(venue, folder, TRADES) as run:
        await run.heard(4)


async def early(folder: Path) -> None:
    """The first connection is cut when it has just been opened, before or while we subscribe."""

    async def connected(venue: Venue) -> None:
        await venue.until(lambda: bool(venue.connections))

    await record(Venue([Do(connected), Cut(), *ending(11)], snapshots=SNAPSHOTS), folder, 14)


async def eager(folder: Path) -> None:
    """The venue greets everybody before they have said anything."""
    options = Options(on_connect=[Send('{"hello":1}', force=True)])
    script = [*outage(11, Cut()), *ending(19)]
    await record(Venue(script, snapshots=SNAPSHOTS, options=options), folder, 22)


SCENES: dict[str, Scene[None]] = {
    **{name: ended_by(step) for name, (step, _, _) in ENDS.items()},
    **{s.__name__: s for s in (deaf, away, unwelcome, harmless, trades, early, eager)},
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[None]:
    """All scenes, each with a venue and a recorder of its own."""
    return play(tmp_path_factory.mktemp("outages"), SCENES)


@pytest.mark.parametrize("name", ENDS)
def test_every_way_to_end_is_told_and_overcome(played: Played[None], name: str) -> None:
    _, code, reason = ENDS[name]
    check_one_outage(played.folder(name), code, reason)


def test_a_venue_that_answers_no_pings_is_left(played: Played[None]) -> None:
    check_one_outage(played.folder("deaf"), 1011, "ours: keepalive ping timeout")


def test_a_venue_may_go_away_and_come_back_on_its_port(played: Played[None]) -> None:
    check_one_outage(played.folder("away"), 1001, "")


def test_dialling_backs_off(played: Played[None]) -> None:
    """The pauses are checked in the scene; all of it is on the tape."""
    assert [c["code"] for c in told(played.folder("unwelcome"), "close")] == [1013] * 4
    assert [c["conn"] for c in told(played.folder("unwelcome"), "open")] == [1, 2, 3, 4]


def test_an_outage_that_cost_nothing_is_no_gap(played: Played[None]) -> None:
    """The epoch is new and the books start over, but nothing is missing."""
    folder = played.folder("harmless")
    assert gaps(folder) == []
    assert [one["conn"] for one in told(folder, "open")] == [1, 2]
    clears = [r for r in plain.table(folder, "depth") if r["action"] == "clear"]
    assert len(clears) == 4  # each book begins with one and ends with one


def test_trades_missed_in_an_outage_are_told(played: Played[None]) -> None:
    """Trade ids go on over connections."""
    folder = played.folder("trades")
    assert gaps(folder) == [("disconnect", 72, 75, 3)]
    assert [row["trade_id"] for row in plain.table(folder, "trade")] == [70, 71, 75, 76]


def test_a_venue_may_hang_up_before_it_was_asked_for_anything(played: Played[None]) -> None:
    folder = played.folder("early")
    assert [c["code"] for c in told(folder, "close")] == [1006, 1000]
    assert gaps(folder) == []


def test_a_venue_may_speak_first(played: Played[None]) -> None:
    """What comes before we have said anything belongs to the connection it came on."""
    folder = played.folder("eager")
    frames = plain.frames(folder, "open", "data", "sent")
    greetings = [n for n, line in enumerate(frames) if line["payload"] == b'{"hello":1}']
    assert [frames[n]["conn"] for n in greetings] == [1, 2]
    opens = [n for n, line in enumerate(frames) if line["kind"] == "open"]
    assert [n < greeting for n, greeting in zip(opens, greetings, strict=True)] == [True, True]
    check_one_outage(folder, 1006, "")
