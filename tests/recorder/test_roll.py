"""Segments of one session: each certified, each replays alone, and nothing falls between them."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from pathlib import Path

import pytest

from market.engine import Engine
from recorder.child import run_child
from schemas.digest import Witness
from schemas.frames import Frame, Kind
from schemas.rows import Row
from tape.layout import Tape
from tape.manifest import Manifest, Verdict
from tape.reader import read_frames, segments
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.commands import bp_record, options, venue
from tests.recorder.market import SNAPSHOTS, SOL, TRADES, Sides, bid, bids, trade
from tests.recorder.runs import Played, Scene, play, running, sides_of, truth
from tests.simulate import Plan, simulate
from tests.venue import (
    Cut,
    Do,
    Fault,
    Lose,
    Play,
    Send,
    ShadowBook,
    Step,
    Venue,
    Wait,
    WaitRequest,
    WaitSubscribed,
    of_session,
)

DEPTH = "/api/v1/depth"


def check_seams(data: Path) -> list[Manifest]:
    """Numbers and seqs go on by one, every segment is certified, the last one was stopped."""
    found = segments(Tape(data))
    assert [m.number for m in found] == list(range(1, len(found) + 1))
    assert found[0].first_seq == 1
    assert all(b.first_seq == a.last_seq + 1 for a, b in pairwise(found))
    assert {m.verdict for m in found} == {Verdict.CERTIFIED}
    assert [m.end for m in found] == ["roll"] * (len(found) - 1) + ["stop"]
    assert plain.journals(data) == []
    assert verify(Tape(data)) == []
    return found


def alone(data: Path, manifest: Manifest) -> tuple[Witness, Engine, list[Frame]]:
    """Replay one segment with an engine that has seen nothing before."""
    witness, engine, frames = Witness(), Engine(), list(read_frames(Tape(data), manifest))
    for frame in frames:
        witness.see(frame, engine.feed(frame))
    return witness, engine, frames


def check_alone(data: Path, manifest: Manifest) -> None:
    """What the segment makes alone is what its manifest says, which is what was live."""
    witness, _, frames = alone(data, manifest)
    digests = witness.checkpoint()
    assert (digests.frames, digests.rows) == (manifest.frames_digest, manifest.rows_digest)
    assert frames[0].kind == Kind.SEGMENT
    noted = json.loads(frames[-1].payload)
    assert (frames[-1].kind, noted["end"]) == (Kind.CHECKPOINT, manifest.end)


def book_after(data: Path, manifest: Manifest, symbol: str) -> Sides | None:
    """The book as it stands at the end of a segment, from that segment alone."""
    _, engine, _ = alone(data, manifest)
    book = engine.book(symbol)
    return None if book is None else sides_of(book)


def shadow(data: Path, until: int, symbol: str, body: str) -> Sides:
    """The same from all frames before a seq, by a book of plain decimals."""
    book, stream = ShadowBook(body), f"depth.{symbol}"
    for line in plain.frames(data, "data"):
        message = json.loads(line["payload"])
        if line["seq"] <= until and message["stream"] == stream:
            book.apply(message["data"])
    return book.bids, book.asks


FEED = of_session(simulate(Plan(seed=7, seconds=20)))


async def seamless(folder: Path) -> None:
    """Twenty seconds of simulated markets in two, rolled every half second."""
    topics = sorted(FEED.topics)
    asked = [WaitRequest(f"/api/v1/depth?symbol={symbol}") for symbol in FEED.snapshots]
    begin = [*map(WaitSubscribed, topics), Play(FEED, 10.0, stop=200), *asked]
    far_end = Venue.of_feed(FEED, [*begin, Play(FEED, 10.0, start=200)])
    async with far_end, running(far_end, folder, *topics, roll=0.5, sealing=run_child) as run:
        await run.heard(len(FEED.frames))
        for symbol in FEED.snapshots:
            assert run.sides(symbol) == truth(far_end.truth.book(symbol))


class Rolls:
    """Counts the segments a recorder begins, so that a script can wait for the next."""

    def __init__(self) -> None:
        self._heads = 0

    def hear(self, frame: Frame, rows: list[Row]) -> None:
        """A listener of the intake."""
        del rows
        self._heads += frame.kind == Kind.SEGMENT

    def more(self, count: int) -> Step:
        """Wait until so many more have begun."""

        async def wait(_: Venue) -> None:
            heads = self._heads
            while self._heads < heads + count:
                await asyncio.sleep(0.005)

        return Do(wait)


async def record_rolls(venue: Venue, rolls: Rolls, data: Path, roll: float) -> None:
    """Record a script that ends with id 20."""
    async with venue, running(venue, data, SOL, TRADES, roll=roll) as run:
        run.recorder.intake.listeners.append(rolls.hear)
        await run.until(lambda: run.last_id("SOL_USDC") == 20)
        assert run.sides("SOL_USDC") == truth(venue.truth.book("SOL_USDC"))


async def holed(folder: Path) -> None:
    """Two segments go by in silence, then ids are missing."""
    rolls = Rolls()
    script = [
        *[WaitSubscribed(TRADES), Send(bid(11)), WaitRequest(DEPTH), Send(trade(70))],
        *[Send(bid(12)), rolls.more(2), Lose(bid(13)), Send(trade(73)), Send(bid(14))],
        *[WaitRequest(DEPTH), *map(Send, bids(15, 6))],
    ]
    await record_rolls(Venue(script, snapshots=SNAPSHOTS), rolls, folder, roll=0.3)


async def eventful(folder: Path) -> None:
    """Rolls while the snapshot is still to come, while the book is live, while nobody is there."""
    rolls = Rolls()
    script = [
        *[WaitSubscribed(TRADES), Send(bid(11)), WaitRequest(DEPTH), Send(bid(12)), rolls.more(2)],
        *[Send(bid(13)), WaitRequest(DEPTH), Send(bid(14)), rolls.more(1), Send(bid(15))],
        *[rolls.more(1), Wait(0.05), Cut(), Lose(bid(16)), rolls.more(1), WaitSubscribed(TRADES)],
        *[rolls.more(1), Send(bid(17)), WaitRequest(DEPTH), *map(Send, bids(18, 3))],
    ]
    venue = Venue(script, snapshots=SNAPSHOTS)
    venue.faults.add(DEPTH, Fault(500, "oops"))
    await record_rolls(venue, rolls, folder, roll=0.2)


SCENES: dict[str, Scene[None]] = {s.__name__: s for s in (seamless, holed, eventful)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[None]:
    """All scenes, each with a venue and a recorder of its own."""
    return play(tmp_path_factory.mktemp("rolls"), SCENES)


def test_segments_follow_each_other_without_a_seam(played: Played[None]) -> None:
    """All frames, no gap; each segment makes alone what it made live, books included."""
    data = played.folder("seamless")
    found = check_seams(data)
    assert len(found) >= 4
    assert plain.payloads(data) == [frame.text.encode() for frame in FEED.frames]
    assert plain.holes(data) == []
    for manifest in found:
        check_alone(data, manifest)
    for symbol, body in FEED.snapshots.items():
        books = {m.last_seq: book_after(data, m, symbol) for m in found}
        live = {seq: book for seq, book in books.items() if book is not None}
        assert len(live) >= 2  # of which the second came as a keyframe
        assert live == {seq: shadow(data, seq, symbol, body) for seq in live}


def test_a_hole_over_a_seam_is_told_once_with_its_beginning(played: Played[None]) -> None:
    """The last ids before the roll are remembered over it, for depth and for trades."""
    data = played.folder("holed")
    found, rows = check_seams(data), plain.holes(data)
    gaps = {row["topic"]: row for row in rows}
    assert len(rows) == len(gaps) == 2
    before = {line["payload"]: line["seq"] for line in plain.frames(data, "data")}
    for topic, last, expected in ((SOL, bid(12), 13), (TRADES, trade(70), 71)):
        since = before[last.encode()]
        assert (gaps[topic]["expected_id"], gaps[topic]["since_seq"]) == (expected, since)
        assert segment_of(gaps[topic]["seq"], found) >= segment_of(since, found) + 2
    for manifest in found:
        check_alone(data, manifest)


def segment_of(seq: int, found: list[Manifest]) -> int:
    """Number of the segment a frame is in."""
    (number,) = (m.number for m in found if m.first_seq <= seq <= m.last_seq)
    return number


def test_a_roll_may_come_at_any_state_of_a_book(played: Played[None]) -> None:
    """What is remembered goes into the next segment, which replays alone."""
    data = played.folder("eventful")
    found = check_seams(data)
    assert len(found) >= 7
    for manifest in found:
        check_alone(data, manifest)
    (gap,) = plain.holes(data)
    assert (gap["cause"], gap["expected_id"], gap["received_id"]) == ("disconnect", 16, 17)
    states = {json.loads(p)["sync"]["state"] for p in keyframes(data, SOL)}
    assert states == {"empty", "buffering", "live"}


def keyframes(data: Path, topic: str) -> list[bytes]:
    """The states of a stream that segments begin with."""
    return [f["payload"] for f in plain.frames(data, "keyframe") if f["topic"] == topic]


def test_bp_record_rolls(tmp_path: Path) -> None:
    """By its option; the summary counts the segments, and gives the frames of all."""
    with venue("--feed", "sim", "--seconds", "20", "--speed", "4", "--repeat", "0") as far_end:
        timing = ("--roll", "1s", "--duration", "2s")
        ended = bp_record(*options(far_end, tmp_path, *far_end.topics), *timing)
    assert ended.code == 0, ended
    found = check_seams(tmp_path)
    assert len(found) >= 2
    (verdict,) = [line for line in ended.lines if line[0] == "verdict"]
    assert verdict[1:6] == [
        *("certified", str(len(found)), "segments"),
        *(str(sum(m.frames for m in found)), "frames"),
    ]
