"""Clocks that step, lag and lie: the tape keeps its order, and tells what they did."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from recorder.session import new_session
from recorder.settings import Patience
from recorder.stamp import Stamp, now
from tape.layout import SegmentName, Tape
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.market import SNAPSHOTS, SOL, bid, bids
from tests.recorder.runs import Run, running
from tests.recorder.stage import Stage, sent
from tests.tape.dumb import DumbRecorder
from tests.venue import Do, Fault, Send, Step, Venue, WaitRequest, WaitSubscribed

SECOND, HOUR = 10**9, 3_600 * 10**9
TIME = "/api/v1/time"


class SetClock:
    """The clocks of this machine, with a wall clock that a test can set."""

    def __init__(self) -> None:
        self.ahead = 0  # ns

    def __call__(self) -> Stamp:
        stamp = now()
        return Stamp(stamp.ts_recv + self.ahead, stamp.ts_mono)

    def turn(self, by: int) -> Do:
        """Set the wall clock forward, or back, by some ns."""

        def turn(_: Venue) -> None:
            self.ahead += by

        return Do(turn)


def notes(data: Path) -> list[dict[str, Any]]:
    """What the CLOCK frames say, the first of which came at the start."""
    return [json.loads(payload) for payload in plain.payloads(data, "clock")]


def check_whole(far_end: Venue, data: Path) -> list[dict[str, Any]]:
    """Everything is there, in the order of arrival, certified; its manifests."""
    assert plain.payloads(data) == sent(far_end)
    found = plain.manifests(data)
    assert {m["verdict"] for m in found} == {"certified"}
    assert all(b["first_seq"] == a["last_seq"] + 1 for a, b in pairwise(found))
    assert verify(Tape(data)) == []
    return found


def test_a_wall_clock_that_is_set_is_told_at_once(tmp_path: Path) -> None:
    """Forward by an hour, back by two: each a frame with the step, and a line for people."""
    clock, stage = SetClock(), Stage()
    script: list[Step] = [
        *[WaitSubscribed(SOL), Send(bid(11)), WaitRequest("/api/v1/depth"), Send(bid(12))],
        *[stage.hears_all(2), clock.turn(HOUR)],
        *[stage.hears("the wall clock was set forward by 3600.0"), *map(Send, bids(13, 5))],
        *[stage.hears_all(7), clock.turn(-2 * HOUR)],
        *[stage.hears("the wall clock was set back by 7200.0"), *map(Send, bids(18, 5))],
    ]
    far_end = Venue(script, snapshots=SNAPSHOTS)
    asyncio.run(stage.play(far_end, tmp_path, 22, clock=clock))
    check_whole(far_end, tmp_path)
    steps = [note["step_ns"] for note in notes(tmp_path)]
    assert [round(step / HOUR, 3) for step in steps] == [0, 1, -2]
    assert [note["venue_ms"] is None for note in notes(tmp_path)] == [False, True, True]
    times = {line["payload"]: line["ts_recv"] for line in plain.frames(tmp_path, "data")}
    moved = [times[bid(number).encode()].value for number in (12, 13, 18)]
    assert moved[0] + HOUR <= moved[1] < moved[0] + HOUR + 60 * SECOND
    assert moved[1] - 2 * HOUR <= moved[2] < moved[1] - 2 * HOUR + 60 * SECOND


def test_segments_end_in_time_when_the_clock_was_set_back(tmp_path: Path) -> None:
    """By the wall clock the next full interval is hours away; by the monotonic one it is not."""
    clock, stage = SetClock(), Stage()
    script: list[Step] = [
        *[WaitSubscribed(SOL), Send(bid(11)), WaitRequest("/api/v1/depth"), Send(bid(12))],
        *[stage.hears_all(2), clock.turn(-3 * HOUR), stage.begins(4), *map(Send, bids(13, 5))],
    ]
    far_end = Venue(script, snapshots=SNAPSHOTS)
    asyncio.run(stage.play(far_end, tmp_path, 17, clock=clock, roll=0.4))
    found = check_whole(far_end, tmp_path)
    assert len(found) >= 4
    assert {m["end"] for m in found[:-1]} == {"roll"}


def compare(tmp_path: Path, count: int, *faults: Fault) -> list[dict[str, Any]]:
    """What is taped of a venue that is asked for its time so often."""

    async def scene() -> None:
        far_end = Venue(snapshots=SNAPSHOTS)
        for fault in faults:
            far_end.faults.add(TIME, fault)
        async with far_end, running(far_end, tmp_path, SOL, clock_every=0.05) as run:
            await run.until(lambda: len(clock_frames(run)) >= count)
        assert far_end.requests.count(TIME) >= count

    asyncio.run(scene())
    assert {m["verdict"] for m in plain.manifests(tmp_path)} == {"certified"}
    return notes(tmp_path)[:count]


def clock_frames(run: Run) -> list[object]:
    """CLOCK frames so far."""
    return [frame for frame in run.frames if frame.kind == "clock"]


def test_the_venues_time_is_taped(tmp_path: Path) -> None:
    """With the round trip, from which the offset comes: here venue and recorder have one clock."""
    found = compare(tmp_path, 2)
    frames = plain.frames(tmp_path, "clock")
    for note, frame in zip(found, frames, strict=False):
        got = frame["ts_recv"].value
        asked = got - note["round_trip_ns"]
        assert asked // 10**6 - 25 <= note["venue_ms"] <= got // 10**6 + 25
        assert abs(note["step_ns"]) < SECOND


def test_a_venue_that_does_not_tell_the_time(tmp_path: Path) -> None:
    """Refused, cut, garbage, and numbers that no column could hold: a frame without a time."""
    faults = [
        *[Fault(500, "oops"), Fault(body="<html>"), Fault(body=""), Fault(body="-5")],
        *[Fault(body="9" * 15), Fault(body="1" * 5_000), Fault(drop=True), Fault(body="1.5e12")],
    ]
    found = compare(tmp_path, len(faults) + 1, *faults)
    nothing = (None, None)
    assert [(n["venue_ms"], n["round_trip_ns"]) for n in found[:-1]] == [nothing] * len(faults)
    assert found[-1]["venue_ms"]


def keep_asking(tmp_path: Path, *faults: tuple[str, Fault]) -> list[dict[str, Any]]:
    """The first six CLOCK frames, one every 0.4 s, of a venue that is to answer within 0.2 s."""

    async def scene() -> None:
        far_end = Venue([WaitSubscribed(SOL), Send(bid(11))], snapshots=SNAPSHOTS)
        for path, fault in faults:
            far_end.faults.add(path, fault, times=50)
        given: dict[str, Any] = {"clock_every": 0.4, "patience": Patience(clock=0.2)}
        async with far_end, running(far_end, tmp_path, SOL, **given) as run:
            await run.until(lambda: len(clock_frames(run)) >= 6)

    asyncio.run(scene())
    assert {m["verdict"] for m in plain.manifests(tmp_path)} == {"certified"}
    frames = plain.frames(tmp_path, "clock")[:6]
    times = [frame["ts_mono"] for frame in frames]
    assert all(b - a >= SECOND // 5 for a, b in pairwise(times))  # none was made up for
    return notes(tmp_path)[:6]


def test_clocks_are_taped_while_the_venue_wants_to_be_left_alone(tmp_path: Path) -> None:
    """It asked for ten minutes: what is taped then has no time of the venue's."""
    slow = Fault(429, "slow down", headers={"Retry-After": "600"})
    found = keep_asking(tmp_path, ("/api/v1/depth", slow))
    assert [n["venue_ms"] is None for n in found[1:]] == [True] * 5
    rows = plain.table(tmp_path, "clock")
    assert len(rows) >= 6
    assert all(row["ts_venue"] is None for row in rows[1:6])


