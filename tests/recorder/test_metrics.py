"""What /metrics says is what the tape says; /healthz turns, and turns back."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fcntl import LOCK_EX, flock
from os import urandom
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recorder.child import run_child
from recorder.settings import Listen, Patience
from recorder.stamp import Clock, Stamp, now
from recorder.status_server import watched
from schemas.check_rows import Clock as ClockRow
from schemas.frames import Frame, Kind
from schemas.rows import Gap, Reject, Row
from tape.keep import Keep
from tests.recorder import plain
from tests.recorder.disks import tmpfs
from tests.recorder.market import SNAPSHOTS, SOL, TRADES, bid, bids, envelope, trade
from tests.recorder.raw import binary, text
from tests.recorder.runs import Played, Run, Scene, play, running
from tests.recorder.scrape import Scraped, reasons, scrape
from tests.recorder.stage import Stage
from tests.venue import (
    DOOR,
    Cut,
    Do,
    Fault,
    Lose,
    Send,
    Step,
    Venue,
    WaitRequest,
    WaitSubscribed,
)

DEPTH = "/api/v1/depth"
MEMORY = 100_000  # bytes
TOO_LARGE = b"x" * 150_000  # a message that never fits
KNOWN = ("depth", "trade")
SECOND = 10**9


class Watched(NamedTuple):
    """A recorder at work, and where it is watched."""

    run: Run
    port: int

    async def scrape(self) -> Scraped:
        """Its metrics."""
        return await asyncio.to_thread(scrape, self.port)

    async def reasons(self) -> dict[str, str]:
        """What is wrong with it."""
        return await asyncio.to_thread(reasons, self.port)

    async def until(self, true: Callable[[Scraped], bool]) -> Scraped:
        """Wait for something its metrics must come to say."""
        async with asyncio.timeout(60):
            while not true(said := await self.scrape()):
                await asyncio.sleep(0.01)
        return said

    async def turns(self, *wrong: str) -> dict[str, str]:
        """Wait until just these things are wrong with it."""
        async with asyncio.timeout(60):
            while set(found := await self.reasons()) != set(wrong):
                await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def watching(
    far_end: Venue, folder: Path, clock: Clock = now, **settings: Any
) -> AsyncIterator[Watched]:
    """Record SOL and be watched."""
    here = Listen("127.0.0.1", 0)
    topics = (SOL, TRADES)
    recording = running(far_end, folder, *topics, clock=clock, metrics=here, **settings)
    async with recording as run, watched(run.recorder) as port:
        assert port is not None
        yield Watched(run, port)


def wait(event: asyncio.Event) -> Do:
    """Until the test says so."""

    async def happens(_: Venue) -> None:
        await event.wait()

    return Do(happens)


def eventful(stage: Stage) -> list[Step]:
    """A bit of everything: gaps, rubbish, an outage, a message that finds no room."""

    async def both_ends(_: Venue) -> None:
        while stage.run is None or len(stage.run.kinds(Kind.LOSS)) < 2:
            await asyncio.sleep(0.005)

    unknown = envelope("weather.SOL_USDC", {"e": "weather"})
    return [
        *[WaitSubscribed(SOL), WaitSubscribed(TRADES), Send(bid(11)), WaitRequest(DEPTH)],
        *[*map(Send, bids(12, 9)), Send(trade(1)), Send(trade(2)), Send(trade(5))],
        *[Lose(bid(21)), Send(bid(22)), WaitRequest(DEPTH), *map(Send, bids(23, 7))],
        *[text(b"{rubbish"), text(b'"\xff"'), binary(b"01234"), Send(unknown, force=True)],
        *[text(b'{"error":{"code":4005,"message":"no"}}'), text(b"{}"), Cut()],
        *[WaitSubscribed(SOL), Send(bid(30)), WaitRequest(DEPTH), *map(Send, bids(31, 9))],
        *[text(TOO_LARGE), Do(both_ends), Send(bid(40)), WaitRequest(DEPTH), Send(bid(41))],
    ]


class Outcome(NamedTuple):
    """What the metrics said when the script was over, and what was on the tape by then; and how
    often it was scraped before that."""

    frames: list[Frame]
    rows: list[Row]
    said: Scraped
    scrapes: int

    def kinds(self, *kinds: Kind) -> list[Frame]:
        """The frames of some kinds."""
        return [frame for frame in self.frames if frame.kind in kinds]


async def everything(folder: Path) -> Outcome:
    """The eventful script, scraped all the time."""
    stage = Stage()
    far_end, scrapes = Venue(eventful(stage), snapshots=SNAPSHOTS), 0
    async with far_end, watching(far_end, folder, memory=MEMORY) as seen:
        run = stage.run = seen.run
        async with asyncio.timeout(60):
            while not (run.is_live(SOL) and run.last_id("SOL_USDC") == 41):
                scrapes += 1
                await seen.scrape()
                await asyncio.sleep(0.02)
        await run.until(lambda: not run.recorder.intake.memory.held)
        said = await seen.scrape()
        return Outcome(run.frames[:], run.rows[:], said, scrapes)


class Leap:
    """Clocks that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> Stamp:
        stamp = now()
        return Stamp(stamp.ts_recv + self.ahead, stamp.ts_mono + self.ahead)


