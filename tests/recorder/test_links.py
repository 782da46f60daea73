"""Several connections at once: what one loses, another brings, and nothing is there twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from recorder import KeyPair
from recorder.settings import Patience
from schemas.frames import Kind
from schemas.rows import Trade
from tape.manifest import Verdict
from tests.recorder import plain
from tests.recorder.market import SNAPSHOTS, SOL, TRADES, bid, bids, trade
from tests.recorder.pairs import ALICE
from tests.recorder.runs import Played, Run, Scene, play, running, truth
from tests.venue import (
    DOOR,
    Accounts,
    Cut,
    Do,
    Fault,
    Instance,
    Lose,
    Options,
    Send,
    Step,
    Venue,
    Wait,
    WaitRequest,
    WaitSubscribed,
)
from tests.venue.link import Cue, cue_of

DEPTH = "/api/v1/depth"
ORDERS = "account.orderUpdate"
QUICK = Patience(stagger=0.01, proof=5.0, overlap=0.05, refused=0.05)
BOTH = WaitSubscribed(SOL, count=2)
LOST = 33  # a trade that neither connection brings
SLOW_US = 1_500  # by which the clock of the second server is ahead


def joined() -> list[Step]:
    """Two connections and a live book at id 11."""
    return [BOTH, Send(bid(11)), WaitRequest(DEPTH)]


def steady(first: int, count: int) -> list[Step]:
    """Depth frames and trades, a few at a time, as sockets in one loop have no delays else."""
    steps: list[Step] = []
    for number in range(first, first + count):
        steps += [Send(bid(number)), Send(trade(number))]
        if number % 5 == 0:
            steps.append(Wait(0.001))
    return steps


def options(loss: float = 0.0, **more: Any) -> Options:
    instances = [Instance(1, loss), Instance(2, loss, SLOW_US)]
    return Options(instances=instances, **more)


def arrived(run: Run, venue: Venue) -> bool:
    """Whether all that was sent has come."""
    links = run.recorder.links
    assert links is not None
    return sum(link.frames + link.copies for link in links.each) == len(venue.sent)


async def losses(folder: Path) -> Venue:
    """Both connections lose one frame in a hundred, hardly ever the same."""
    venue = Venue([*joined(), *steady(12, 400)], snapshots=SNAPSHOTS, options=options(0.01))
    async with venue, running(venue, folder, SOL, TRADES, connections=2, patience=QUICK) as run:
        await venue.finished()
        await run.until(lambda: run.last_id("SOL_USDC") == 411)
        await run.until(lambda: arrived(run, venue))
        assert run.sides("SOL_USDC") == truth(venue.truth.book("SOL_USDC"))
    return venue


async def same(folder: Path) -> Venue:
    """Both lose the same three depth frames, and the trade among them."""

    async def ask_again(venue: Venue) -> None:
        """What is missing may come yet, until what follows has waited for long enough."""
        number = 35
        while sum(path.startswith(DEPTH) for path in venue.requests) < 2:
            venue.post(cues(number))
            number += 1
            await asyncio.sleep(0.002)
        lasts.append(number - 1)

    lasts: list[int] = []
    script = [*joined(), *steady(12, 20), *map(Lose, bids(32, 3))]
    script += [Send(trade(32)), Lose(trade(LOST)), Send(trade(34)), Do(ask_again)]
    venue = Venue(script, snapshots=SNAPSHOTS, options=options())
    async with venue, running(venue, folder, SOL, TRADES, connections=2, patience=QUICK) as run:
        await venue.finished()
        await run.until(lambda: run.is_live(SOL) and run.last_id("SOL_USDC") == lasts[0])
        await run.until(lambda: arrived(run, venue))
        await run.until(lambda: LOST in [row.trade_id for row in run.rows if type(row) is Trade])
        assert run.sides("SOL_USDC") == truth(venue.truth.book("SOL_USDC"))
    return venue


async def one_cut(folder: Path) -> Venue:
    """One is cut, then, when it is back, the other."""
    script = [*joined(), *steady(12, 20), Cut(connection=1), *steady(32, 20), BOTH]
    script += [*steady(52, 20), Cut(connection=2), *steady(72, 20), BOTH, *steady(92, 20)]
    venue = Venue(script, snapshots=SNAPSHOTS, options=options())
    async with venue, running(venue, folder, SOL, TRADES, connections=2, patience=QUICK) as run:
        await venue.finished()
        await run.until(lambda: run.last_id("SOL_USDC") == 111)
        assert run.sides("SOL_USDC") == truth(venue.truth.book("SOL_USDC"))
    return venue


async def both_cut(folder: Path) -> Venue:
    """That is an outage."""
    script = [*joined(), *steady(12, 20), Cut(), *map(Lose, bids(32, 4)), BOTH, Send(bid(36))]
    venue = Venue([*script, WaitRequest(DEPTH)], snapshots=SNAPSHOTS, options=options())
    async with venue, running(venue, folder, SOL, TRADES, connections=2, patience=QUICK) as run:
        await venue.finished()
        await run.until(lambda: run.is_live(SOL) and run.last_id("SOL_USDC") == 36)
    return venue


async def account(folder: Path) -> Venue:
    """Topics of an account are asked for on both, each time with another signature; what is wanted
    changes on both."""
    accounts = Accounts([ALICE.key])
    venue = Venue([BOTH], snapshots=SNAPSHOTS, options=options(accounts=accounts))
    settings: dict[str, Any] = {"connections": 2, "patience": QUICK, "keys": KeyPair(*ALICE)}
    async with venue, running(venue, folder, SOL, ORDERS, **settings) as run:
        await venue.until(lambda: all_hear(venue, {SOL, ORDERS}))
        await run.recorder.subscribe([TRADES])
        await run.recorder.unsubscribe([ORDERS])
        await venue.until(lambda: all_hear(venue, {SOL, TRADES}))
        accounts.refuses.add(ORDERS)
        await run.recorder.subscribe([ORDERS])
        await run.until(lambda: len(refusals(run)) >= 2)
        accounts.refuses.clear()
        await venue.until(lambda: all_hear(venue, {SOL, TRADES, ORDERS}))
        await run.until(lambda: not run.recorder.account.refused)
    signatures = [signature[1] for _, signature in accounts.seen]
    assert len(set(signatures)) == len(signatures)
    return venue


def all_hear(venue: Venue, topics: set[str]) -> bool:
    """Whether two connections hear of these, and of no others."""
    hearing = [link.topics for link in venue.connections if link.hears()]
    return hearing == [topics, topics]


def refusals(run: Run) -> set[int]:
    """Connections on which something was refused."""
    return {f.conn for f in run.kinds(Kind.DATA) if b"4003" in f.payload}


async def replaced(folder: Path) -> Venue:
    """The only connection is dialled anew while frames come all the time; once in vain."""
    ends = asyncio.Event()
    number = 12

    async def stream(venue: Venue) -> None:
        nonlocal number
        while not ends.is_set():
            venue.post(cues(number))
            number += 1
            await asyncio.sleep(0.002)

    script = [WaitSubscribed(SOL), Send(bid(11)), WaitRequest(DEPTH), Do(stream)]
    venue = Venue(script, snapshots=SNAPSHOTS, options=options())
    async with venue, running(venue, folder, SOL, TRADES, patience=QUICK) as run:
        await run.until(lambda: run.is_live(SOL))
        links = run.recorder.links
        assert links is not None
        venue.faults.add(DOOR, Fault(status=503))
        assert not await links.replace(1)
        assert links.each[0].conn == 1
        assert await links.replace(1)
        assert links.each[0].conn == links.newest == 2
        await links.renew("it is time")
        assert run.said("connection 2 was replaced: it is time")
        ends.set()
        await venue.finished()
        await run.until(lambda: run.last_id("SOL_USDC") == number - 1)
        assert run.sides("SOL_USDC") == truth(venue.truth.book("SOL_USDC"))
    return venue


def cues(number: int) -> list[Cue]:
    """A frame of each topic."""
    return [cue_of(bid(number)), cue_of(trade(number))]


SCENES = {s.__name__: s for s in (losses, same, one_cut, both_cut, account, replaced)}


def timed(scene: Scene[Venue]) -> Scene[Venue]:
    """One that hangs fails."""

    async def played(folder: Path) -> Venue:
        async with asyncio.timeout(20):
            return await scene(folder)

    return played


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[Venue]:
    """All scenes, each with a venue and a recorder of its own."""
    return play(tmp_path_factory.mktemp("links"), {n: timed(s) for n, s in SCENES.items()})


def brought(folder: Path) -> Counter[tuple[int, bytes]]:
    """What each connection has brought, by the frames and the table of copies."""
    frames = {line["seq"]: line for line in plain.frames(folder, *plain.MESSAGES)}
    found = Counter((line["conn"], line["payload"]) for line in frames.values())
    for copy in plain.table(folder, "copy"):
        payload = frames[copy["copied_seq"]]["payload"]
        found[copy["conn"], later(payload, copy["event_late_ns"] // 1_000)] += 1
    return found


def later(payload: bytes, event_us: int) -> bytes:
    """The same event, sent so much later."""
    head, _, tail = payload.partition(b'"E":')
    digits, _, rest = tail.partition(b",")
    return b'%s"E":%d,%s' % (head, int(digits) + event_us, rest)


def check_whole(venue: Venue, folder: Path) -> None:
    """Each event once, and with the copies all that the venue has sent; replay agrees."""
    sent = Counter((one.connection, str(one.frame).encode()) for one in venue.sent)
    assert brought(folder) == sent
    events = Counter(event(line["payload"]) for line in plain.frames(folder, "data"))
    assert set(events.values()) == {1}
    assert {one["verdict"] for one in plain.manifests(folder)} == {Verdict.CERTIFIED}


def event(payload: bytes) -> tuple[str, int]:
    """Its stream and its id."""
    message = json.loads(payload)
    data = message["data"]
    return message["stream"], data.get("u", data.get("t", 0))


def holes(folder: Path) -> list[tuple[str, int, int]]:
    """Topic and ids of all that is missing."""
    rows = plain.table(folder, "gap")
    return [(row["topic"], row["expected_id"], row["received_id"]) for row in rows]


def ends(folder: Path, kind: str) -> list[tuple[int, bool]]:
    """Connections that were opened or closed, and whether we were told to."""
    lines = plain.frames(folder, kind)
    return [(line["conn"], json.loads(line["payload"]).get("stopped", False)) for line in lines]


def test_what_one_loses_another_brings(played: Played[Venue]) -> None:
    venue, folder = played.outcome("losses"), played.folder("losses")
    first, second = (set(one.lost) for one in venue.options.instances)
    assert first
    assert second
    assert not first & second
    check_whole(venue, folder)
    assert len(plain.frames(folder, "data")) == 801
    assert len(plain.table(folder, "copy")) == 801 - len(first) - len(second)
    assert holes(folder) == []


def test_copies_tell_how_late_they_were_and_by_whose_clock(played: Played[Venue]) -> None:
    copies = plain.table(played.folder("losses"), "copy")
    conns = {line["seq"]: line["conn"] for line in plain.frames(played.folder("losses"))}
    for copy in copies:
        ahead = copy["event_late_ns"] // 1_000 * (1 if copy["conn"] == 2 else -1)
        assert SLOW_US <= ahead < SLOW_US + 100
        assert copy["late_ns"] >= 0
        assert {copy["conn"], conns[copy["copied_seq"]]} == {1, 2}


def test_what_both_lose_is_a_gap(played: Played[Venue]) -> None:
    """To the id, and nothing else is; the trade in it is healed by REST."""
    venue, folder = played.outcome("same"), played.folder("same")
    check_whole(venue, folder)
    assert set(holes(folder)) == {(SOL, 32, 35), (TRADES, LOST, LOST + 1)}
    states = {(gap["topic"], gap["state"]) for gap in plain.table(folder, "gap")}
    assert {(SOL, "resynced"), (TRADES, "healed")} <= states
    healed = [row["trade_id"] for row in plain.table(folder, "trade") if row["source"] == "rest"]
    assert healed == [LOST]


def test_the_end_of_one_of_two_costs_nothing(played: Played[Venue]) -> None:
    """It comes back as a connection of its own."""
    folder = played.folder("one_cut")
    assert holes(folder) == []
    assert [conn for conn, _ in ends(folder, "open")] == [1, 2, 3, 4]
    assert sorted(ends(folder, "close")) == [(1, False), (2, False), (3, True), (4, True)]
    events = [event(line["payload"]) for line in plain.frames(folder, "data")]
    assert sorted(events) == sorted([(SOL, 11), *both(range(12, 112))])
    assert {one["verdict"] for one in plain.manifests(folder)} == {Verdict.CERTIFIED}


def test_the_end_of_both_is_a_gap(played: Played[Venue]) -> None:
    folder = played.folder("both_cut")
    assert plain.outages(folder) == [("disconnect", "open"), ("disconnect", "resumed")]
    assert {hole for hole in holes(folder) if hole[0]} == {(SOL, 32, 36)}


def test_an_account_is_asked_for_on_both(played: Played[Venue]) -> None:
    """The scene says how; on the tape each connection has requests of its own."""
    folder = played.folder("account")
    sent = [(f["conn"], json.loads(f["payload"])) for f in plain.frames(folder, "sent")]
    asked = Counter((conn, one["method"], *one["params"]) for conn, one in sent)
    for conn in (1, 2):
        assert asked[conn, "SUBSCRIBE", SOL] == asked[conn, "SUBSCRIBE", TRADES] == 1
        assert asked[conn, "UNSUBSCRIBE", ORDERS] == 1
        assert asked[conn, "SUBSCRIBE", ORDERS] >= 3


def test_dialling_anew_loses_nothing(played: Played[Venue]) -> None:
    """With one connection: the old one goes only when the new one has come."""
    folder = played.folder("replaced")
    assert holes(folder) == []
    assert ends(folder, "close") == [(1, True), (2, True), (3, True)]
    order = [(f["kind"], f["conn"]) for f in plain.frames(folder, "open", "close")]
    assert order == [
        *[("open", 1), ("open", 2), ("close", 1), ("open", 3), ("close", 2), ("close", 3)]
    ]
    events = sorted(event(line["payload"]) for line in plain.frames(folder, "data"))
    last = events[-1][1]
    assert events == sorted([(SOL, 11), *both(range(12, last + 1))])
    assert {line["conn"] for line in plain.table(folder, "copy")} <= {1, 2, 3}
    assert {one["verdict"] for one in plain.manifests(folder)} == {Verdict.CERTIFIED}


def both(numbers: Iterable[int]) -> list[tuple[str, int]]:
    """A depth frame and a trade for each number."""
    return [(name, number) for number in numbers for name in (SOL, TRADES)]
