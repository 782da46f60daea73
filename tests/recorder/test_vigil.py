"""Topics that say nothing, against a venue over real sockets: which are quiet, which are dead."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic_ns, time_ns
from typing import Any

import pytest
from rich.console import Console

from market.engine import Engine
from recorder.health import Reason, problems
from recorder.metric import expose
from recorder.metrics import read
from recorder.settings import OnSilence, Patience
from recorder.stamp import Stamp
from recorder.status import status
from recorder.summary import exit_code, print_summary
from recorder.watch import Watch
from replay import Replay
from schemas.check_rows import Silence as SilenceRow
from schemas.frames import Kind
from schemas.requests import subscribed
from schemas.shedding import Level
from tape.layout import Tape
from tape.reader import segments
from tape.recorded import recorded_topics
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.market import SNAPSHOTS, SOL, TRADES, bid, bids, depth, envelope, trade
from tests.recorder.runs import Played, Run, Scene, play, running, truth
from tests.recorder.scrape import parse
from tests.venue import Fault, Venue
from tests.venue.catalogue import Listing, markets_body
from tests.venue.link import cue_of

QUOTES = "bookTicker.SOL_USDC"
TICKER, OTHER = "ticker.SOL_USDC", "ticker.ETH_USDC"
ALL = (SOL, TICKER, OTHER)
DEPTH, MARKET, NEWEST = "/api/v1/depth", "/api/v1/market?", "/api/v1/trades"
NO_ROUTE = '{"code":"NO_ROUTE","message":"of a proxy"}'
LOSSES = 3
TALK_S = 0.05
SHED = 50  # of two tickers: longer than they may be silent
# Of the times of the table: 1.2 s for books, 0.3 s for tickers; and 3 s, 0.75 s where tickers talk.
# What a busy machine adds to that may make topics quiet in between, but not dead.
QUICK = Patience(look=0.02, silence=0.02, grace=0.2, redial=0.5)
EASY = QUICK._replace(silence=0.05)
LISTINGS = [Listing(f"{asset}_USDC", "0.01", "0.01") for asset in ("SOL", "ETH")]


def post(far_end: Venue, *texts: str, lost: bool = False) -> None:
    """The venue says this to whoever is subscribed; lost: to nobody, but its books go on."""
    far_end.post([cue_of(text) for text in texts], lost=lost)


def quote(update_id: int) -> str:
    """A bookTicker with the best prices of the venue's first book."""
    data = {"A": "1.00", "B": "4.00", "E": 1_700_000_000_000_000, "a": "100.70", "b": "100.60"}
    return envelope(QUOTES, {**data, "e": "bookTicker", "s": "SOL_USDC", "u": update_id})


def ticker(topic: str) -> str:
    """A ticker frame."""
    symbol = topic.partition(".")[2]
    return envelope(topic, {"E": 1_700_000_000_000_000, "e": "ticker", "s": symbol})


@asynccontextmanager
async def talking(far_end: Venue, *topics: str) -> AsyncIterator[None]:
    """Tickers come, as they always do."""

    async def talk() -> None:
        while True:
            post(far_end, *map(ticker, topics))
            await asyncio.sleep(TALK_S)

    task = asyncio.create_task(talk())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def scenery(
    folder: Path | None, *topics: str, talk: tuple[str, ...] = (), **settings: Any
) -> AsyncIterator[tuple[Venue, Run]]:
    """A venue of two markets, of which one has a book, and a recorder. talk: tickers that come."""
    far_end = Venue(snapshots=SNAPSHOTS, markets=markets_body(LISTINGS))
    async with (
        far_end,
        talking(far_end, *talk),
        running(far_end, folder, *topics, **{"patience": QUICK, **settings}) as run,
    ):
        await far_end.until(lambda: any(set(topics) <= link.topics for link in far_end.connections))
        yield far_end, run


async def live(far_end: Venue, run: Run) -> None:
    """The book of SOL joins, at id 14."""
    post(far_end, bid(11))
    await run.until(lambda: run.is_live(SOL))
    post(far_end, *bids(12, 3))
    await run.until(lambda: run.last_id("SOL_USDC") == 14)