def test_clocks_are_taped_while_the_venue_does_not_answer(tmp_path: Path) -> None:
    found = keep_asking(tmp_path, (TIME, Fault(delay=6.0)))
    assert [(n["venue_ms"], n["round_trip_ns"]) for n in found] == [(None, None)] * 6


class DriftingClock:
    """A wall clock that is fast by a thousandth, ever more so: nobody has set it."""

    def __init__(self) -> None:
        self._began = now()

    def ahead(self, ts_mono: int) -> int:
        """Of the monotonic one, by then."""
        return (ts_mono - self._began.ts_mono) // 1_000

    def __call__(self) -> Stamp:
        stamp = now()
        wall = self._began.ts_recv + stamp.ts_mono - self._began.ts_mono
        return Stamp(wall + self.ahead(stamp.ts_mono), stamp.ts_mono)


def test_a_clock_that_drifts_is_followed_without_a_word(tmp_path: Path) -> None:
    """Each row says how far it came since the one before."""
    clock = DriftingClock()

    async def scene() -> Run:
        far_end = Venue(snapshots=SNAPSHOTS)
        async with far_end, running(far_end, tmp_path, SOL, clock=clock, clock_every=0.3) as run:
            await run.until(lambda: len(clock_frames(run)) >= 6)
        return run

    assert not asyncio.run(scene()).said("the wall clock was set")
    rows = plain.table(tmp_path, "clock")
    assert len(rows) >= 6
    for before, row in pairwise(rows):
        assert row["step_ns"] == clock.ahead(row["mono_ns"]) - clock.ahead(before["mono_ns"])
        assert 0 < row["step_ns"] < SECOND


def test_a_session_sorts_behind_all_others_whatever_the_clock_says(tmp_path: Path) -> None:
    """A machine that boots in 1970 does not record before its own past."""
    tape = Tape(tmp_path)
    recorder = DumbRecorder(tape, SegmentName("20261122T063000Z-ffff", 1), 1_795_329_000 * SECOND)
    recorder.stop()
    session = new_session(tape, Stamp(5 * SECOND, 0))
    assert session.name.startswith("20261122T063001Z-")
    assert "the clock looks wrong: it says 1970-01-01 00:00:05 UTC" in session.doubt
    assert str(tmp_path) in session.doubt
    later = new_session(tape, Stamp(1_795_329_000 * SECOND + HOUR, 0))
    assert later.name.startswith("20261122T073000Z-")
    assert later.doubt == ""


def test_sessions_of_one_second_sort_too(tmp_path: Path) -> None:
    """The end of a name is random, so it must not decide."""
    tape, stamp = Tape(tmp_path), now()
    names = []
    for _ in range(4):
        session = new_session(tape, stamp)
        assert session.doubt == ""
        DumbRecorder(tape, SegmentName(session.name, 1), stamp.ts_recv).cut()
        names.append(session.name)
    assert names == sorted(names)
    assert len({name.partition("-")[0] for name in names}) == 4


def test_a_recorder_in_the_past_says_so(tmp_path: Path) -> None:
    """And its session comes behind the one before."""
    clock = SetClock()

    async def record() -> Run:
        async with Venue(snapshots=SNAPSHOTS) as far_end:
            async with running(far_end, tmp_path, SOL, clock=clock) as run:
                await run.until(lambda: bool(run.frames))
            return run

    assert not asyncio.run(record()).said("the clock looks wrong")
    clock.ahead = -1_000 * HOUR
    assert asyncio.run(record()).said("the clock looks wrong")
    first, second = plain.manifests(tmp_path)
    assert first["session"] < second["session"]
    assert second["first_ts"] < first["first_ts"]
