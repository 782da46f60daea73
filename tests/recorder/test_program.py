"""What is recorded changes while it is: by API, with the market list, in a pause. Each recording is
certified, and replays row for row as it was live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from recorder import Live
from recorder.intake import Intake
from recorder.market_lists import MarketLists
from recorder.rest import Reply
from replay import Replay
from schemas.errors import TopicError, UsageError, VenueError
from schemas.frames import Kind
from schemas.requests import MARKETS_PATH
from schemas.rows import Market, Trade
from tape.coverage import coverage
from tape.layout import Tape
from tape.manifest import Verdict
from tape.reader import segments
from tests.recorder import plain
from tests.recorder.market import SNAPSHOTS, SOL, TRADES, bid, trade
from tests.recorder.runs import Played, Run, Scene, play, running, truth
from tests.venue import Fault, Send, Venue, WaitSubscribed
from tests.venue.catalogue import Listing, markets_body
from tests.venue.link import cue_of

MARKET = Listing("SOL_USDC", "0.01", "0.01")
OTHER = Listing("XYZ_USDC", "0.1", "1")
LISTED = markets_body([MARKET, Listing("ETH_USDC", "0.01", "0.001")])
BEGUN = [WaitSubscribed(SOL), Send(bid(11))]
SOON = 0.02  # seconds between two looks at the market list


def venue(**more: Any) -> Venue:
    return Venue(BEGUN, snapshots=SNAPSHOTS, markets=LISTED, **more)


def say(far_end: Venue, *texts: str, late: bool = False) -> None:
    """To who is subscribed; late: to who was."""
    for text in texts:
        far_end.post([cue_of(text)], lost=late)
        if late:
            far_end.force(text)


def asked(run: Run, method: str) -> list[str]:
    """Topics of our requests, in order."""
    texts = [frame.payload.decode() for frame in run.kinds(Kind.SENT)]
    return [text for text in texts if f'"{method}"' in text]


def subscribed(far_end: Venue, *topics: str) -> Callable[[], bool]:
    """Whether exactly these are subscribed on the newest connection."""
    return lambda: far_end.connections[-1].topics == set(topics)


async def by_api(folder: Path) -> Run:
    """One more, one less with frames on their way, and back again."""
    async with venue() as far_end, running(far_end, folder, SOL) as run:
        recorder = run.recorder
        await run.until(lambda: run.is_live(SOL))
        assert await recorder.subscribe(["trade.SOL_*", SOL]) == [TRADES]
        await far_end.until(subscribed(far_end, SOL, TRADES))
        say(far_end, trade(5))
        await run.heard(2)
        with pytest.raises(TopicError, match="nearest: SOL_USDC"):
            await recorder.subscribe([TRADES, "depth.SOLUSDC"])
        with pytest.raises(TopicError, match="nearest: SOL_USDC"):
            await recorder.unsubscribe([TRADES, "depth.SOLUSDC"])
        assert sorted(await recorder.unsubscribe([SOL, "trade.*"])) == [SOL, TRADES]
        assert run.last_id("SOL_USDC") is None
        await far_end.until(subscribed(far_end))
        say(far_end, bid(12), trade(7), late=True)
        await run.heard(4)
        assert recorder.intake.engine.late == {SOL: 1, TRADES: 1}
        assert recorder.topics == ()
        assert await recorder.unsubscribe([SOL]) == []
        await recorder.store.roll()
        assert await recorder.subscribe([SOL]) == [SOL]
        assert await recorder.subscribe([TRADES]) == [TRADES]
        await far_end.until(subscribed(far_end, SOL, TRADES))
        say(far_end, bid(13), trade(9))
        await run.until(lambda: run.last_id("SOL_USDC") == 13)
        await run.heard(6)
        assert run.sides("SOL_USDC") == truth(far_end.truth.book("SOL_USDC"))
    with pytest.raises(UsageError, match="has ended"):
        await recorder.subscribe([SOL])
    return run


async def by_list(folder: Path) -> Run:
    """Markets are listed, close, open again, go; a tick changes; the list fails now and then."""
    topics = (SOL, "trade.*")
    async with venue() as far_end, running(far_end, folder, *topics, markets_every=SOON) as run:
        await run.until(lambda: run.is_live(SOL))
        steps = (
            ([MARKET, OTHER], "listed: XYZ_USDC: trade.XYZ_USDC subscribed"),
            ([Listing("SOL_USDC", "0.01", "0.01", "Closed"), OTHER],
             "closed: SOL_USDC: depth.SOL_USDC, trade.SOL_USDC unsubscribed"),
            ([MARKET, OTHER], "open again: SOL_USDC: depth.SOL_USDC, trade.SOL_USDC subscribed"),
            ([Listing("SOL_USDC", "0.001", "0.01"), OTHER],
             "changed: SOL_USDC: tick 0.01, step 0.01 -> tick 0.001, step 0.01"),
            ([MARKET], "delisted: XYZ_USDC: trade.XYZ_USDC unsubscribed"),
        )  # fmt: skip
        for listings, notice in steps:
            far_end.relist(*listings)
            await run.until(lambda said=notice: run.said(said))  # type: ignore[misc]
        far_end.faults.add(MARKETS_PATH, Fault(status=404), 2)
        far_end.faults.add(MARKETS_PATH, Fault(body="[]"))
        before = len(far_end.requests)
        await far_end.until(lambda: len(far_end.requests) >= before + 5)
        say(far_end, bid(12))
        await run.until(lambda: run.last_id("SOL_USDC") == 12)
    return run


async def by_prediction(folder: Path) -> Run:
    """Their list is asked for when the first of them is wanted, and not before."""
    bet = Listing("BET_USDC_PREDICTION", "0.01", "1")
    async with venue() as far_end, running(far_end, folder, SOL) as run:
        await run.until(lambda: run.is_live(SOL))
        far_end.relist(MARKET, bet)
        assert MARKETS_PATH in far_end.requests
        assert not any("PREDICTION" in request for request in far_end.requests)
        far_end.faults.add(MARKETS_PATH, Fault(body="<html>"))
        with pytest.raises(VenueError, match="cannot be read"):
            await run.recorder.subscribe(["trade.*_PREDICTION"])
        far_end.faults.add(MARKETS_PATH, Fault(status=404))
        assert await run.recorder.subscribe(["trade.*_PREDICTION"]) == [f"trade.{bet.symbol}"]
        await far_end.until(subscribed(far_end, SOL, f"trade.{bet.symbol}"))
    return run


async def by_pause(folder: Path) -> Run:
    """Everything ends and comes back, but for what was asked off meanwhile."""
    async with venue() as far_end, running(far_end, folder, SOL, TRADES) as run:
        recorder = run.recorder
        await run.until(lambda: run.is_live(SOL))
        await recorder.pause()
        await recorder.pause()
        await far_end.until(subscribed(far_end))
        assert (recorder.topics, run.last_id("SOL_USDC")) == ((), None)
        assert "PAUSED" in recorder.alarm()
        await recorder.store.roll()
        assert await recorder.unsubscribe([TRADES]) == [TRADES]
        assert await recorder.subscribe(["ticker.ETH_USDC"]) == ["ticker.ETH_USDC"]
        assert len(asked(run, "SUBSCRIBE")) == 2
        await recorder.resume()
        await recorder.resume()
        await far_end.until(subscribed(far_end, SOL, "ticker.ETH_USDC"))
        assert recorder.alarm() == ""
        assert len(asked(run, "SUBSCRIBE")) == 4
        assert len(far_end.connections) == 1
        await recorder.store.roll()
        say(far_end, bid(12))
        await run.until(lambda: run.last_id("SOL_USDC") == 12)
    return run


async def between_connections(folder: Path) -> Run:
    """What is asked off while there is none, the next is told, so that the tape has it."""
    async with venue() as far_end, running(far_end, folder, SOL, TRADES) as run:
        await run.until(lambda: run.is_live(SOL))
        say(far_end, trade(5))
        await run.heard(2)
        far_end.connections[0].cut()
        await run.until(lambda: bool(run.kinds(Kind.CLOSE)))
        assert await run.recorder.unsubscribe([TRADES]) == [TRADES]
        await run.until(lambda: run.is_live(SOL))
        assert run.recorder.intake.engine.streams == [SOL]
        assert await run.recorder.subscribe([TRADES]) == [TRADES]
        await far_end.until(subscribed(far_end, SOL, TRADES))
        say(far_end, trade(9))
        await run.heard(3)
    return run


SCENES: dict[str, Scene[Run]] = {
    "by_api": by_api,
    "by_list": by_list,
    "by_pause": by_pause,
    "by_prediction": by_prediction,
    "between_connections": between_connections,
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[Run]:
    return play(tmp_path_factory.mktemp("program"), SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_it_is_certified_and_replays_as_it_was(played: Played[Run], name: str) -> None:
    folder = played.folder(name)
    assert {manifest.verdict for manifest in segments(Tape(folder))} == {Verdict.CERTIFIED}
    assert list(Replay(folder)) == played.outcome(name).rows
    rejects = [row for row in played.outcome(name).rows if row.TABLE == "reject"]
    assert len(rejects) == (name == "by_prediction")


def heads(folder: Path) -> list[tuple[str, ...]]:
    """Topics of each segment's head."""
    return [tuple(json.loads(p)["topics"]) for p in plain.payloads(folder, "segment")]