def forget(far_end: Venue, topic: str) -> None:
    """The venue drops a subscription without a word."""
    for link in far_end.connections:
        link.topics.discard(topic)


def silences(run: Run) -> list[SilenceRow]:
    """All rows of silences."""
    return [row for row in run.rows if isinstance(row, SilenceRow)]


def verdicts(run: Run, topic: str) -> list[str]:
    """Of a topic, in order, each with what was done behind a slash."""
    rows = [row for row in silences(run) if row.topic == topic]
    return [f"{row.verdict}/{row.action}".rstrip("/") for row in rows]


def asked(run: Run, topic: str) -> list[int]:
    """Connections on which a topic was subscribed, once for each time."""
    sent = run.kinds(Kind.SENT)
    return [frame.conn for frame in sent if topic in subscribed(frame.payload)]


def in_memory(scene: Callable[[Path | None], Awaitable[Run]]) -> Scene[Run]:
    """Nothing is kept."""
    return lambda folder: scene(None)


async def quiet(folder: Path | None) -> Run:
    """A market in which nothing happens, and then something."""
    async with scenery(folder, SOL) as (far_end, run):
        await live(far_end, run)
        await run.until(lambda: verdicts(run, SOL)[-1:] == ["quiet"])
        assert [(one.topic, one.silence) for one in (await status(run.recorder)).topics] == [
            (SOL, "quiet")
        ]
        post(far_end, bid(15))
        await run.until(lambda: verdicts(run, SOL)[-1] == "heard")
        assert run.sides("SOL_USDC") == truth(far_end.truth.book("SOL_USDC"))
    return run


async def unheard(folder: Path | None) -> Run:
    """A market that has said nothing since it was subscribed: the book from REST is all."""
    async with scenery(folder, SOL) as (_, run):
        await run.until(lambda: verdicts(run, SOL)[-1:] == ["quiet"])
    return run


async def dead(folder: Path | None) -> Run:
    """One subscription is gone, all others talk."""
    async with scenery(folder, *ALL, patience=EASY, talk=(TICKER, OTHER)) as (far_end, run):
        await live(far_end, run)
        forget(far_end, SOL)
        post(far_end, *bids(15, 4), lost=True)
        await far_end.until(lambda: SOL in far_end.connections[-1].topics)
        post(far_end, bid(19))
        await run.until(lambda: run.is_live(SOL) and run.last_id("SOL_USDC") == 19)
        await run.until(lambda: verdicts(run, SOL)[-1] == "heard")
        assert run.sides("SOL_USDC") == truth(far_end.truth.book("SOL_USDC"))
    return run


async def beside(folder: Path | None) -> Run:
    """Quotes of the market are ahead of its book, and REST is of no help."""
    topics = (SOL, QUOTES, OTHER)
    async with scenery(folder, *topics, patience=EASY, talk=(OTHER,)) as (far_end, run):
        await live(far_end, run)
        far_end.faults.add(DEPTH, Fault(drop=True), times=1_000)
        forget(far_end, SOL)
        post(far_end, quote(20))
        await far_end.until(lambda: SOL in far_end.connections[-1].topics)
        post(far_end, bid(15))
        await run.until(lambda: verdicts(run, SOL)[-1] == "heard")
    return run


async def untouched(folder: Path | None) -> Run:
    """The book goes on while its best prices stay, of which quotes say nothing; and then others
    that they should have said."""
    async with scenery(folder, SOL, QUOTES) as (far_end, run):
        await live(far_end, run)
        post(far_end, quote(14))
        number = 15
        while verdicts(run, QUOTES)[-1:] != ["quiet"]:
            post(far_end, bid(number))
            number += 1
            await asyncio.sleep(TALK_S)
        post(far_end, depth(number, bids=[("100.65", "1.00")]))
        await run.until(lambda: verdicts(run, QUOTES)[-1] == "dead/subscribe again")
    return run