async def late(folder: Path) -> None:
    """A book that does not come, and a venue that says nothing, for two minutes by our clock."""
    clock, go_on, release = Leap(), asyncio.Event(), asyncio.Event()
    script = [
        *[WaitSubscribed(SOL), Send(bid(11)), WaitRequest(DEPTH), wait(go_on)],
        *[Send(bid(12)), wait(release), Send(bid(13))],
    ]
    far_end = Venue(script, snapshots=SNAPSHOTS)
    far_end.faults.add(DEPTH, Fault(body="{}"), 1)
    async with far_end, watching(far_end, folder, clock) as seen:
        await seen.run.until(lambda: seen.run.table("reject") != [])
        far_end.faults.add(DEPTH, Fault(delay=1.0), 1)
        await seen.turns()
        clock.ahead = 125 * SECOND
        wrong = await seen.turns("silence", "book")
        assert wrong["silence"].startswith("no message for 2m0")
        assert wrong["book"].startswith(f"{SOL}: not live for 2m0")
        said = await seen.scrape()
        assert 120 < said.value("silence_seconds") < 200
        assert 120 < said.value("book_not_live_seconds", topic=SOL) < 200
        assert 120 < said.value("topic_last_frame_age_seconds", topic=SOL) < 200
        assert (said.value("topics_unheard"), said.value("snapshots_waiting")) == (1, 1)
        assert said.by("problem", "reason") == {"silence": 1, "book": 1}
        go_on.set()
        await seen.turns("book")
        await seen.run.until(lambda: seen.run.is_live(SOL))
        assert await seen.turns() == {}
        assert (await seen.scrape()).value("snapshots_waiting") == 0
        release.set()


async def cut_off(folder: Path) -> None:
    """A venue that lets nobody in for a while."""
    leave, back = asyncio.Event(), asyncio.Event()

    def close_door(venue: Venue) -> None:
        venue.faults.add(DOOR, Fault(status=503), 1_000)

    script = [
        *[WaitSubscribed(SOL), Send(bid(11)), wait(leave), Do(close_door), Cut()],
        *[wait(back), Do(lambda venue: venue.faults.clear(DOOR))],
        *[WaitSubscribed(SOL), Send(bid(12))],
    ]
    far_end = Venue(script, snapshots=SNAPSHOTS)
    ping = ("backpack_recorder_ping_round_trip_seconds", (("link", "1"),))
    often = Patience(ping=0.05)
    async with far_end, watching(far_end, folder, patience=often) as seen:
        await seen.turns()
        said = await seen.until(lambda said: ping in said.values)
        assert said.value("connected") == 1
        assert 0 < said.values[ping] < 60
        assert said.value("sealing_queue_segments") == 0
        assert (
            said.by("last_verdict", "verdict") == said.by("segments_sealed_total", "verdict") == {}
        )
        leave.set()
        await seen.turns("no_connection")
        await seen.run.until(lambda: seen.run.said("no websocket at"))
        assert "503" in (await seen.turns("no_connection"))["no_connection"]
        said = await seen.scrape()
        assert (said.value("connected"), said.value("connection_number")) == (0, 1)
        assert ping not in said.values
        assert said.value("book_state", topic=SOL, state="live") == 0
        back.set()
        assert await seen.turns() == {}
        assert (await seen.scrape()).value("connections_total") == 2