def test_heads_say_what_is_subscribed_then(played: Played[Run]) -> None:
    assert heads(played.folder("by_api")) == [(SOL,), ()]
    assert heads(played.folder("by_pause")) == [(SOL, TRADES), (), (SOL, "ticker.ETH_USDC")]


def test_no_ghost_book_and_no_gap_is_left(played: Played[Run]) -> None:
    """Late frames are on the tape and in no table; what nobody asked for is no gap."""
    folder = played.folder("by_api")
    assert plain.payloads(folder, "data").count(bid(12).encode()) == 1
    assert {row["last_update_id"] for row in plain.table(folder, "depth")} == {None, 11, 13}
    assert [row["trade_id"] for row in plain.table(folder, "trade")] == [5, 9]
    for name in ("by_api", "by_pause", "by_list"):
        assert plain.table(played.folder(name), "gap") == []
        assert played.outcome(name).recorder.tally.without_book_ns == 0


def test_an_absence_of_both_is_a_gap_of_the_connection_alone(played: Played[Run]) -> None:
    rows = plain.table(played.folder("between_connections"), "gap")
    assert {row["topic"] for row in rows} == {None}


def test_only_lists_that_changed_are_on_the_tape(played: Played[Run]) -> None:
    """The first, five changes, and one that could not be."""
    run = played.outcome("by_list")
    lists = [frame for frame in run.kinds(Kind.REPLY) if frame.topic == MARKETS_PATH]
    requests = [frame for frame in run.kinds(Kind.REQUEST) if frame.topic == MARKETS_PATH]
    assert (len(lists), len(requests)) == (8, 8)
    assert lists[-2].payload == b"[]"
    said = [(row.event, row.market) for row in run.rows if isinstance(row, Market)]
    assert said == [
        *[("listed", "SOL_USDC"), ("listed", "ETH_USDC"), ("listed", "XYZ_USDC")],
        *[("delisted", "ETH_USDC"), ("changed", "SOL_USDC"), ("changed", "SOL_USDC")],
        *[("changed", "SOL_USDC"), ("changed", "SOL_USDC"), ("delisted", "XYZ_USDC")],
        *[("delisted", "SOL_USDC"), ("listed", "SOL_USDC")],
    ]