async def mended(folder: Path | None) -> Run:
    """A subscription that was dropped is there again, and then nothing happens any more."""
    async with scenery(folder, SOL) as (far_end, run):
        await live(far_end, run)
        forget(far_end, SOL)
        post(far_end, *bids(15, 4), lost=True)
        await run.until(lambda: verdicts(run, SOL)[-1:] == ["quiet"] and len(asked(run, SOL)) > 1)
    return run


async def late(folder: Path | None) -> Run:
    """Nobody has read the socket for 100 s, as where the process was stopped."""
    ahead = 0

    def clock() -> Stamp:
        return Stamp(time_ns() + ahead, monotonic_ns() + ahead)

    settings: dict[str, Any] = {"patience": EASY, "clock": clock}
    async with scenery(folder, TICKER, OTHER, talk=(TICKER, OTHER), **settings) as (_, run):
        await run.heard(4)
        ahead = 100_000_000_000
        await run.heard(30)
    return run


async def shed(folder: Path | None) -> Run:
    """Nothing is taken for a while, as the recorder does not keep up."""
    topics = (TICKER, OTHER)
    async with scenery(folder, *topics, talk=topics, patience=EASY) as (_, run):
        await run.heard(4)
        intake = run.recorder.intake
        intake.turn(Level.NOTHING)
        await run.until(lambda: intake.shedding.frames.total() >= SHED)
        intake.turn(Level.ALL)
        await run.heard(len(run.payloads) + 10)
    return run


async def stalled(folder: Path | None) -> Run:
    """Nothing comes any more on a connection that answers pings."""
    async with scenery(folder, *ALL, patience=EASY, talk=(TICKER, OTHER)) as (far_end, run):
        await live(far_end, run)
        far_end.connections[0].stall(deaf=False)
        post(far_end, *bids(15, 2), lost=True)
        await far_end.until(lambda: len(far_end.connections) == 2)
        await run.until(lambda: verdicts(run, TICKER)[-1:] == ["heard"])
        await run.until(lambda: run.is_live(SOL))
        assert run.last_id("SOL_USDC") == 16
    return run


async def no_market(folder: Path | None) -> Run:
    """The market is gone before it is subscribed, and the list does not say so."""
    far_end = Venue(snapshots=SNAPSHOTS, markets=markets_body(LISTINGS))
    async with (
        far_end,
        running(far_end, folder, SOL, TICKER, patience=QUICK, markets_every=None) as run,
    ):
        await far_end.until(lambda: bool(far_end.requests))
        far_end.relist(LISTINGS[1])
        await run.until(lambda: all(verdicts(run, name)[-1:] == ["no_market"] for name in ALL[:2]))
        await asyncio.sleep(1.0)
    return run


async def closed(folder: Path | None) -> Run:
    """The market closes."""
    settings: dict[str, Any] = {"patience": EASY, "markets_every": None}
    async with scenery(folder, *ALL, talk=(OTHER,), **settings) as (far_end, run):
        await live(far_end, run)
        post(far_end, ticker(TICKER))
        far_end.relist(Listing("SOL_USDC", "0.01", "0.01", "Closed"), LISTINGS[1])
        await run.until(lambda: all(verdicts(run, name)[-1:] == ["no_market"] for name in ALL[:2]))
    return run


async def no_rest(folder: Path | None) -> Run:
    """REST does not answer when it is needed."""
    async with scenery(folder, *ALL, patience=EASY, talk=(OTHER,)) as (far_end, run):
        await live(far_end, run)
        far_end.faults.add(DEPTH, Fault(drop=True), times=1_000)
        far_end.faults.add(MARKET, Fault(404, NO_ROUTE), times=1_000)
        await run.until(lambda: all(verdicts(run, name)[-1:] == ["unknown"] for name in ALL[:2]))
        await asyncio.sleep(0.5)
    return run


async def hopeless(folder: Path | None) -> Run:
    """The venue takes each subscription of a ticker and never says anything, as where its own feed
    is dead."""
    async with scenery(folder, TICKER, OTHER, patience=EASY, talk=(OTHER,)) as (_, run):
        await run.until(lambda: asked(run, TICKER).count(2) >= 3)
    return run