async def full_disk(folder: Path) -> None:
    """One that is full, until memory is full too; and back."""
    full, more = asyncio.Event(), asyncio.Event()
    script = [
        *[WaitSubscribed(SOL), Send(bid(11)), wait(full)],
        # More than a page, as there may be room in the last one of the journal.
        *[binary(urandom(MEMORY // 5)), wait(more), binary(urandom(MEMORY * 7 // 10))],
        text(TOO_LARGE),
    ]
    far_end = Venue(script, snapshots=SNAPSHOTS)
    with tmpfs(folder, "4m") as disk:
        async with far_end, watching(far_end, disk.root / "tape", memory=MEMORY) as seen:
            run = seen.run  # what it has yet to ask for would be shed too
            await run.until(lambda: run.is_live(SOL) and not run.recorder.intake.memory.held)
            await seen.turns()
            disk.fill()
            full.set()
            assert "No space left" in (await seen.turns("disk"))["disk"]
            assert (await seen.scrape()).value("disk_trouble") == 1
            more.set()
            wrong = await seen.turns("disk", "shedding")
            assert wrong["shedding"] == "1 frames were lost so far"
            assert (await seen.scrape()).value("shedding") == 1
            disk.empty()
            await seen.turns()
            said = await seen.scrape()
            assert said.value("disk_trouble_seconds_total") > 0
            assert said.value("shed_frames_total") == 1


async def sealing(folder: Path) -> None:
    """A segment is sealed; the next one waits, as somebody else has its journal."""
    far_end, clock, hour = Venue([], snapshots=SNAPSHOTS), Leap(), 3_600 * SECOND
    async with far_end, watching(far_end, folder, clock, sealing=run_child) as seen:
        await seen.turns()
        clock.ahead += hour
        said = await seen.until(lambda said: bool(said.by("last_verdict", "verdict")))
        assert said.by("last_verdict", "verdict") == {"certified": 1}
        assert said.by("segments_sealed_total", "verdict") == {"certified": 1}
        (name,) = plain.journals(folder)
        with (folder / "journal" / name).open("rb") as file:
            flock(file, LOCK_EX)
            clock.ahead += hour
            said = await seen.until(lambda said: said.value("sealing_queue_segments") > 0)
            assert said.value("sealing_queue_segments") == 1
            assert said.value("segment_number") == 3
        assert said.by("segments_not_sealed", "why") == {}


async def pause(folder: Path) -> None:
    """Somebody wants nothing recorded for two minutes by our clock; that is not silence, nor is it
    when it goes on. With a ring, of which a dump is taken."""
    clock, ages = Leap(), ("silence_seconds", "journal_age_seconds")
    silence, journal = ((f"backpack_recorder_{name}", ()) for name in ages)
    far_end = Venue([WaitSubscribed(SOL), Send(bid(11))], snapshots=SNAPSHOTS)
    async with far_end, watching(far_end, folder, clock, ring=60.0, ring_after=0.0) as seen:
        recorder = seen.run.recorder
        await seen.run.until(lambda: seen.run.is_live(SOL))
        await seen.turns()
        said = await seen.scrape()
        assert (said.value("paused"), said.value("topics")) == (0, 2)
        assert silence in said.values
        assert journal not in said.values
        assert said.value("ring_dumps_total") == said.value("account_topics_refused") == 0
        assert said.value("held_bytes") > 0
        await recorder.pause()
        clock.ahead += 150 * SECOND
        assert await seen.reasons() == {}
        said = await seen.scrape()
        assert (said.value("paused"), said.value("topics")) == (1, 0)
        assert silence not in said.values
        await recorder.resume()
        assert "silence" not in await seen.reasons()
        said = await seen.scrape()
        assert (said.value("paused"), said.value("topics")) == (0, 2)
        assert said.values[silence] < 120
        await recorder.dump("a look")
        said = await seen.until(lambda said: said.value("ring_dumps_total") >= 1)
        clock.ahead += 150 * SECOND
        assert "silence" in await seen.reasons()


async def pruning(folder: Path) -> None:
    """What was pruned is counted. The newest segment stays, so it takes two."""
    far_end, clock, hour = Venue([], snapshots=SNAPSHOTS), Leap(), 3_600 * SECOND
    keep = Keep.parse(["1B"])
    async with far_end, watching(far_end, folder, clock, keep=keep) as seen:
        await seen.turns()
        assert (await seen.scrape()).value("pruned_segments_total") == 0
        clock.ahead += hour
        await seen.until(lambda said: bool(said.by("last_verdict", "verdict")))
        clock.ahead += hour
        said = await seen.until(lambda said: said.value("pruned_segments_total") > 0)
        assert said.value("pruned_bytes_total") > 0


SCENES: dict[str, Scene[Any]] = {
    s.__name__: s for s in (everything, late, cut_off, full_disk, sealing, pause, pruning)
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[Any]:
    """All of them, side by side."""
    return play(tmp_path_factory.mktemp("metrics"), SCENES)


@pytest.fixture(scope="module")
def outcome(played: Played[Any]) -> Outcome:
    """Of the eventful one."""
    outcome = played.outcome("everything")
    assert isinstance(outcome, Outcome)
    return outcome


def channel(frame: Frame) -> str:
    """Of a message, as it spells it itself."""
    try:
        stream = json.loads(frame.payload).get("stream", "")
    except (ValueError, AttributeError):
        return "other"
    name = str(stream).partition(".")[0]
    return name if name in KNOWN else "other"


def test_messages_are_counted_by_channel(outcome: Outcome) -> None:
    said, messages = outcome.said, outcome.kinds(Kind.DATA, Kind.BINARY)
    frames = Counter(map(channel, messages))
    assert said.by("frames_total", "channel") == frames
    assert frames["other"] == 6
    sizes: Counter[str] = Counter()
    for frame in messages:
        sizes[channel(frame)] += len(frame.payload)
    assert said.by("frame_bytes_total", "channel") == sizes
    assert said.value("taken_frames_total") == outcome.frames[-1].seq
    assert said.value("unknown_frames_total") == 1
    assert said.value("error_replies_total") == 1


def test_lag_is_that_of_the_first_row_by_the_clock_of_the_venue(outcome: Outcome) -> None:
    """Once it has told its time."""
    said, first = outcome.said, {row.seq: row for row in reversed(outcome.rows)}
    offset, lags = 0, []
    for frame in outcome.frames:
        row = first.get(frame.seq)
        if isinstance(row, ClockRow) and row.offset_ns is not None:
            offset = row.offset_ns
        if frame.kind is Kind.DATA and row is not None and row.ts_event is not None:
            lags.append((channel(frame), frame.ts_recv + offset - row.ts_event))
    assert offset
    assert said.value("clock_offset_seconds") == offset / 1e9
    for name in KNOWN:
        spans = [lag for of, lag in lags if of == name]
        assert said.value("lag_seconds_count", channel=name) == len(spans) > 0
        assert said.value("lag_seconds_sum", channel=name) == sum(spans) / 1e9
        for bound, count in said.buckets("lag_seconds", channel=name).items():
            assert count == sum(lag <= bound * 1e9 for lag in spans)


def test_gaps_and_rejects_are_those_of_the_rows(outcome: Outcome) -> None:
    """A gap of several rows is one, by what showed it first."""
    said = outcome.said
    gaps: dict[tuple[str | None, str, int], Gap] = {}
    for row in outcome.rows:
        if isinstance(row, Gap):
            gaps.setdefault((row.topic, "" if row.topic else row.cause, row.since_seq), row)
    topics = Counter(row.topic or "all streams" for row in gaps.values())
    assert said.by("gaps_total", "topic") == topics
    assert set(topics) == {SOL, TRADES, "all streams"}
    causes = Counter(row.cause for row in gaps.values())
    assert said.by("gaps_by_cause_total", "cause") == causes
    assert {"depth_ids", "trade_ids", "disconnect", "loss"} <= set(causes)
    rejects = Counter(row.reason for row in outcome.rows if isinstance(row, Reject))
    assert said.by("rejects_total", "reason") == rejects
    assert set(rejects) == {"not_json", "bad_field", "no_stream", "binary"}
    assert said.value("without_book_seconds_total") > 0


def test_what_was_shed_is_counted(outcome: Outcome) -> None:
    said, ends = outcome.said, [json.loads(f.payload) for f in outcome.kinds(Kind.LOSS)]
    lost = [end for end in ends if end["ended"]]
    assert said.value("shed_frames_total") == sum(end["frames"] for end in lost) == 1
    assert said.value("shed_bytes_total") == sum(end["bytes"] for end in lost) == len(TOO_LARGE)
    assert (said.value("shedding"), said.value("held_limit_bytes")) == (0, MEMORY)
    assert said.value("held_bytes") == 0


def test_connection_requests_and_state(outcome: Outcome) -> None:
    """As the tape has them."""
    said, kinds = outcome.said, {kind: len(outcome.kinds(kind)) for kind in Kind}
    assert said.value("connections_total") == kinds[Kind.OPEN] == 2
    assert said.value("disconnects_total") == kinds[Kind.CLOSE] == 1
    assert said.value("rest_requests_total") == kinds[Kind.REQUEST]
    assert said.value("rest_failures_total") == kinds[Kind.FAILED]
    assert (said.value("connected"), said.value("connection_number")) == (1, 2)
    assert said.value("book_state", topic=SOL, state="live") == 1
    assert said.value("book_state", topic=SOL, state="stale") == 0
    assert said.value("book_not_live_seconds", topic=SOL) == 0
    assert (said.value("topics"), said.value("topics_unheard")) == (2, 0)
    assert said.by("problem", "reason") == {}
    assert said.value("segment_number") == 1


def test_it_says_how_the_machine_is(outcome: Outcome) -> None:
    """In plausible figures."""
    said = outcome.said
    assert 0 <= said.value("journal_age_seconds") < 60
    assert said.value("disk_free_bytes") > 0
    assert said.value("event_loop_lag_seconds_count") > 0
    assert said.value("socket_unread_bytes", link="1") >= 0
    values = said.values
    assert values["process_cpu_seconds_total", ()] > 0
    assert values["process_resident_memory_bytes", ()] > 10_000_000
    assert values["process_start_time_seconds", ()] > 1_500_000_000
    assert 3 < values["process_open_fds", ()] < values["process_max_fds", ()]


def test_every_metric_keeps_the_conventions(outcome: Outcome) -> None:
    """Counters end with _total and nothing else does; units are base units; help says something."""
    said = outcome.said
    assert set(said.types) == set(said.helps)
    for name, kind in said.types.items():
        assert (kind == "counter") == name.endswith("_total"), name
        assert name.startswith(("backpack_recorder_", "process_"))
        assert len(said.helps[name]) > 10
        assert not name.endswith(("_ns", "_ms", "_mb", "_count", "_sum", "_bucket"))


def test_a_recording_that_is_watched_is_none_the_worse(
    played: Played[Any], outcome: Outcome
) -> None:
    """Certified, although somebody scraped all the time."""
    assert outcome.scrapes > 0
    folder = played.folder("everything")
    assert {m["verdict"] for m in plain.manifests(folder)} == {"certified"}
    messages = outcome.kinds(Kind.DATA, Kind.BINARY)
    assert plain.payloads(folder) == [frame.payload for frame in messages]


@pytest.mark.parametrize("name", ["late", "cut_off", "full_disk", "sealing", "pause", "pruning"])
def test_scenes(played: Played[Any], name: str) -> None:
    """What the scene itself says: health turns and turns back, segments are sealed or wait."""
    played.outcome(name)