def test_a_list_that_fails_is_told_once(played: Played[Run]) -> None:
    """And changes nothing of what is subscribed."""
    told = [notice for notice in played.outcome("by_list").notices if "no market list" in notice]
    assert len(told) == 1
    assert "HTTP 404" in told[0]


def test_coverage_knows_when_a_topic_was_recorded(played: Played[Run]) -> None:
    """From its SUBSCRIBE to its UNSUBSCRIBE."""
    run, tape = played.outcome("by_api"), Tape(played.folder("by_api"))
    day = {line.topic: line for line in coverage(tape, segments(tape))}
    sent = [frame.ts_recv for frame in run.kinds(Kind.SENT)]
    first = min(frame.ts_recv for frame in run.frames)  # the market list was asked for before
    last = run.frames[-1].ts_recv
    assert day[SOL].covered_ns == sent[2] - first + last - sent[4]
    assert day[TRADES].covered_ns == sent[3] - sent[1] + last - sent[5]
    assert {missing.cause for line in day.values() for missing in line.missing} == {"unrecorded"}


class Lists:
    """A venue that lists the same under every path."""

    base_url = ""

    async def turn(self) -> None:
        """At once."""

    async def get(self, path: str) -> Reply:
        """A list, whatever is asked for."""
        return Reply(markets_body([MARKET]).encode(), None)