async def mute(folder: Path | None) -> Run:
    """Nothing comes on any connection, as where the venue has stopped."""
    patience = EASY._replace(redial=2.0)
    async with scenery(folder, TICKER, OTHER, patience=patience) as (far_end, run):
        await far_end.until(lambda: len(far_end.connections) == 3)
    return run


async def trades(folder: Path | None) -> Run:
    """REST knows the newest trade: first the one that we have, then one that we have not."""
    patience = QUICK._replace(silence=0.005)
    async with scenery(folder, TRADES, patience=patience) as (far_end, run):
        newest: dict[str, Any] = {"price": "1", "quantity": "1", "timestamp": 1}
        known = Fault(200, json.dumps([{**newest, "id": 7}]))
        far_end.faults.add(NEWEST, known, times=1_000)
        post(far_end, trade(7))
        await run.until(lambda: verdicts(run, TRADES)[-1:] == ["quiet"])
        far_end.faults.clear(NEWEST)
        far_end.faults.add(NEWEST, Fault(200, json.dumps([{**newest, "id": 9}])), times=1_000)
        await run.until(lambda: len(asked(run, TRADES)) == 2)
        post(far_end, trade(10))
        await run.until(lambda: verdicts(run, TRADES)[-1] == "heard")
    return run


async def told(folder: Path | None) -> Run:
    """Nothing is done, and it is said."""
    settings: dict[str, Any] = {"patience": EASY, "silence": OnSilence.TELL}
    async with scenery(folder, TICKER, OTHER, talk=(OTHER,), **settings) as (_, run):
        await run.until(lambda: verdicts(run, TICKER) == ["dead"])
        await asyncio.sleep(0.5)
    return run


async def ignored(folder: Path | None) -> Run:
    """Nobody looks."""
    settings: dict[str, Any] = {"patience": EASY, "silence": OnSilence.OFF}
    async with scenery(folder, TICKER, OTHER, talk=(OTHER,), **settings) as (_, run):
        await asyncio.sleep(2.5)
    return run


async def parted(folder: Path | None) -> Run:
    """Nobody asks for a quiet topic any more."""
    async with scenery(folder, SOL, OTHER, talk=(OTHER,)) as (far_end, run):
        await live(far_end, run)
        await run.until(lambda: verdicts(run, SOL)[-1:] == ["quiet"])
        await run.recorder.unsubscribe([SOL])
        await run.until(lambda: verdicts(run, SOL)[-1] != "quiet")
    return run


ON_DISK = (dead, stalled)  # sealed, which is most of what a scene costs
OTHERS = (
    *(quiet, unheard, no_market, closed, no_rest, hopeless, trades, told, parted),
    *(beside, untouched, mended, late, shed, ignored, mute),
)

SCENES: dict[str, Scene[Run]] = {
    **{scene.__name__: scene for scene in ON_DISK},
    **{scene.__name__: in_memory(scene) for scene in OTHERS},
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[Run]:
    return play(tmp_path_factory.mktemp("vigil"), SCENES)


@pytest.mark.parametrize("name", [scene.__name__ for scene in ON_DISK])
def test_a_recording_of_silences_is_certified(name: str, played: Played[Run]) -> None:
    """With the rows that were made live; none is left out."""
    run, data = played.outcome(name), played.folder(name)
    assert {m["verdict"] for m in plain.manifests(data)} == {"certified"}
    assert verify(Tape(data)) == []
    on_disk = [(row["seq"], row["verdict"]) for row in plain.table(data, "silence")]
    assert on_disk == [(row.seq, row.verdict) for row in silences(run)]


def test_silences_are_played_with_their_topics(played: Played[Run]) -> None:
    """And with no others."""
    run, data = played.outcome("stalled"), played.folder("stalled")
    rows = [row for row in Replay(data, topics=[TICKER]) if isinstance(row, SilenceRow)]
    assert rows == [row for row in silences(run) if row.topic == TICKER] != []
    assert recorded_topics(segments(Tape(data))) == sorted(ALL)


@pytest.mark.parametrize("name", SCENES)
def test_replay_makes_the_same_silences(name: str, played: Played[Run]) -> None:
    run, engine = played.outcome(name), Engine()
    again = [row for frame in run.frames for row in engine.feed(frame)]
    assert again == run.rows
    assert len(silences(run)) == len(run.kinds(Kind.SILENCE))


def test_a_market_that_is_quiet_is_left_alone(played: Played[Run]) -> None:
    """It costs a request; the interval is that between the two messages."""
    run = played.outcome("quiet")
    assert asked(run, SOL) == [1]
    assert exit_code(run.recorder) == 0
    assert not run.said("quiet")
    began, ended = silences(run)[-2:]
    messages = run.kinds(Kind.DATA)
    last, first = messages[-2], messages[-1]
    assert [began.since_seq, began.ts_since, began.ts_until, began.lasted_ns] == [
        *(last.seq, last.ts_recv, None, None)
    ]
    assert [ended.since_seq, ended.ts_since, ended.ts_until, ended.lasted_ns] == [
        *(last.seq, last.ts_recv, first.ts_recv, first.ts_mono - last.ts_mono)
    ]
    assert run.recorder.tally.silences.open == {}


def test_a_market_that_never_spoke_is_quiet_if_its_book_stands(played: Played[Run]) -> None:
    run = played.outcome("unheard")
    assert set(verdicts(run, SOL)) <= {"unheard", "quiet"}
    assert asked(run, SOL) == [1]
    (sent,) = run.kinds(Kind.SENT)
    assert {row.since_seq for row in silences(run)} == {sent.seq}


def test_a_subscription_that_was_dropped_is_asked_for_again(played: Played[Run]) -> None:
    """On the same connection; what was missed is a gap to the id, and nothing else is."""
    run, folder = played.outcome("dead"), played.folder("dead")
    assert verdicts(run, SOL)[-2:] == ["dead/subscribe again", "heard"]
    assert asked(run, SOL) == [1, 1]
    holes = [
        (row["cause"], row["expected_id"], row["received_id"], row["missing"])
        for row in plain.holes(folder)
    ]
    assert holes == [("depth_ids", 15, 19, 4)]
    assert run.said(f"dead: {SOL}: REST is at id 18, the topic at 14; subscribe again")
    assert run.said(f"heard: {SOL}: it was dead")
    assert exit_code(run.recorder) == LOSSES


def test_a_connection_on_which_nothing_comes_is_replaced(played: Played[Run]) -> None:
    run = played.outcome("stalled")
    for topic in (TICKER, OTHER):
        assert verdicts(run, topic) == ["dead/reconnect", "heard"]
    assert asked(run, SOL) == [1, 2]
    closes = [json.loads(frame.payload) for frame in run.kinds(Kind.CLOSE)]
    assert [(close["code"], close["stopped"]) for close in closes] == [(1000, False), (1000, True)]
    assert "nothing comes on the connection" in closes[0]["reason"]


def test_a_venue_that_has_stopped_is_dialled_ever_more_seldom(played: Played[Run]) -> None:
    """Said and taped once, though it goes on."""
    run = played.outcome("mute")
    first, second, *_ = (frame.ts_mono for frame in run.kinds(Kind.CLOSE))
    assert second - first > 1_000_000_000
    for topic in (TICKER, OTHER):
        assert verdicts(run, topic) == ["dead/reconnect"]


@pytest.mark.parametrize("name", ["no_market", "closed"])
def test_a_market_that_is_not_there_is_said_once(name: str, played: Played[Run]) -> None:
    """And nothing is done about it."""
    run = played.outcome(name)
    assert asked(run, SOL) == [1]
    assert len(run.kinds(Kind.OPEN)) == 1
    said = [notice for notice in run.notices if notice.startswith("no_market")]
    assert 1 <= len(said) <= 2


def test_nothing_is_torn_down_for_want_of_rest(played: Played[Run]) -> None:
    run = played.outcome("no_rest")
    assert asked(run, SOL) == asked(run, TICKER) == [1]
    assert exit_code(run.recorder) == 0


def test_a_feed_that_is_dead_costs_one_connection(played: Played[Run]) -> None:
    """Then only requests, which grow apart; and no rows, as nothing changes."""
    run = played.outcome("hopeless")
    assert verdicts(run, TICKER) == ["dead/subscribe again", "dead/reconnect"]
    assert set(asked(run, TICKER)) == {1, 2}
    assert verdicts(run, OTHER) == []
    times = [f.ts_mono for f in run.kinds(Kind.SENT) if subscribed(f.payload) == [TICKER]]
    assert times[-1] - times[-2] > 4 * QUICK.grace * 1e9  # by our own clock: no sooner than that


def test_trades_are_compared_with_the_newest_of_rest(played: Played[Run]) -> None:
    run = played.outcome("trades")
    assert verdicts(run, TRADES)[-3:] == ["quiet", "dead/subscribe again", "heard"]
    assert asked(run, TRADES) == [1, 1]


def test_streams_of_a_market_tell_of_each_other(played: Played[Run]) -> None:
    run = played.outcome("beside")
    assert verdicts(run, SOL)[-2:] == ["dead/subscribe again", "heard"]
    (dead,) = [row for row in silences(run) if row.verdict == "dead"]
    assert dead.evidence == f"{QUOTES} is at id 20, the topic at 14"
    run = played.outcome("untouched")
    assert verdicts(run, QUOTES)[-2:] == ["quiet", "dead/subscribe again"]
    assert set(verdicts(run, SOL)) <= {"quiet", "heard"}


def test_what_was_asked_for_again_is_judged_anew(played: Played[Run]) -> None:
    """By how far the venue was then: what was missed before does not make it dead twice."""
    run = played.outcome("mended")
    assert verdicts(run, SOL)[-2:] == ["dead/subscribe again", "quiet"]
    assert asked(run, SOL) == [1, 1]


@pytest.mark.parametrize("name", ["late", "shed"])
def test_what_was_not_read_or_not_taken_is_no_silence(name: str, played: Played[Run]) -> None:
    run = played.outcome(name)
    assert verdicts(run, TICKER) == []
    assert asked(run, TICKER) == [1]


def test_one_may_only_be_told(played: Played[Run]) -> None:
    run = played.outcome("told")
    assert asked(run, TICKER) == [1]
    assert verdicts(run, TICKER) == ["dead"]
    why = "it speaks once a second, and 1 others like it talk"
    assert run.said(f"dead: {TICKER}: {why}")
    watch = Watch(run.recorder)
    assert (Reason.DEAD, f"{TICKER}: {why}") in problems(watch)
    said = parse(expose(read(watch)))
    assert said.by("topics_silent", "verdict") == {"dead": 1}
    assert said.value("topic_silent", topic=TICKER, verdict="dead") == 1
    assert said.by("silences_total", "verdict") == {"dead": 1}
    assert said.by("silence_actions_total", "action") == {}
    assert exit_code(run.recorder) == LOSSES


def test_what_was_done_is_counted(played: Played[Run], capsys: pytest.CaptureFixture[str]) -> None:
    """And what is dead to the end is in the summary."""
    run = played.outcome("hopeless")
    said = parse(expose(read(Watch(run.recorder))))
    assert said.by("silence_actions_total", "action") == {"subscribe again": 1, "reconnect": 1}
    print_summary(Console(), run.recorder)
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert ["dead to the end", TICKER] in [line[:2] for line in lines]
    assert ["done about it", "reconnect", "1", "times"] in lines


def test_a_line_shows_what_a_silent_topic_is_taken_for(played: Played[Run]) -> None:
    (line,) = [one for one in played.outcome("told").recorder.tally.topics() if one.topic == TICKER]
    assert line.silence == "dead"


def test_one_may_not_be_told_either(played: Played[Run]) -> None:
    assert silences(played.outcome("ignored")) == []


def test_a_silence_ends_with_its_subscription(played: Played[Run]) -> None:
    assert verdicts(played.outcome("parted"), SOL)[-2:] == ["quiet", "unsubscribed"]