def test_lists_asked_for_before_the_tape_is_open_are_taped_then() -> None:
    """So that the head of the first segment stays the first frame."""
    intake = Intake(lambda request: None)
    lists = MarketLists(Lists(), intake, print, False)  # type: ignore[arg-type]

    async def ask() -> None:
        await lists.begin([SOL])
        assert await lists.need(["trade.*_PREDICTION"])

    asyncio.run(ask())
    assert intake.seq == 0
    taped: list[str] = []
    intake.listeners.append(lambda frame, rows: taped.append(frame.topic))
    lists.tape()
    assert taped == [MARKETS_PATH] * 2 + [f"{MARKETS_PATH}?marketType=PREDICTION"] * 2


async def live_scene(folder: Path) -> list[str]:
    """A loop that asks for more when it sees something, and off again."""
    seen: list[str] = []
    async with venue() as far_end:
        live = Live(
            [SOL, "ticker.ETH_USDC"], data=folder, ws_url=far_end.ws_url, rest_url=far_end.rest_url
        )
        assert live.unsubscribe("ticker.ETH_USDC") == live.subscribe("ticker.SOL_USDC") == []
        async with aclosing(aiter(live)) as rows:
            async for row in rows:
                if row.TABLE == "depth" and "depth" not in seen:
                    with pytest.raises(TopicError):
                        live.book("ETH_USDC")
                    with pytest.raises(TopicError, match="nearest"):
                        live.subscribe("trade.SOLUSDC")
                    assert live.subscribe(TRADES, "depth.ETH_USDC") == [TRADES, "depth.ETH_USDC"]
                    assert live.book("ETH_USDC") is None
                    asyncio.get_running_loop().call_later(0, say_when_subscribed, far_end)
                seen.append(row.TABLE)
                if isinstance(row, Trade):
                    assert live.unsubscribe(TRADES) == [TRADES]
                    break
    with pytest.raises(UsageError, match="has ended"):
        live.subscribe(TRADES)
    return seen


def say_when_subscribed(far_end: Venue) -> None:
    """A trade, as soon as somebody hears it."""

    async def wait() -> None:
        await far_end.until(lambda: TRADES in far_end.connections[-1].topics)
        say(far_end, trade(5))

    far_end.waiting = asyncio.ensure_future(wait())  # type: ignore[attr-defined]


def test_a_loop_may_ask_for_more(tmp_path: Path) -> None:
    seen = asyncio.run(live_scene(tmp_path))
    assert seen[-1] == "trade"
    assert heads(tmp_path) == [(SOL, "ticker.SOL_USDC")]
    assert plain.manifests(tmp_path)[0]["verdict"] == "certified"
