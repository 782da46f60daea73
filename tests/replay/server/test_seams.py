"""Where one segment, or one session, ends and the next begins."""

from __future__ import annotations

import json
from pathlib import Path

from replay.server.course import Course
from schemas.frames import DUMP
from schemas.requests import SnapshotRequest
from tape.history import Mark
from tape.layout import Tape
from tape.reader import segments
from tests.replay.server.stage import messages, run, serving
from tests.simulate import Plan, simulate
from tests.tapes import START_NS, Recording, Setting

SOL = "depth.SOL_USDC"


def test_in_front_of_a_segment_is_behind_the_one_before(recording: Recording) -> None:
    """All is known there that was known then, and the same follows."""
    parts = segments(recording.tape)
    course = Course(recording.tape, parts)
    for index in (1, 2):
        first = parts[index].first_seq
        mark = course.at_seq(parts[index].session, first)
        assert mark == Mark(index - 1, parts[index - 1].last_seq)
        assert next(course.read(mark)).frames[0].frame.seq == first
    assert course.at_seq(parts[0].session, 1) == course.start == Mark(0, 0)


def test_books_are_there_at_every_seam(recording: Recording) -> None:
    """REST knows them right after a seek to the head of a segment."""

    async def scene() -> None:
        async with serving(recording.tape.root) as stage:
            await stage.command(command="pause")
            for part in segments(recording.tape)[1:]:
                await stage.command(command="seek", to=f"#{part.first_seq}")
                status, book = await stage.get("/api/v1/depth?symbol=SOL_USDC&limit=5")
                assert status == 200
                before = messages(recording.tape.root, SOL, upto=part.first_seq)
                assert int(book["lastUpdateId"]) == json.loads(before[-1])["data"]["u"]

    run(scene)


def _two_sessions(root: Path) -> Tape:
    """One after another, with a minute in between that nobody recorded."""
    session = simulate(Plan(seed=5, seconds=2))
    half = len(session.frames) // 2
    wall = session.frames[0].ts_ns
    for number, frames in enumerate((session.frames[:half], session.frames[half:])):
        recording = Recording(root, Setting(f"2026090{number + 2}T000000Z"))
        recording.wall = wall + number * 60_000_000_000
        recording.begin(sorted(session.topics))
        recording.connect()
        for symbol in session.snapshots:
            recording.snapshot(symbol, session.snapshot_at(symbol, number * half))
        last = frames[0].ts_ns
        for frame in frames:
            recording.pass_(max(frame.ts_ns - last, 0))
            last = frame.ts_ns
            recording.data(frame.text)
        recording.hang_up()
        recording.stop()
    return Tape(root)


def test_connections_end_with_the_session(tmp_path: Path) -> None:
    """A client begins anew in the next one, and finds its book there from the first frame on."""
    tape = _two_sessions(tmp_path / "tape")
    second = segments(tape)[1]

    async def scene() -> None:
        async with serving(tape.root, speed=200.0) as stage:
            async with stage.client(SOL) as client:
                await client.ended()
                assert client.closed == (1001, "the recorder had stopped here")
                sent = messages(tape.root, SOL)
                assert client.payloads == sent[: len(client.payloads)]
            await stage.command(command="pause")
            await stage.command(command="seek", to=f"{second.session}#1")
            path = SnapshotRequest("SOL_USDC", 0).path
            status, book = await stage.get(path)
            assert status == 200
            following = json.loads(sent[len(client.payloads)])["data"]["U"]
            assert int(book["lastUpdateId"]) >= following - 1

    run(scene)


def _two_dumps(root: Path) -> Tape:
    """Of one ring, with a part in between that was not kept."""
    session = simulate(Plan(seed=5, seconds=3))
    recording = Recording(root, Setting(ring=1_000_000_000))
    recording.begin(sorted(session.topics))
    recording.connect()
    for symbol, body in session.snapshots.items():
        recording.snapshot(symbol, body)
    third = len(session.frames) // 3
    for number, frame in enumerate(session.frames):
        recording.pass_(1_000_000)
        recording.data(frame.text)
        if number == third:
            recording.roll(f"{DUMP}a look")
        elif number == 2 * third:
            recording.drop()
    recording.stop()
    return Tape(root)


def test_connections_end_where_nothing_was_kept(tmp_path: Path) -> None:
    """Whoever listened on would keep a book that is wrong. The next dump is there as it was."""
    tape = _two_dumps(tmp_path / "tape")
    first, second = segments(tape)
    course = Course(tape, [first, second])
    assert course.at_seq(second.session, second.first_seq) == Mark(1, second.first_seq - 1)

    async def scene() -> None:
        async with serving(tape.root, speed=200.0) as stage:
            async with stage.client(SOL) as client:
                await client.ended()
            assert client.closed == (1001, "nothing was kept behind this")
            assert client.payloads == messages(tape.root, SOL, upto=first.last_seq)
            await stage.command(command="pause")
            behind = second.first_seq + second.kinds["keyframe"] + 1
            await stage.command(command="seek", to=f"#{behind}")
            status, _ = await stage.get(SnapshotRequest("SOL_USDC", 0).path)
            assert status == 200

    run(scene)


def test_a_clock_that_was_set_does_not_hold_up_the_next_session(tmp_path: Path) -> None:
    """Between two sessions passes what the wall clock says at the end of one and the beginning of
    the other, whatever it said before."""
    wall = START_NS
    for number, step in enumerate((3_600_000_000_000, 0)):
        recording = Recording(tmp_path / "tape", Setting(f"2026090{number + 2}T000000Z"))
        recording.wall = wall
        recording.begin([SOL])
        recording.connect()
        for _ in range(3):
            recording.pass_(10_000_000)
            recording.data('{"stream":"depth.SOL_USDC","data":{}}')
        recording.wall += step  # an administrator sets the clock
        recording.pass_(10_000_000)
        recording.data('{"stream":"depth.SOL_USDC","data":{}}')
        recording.hang_up()
        recording.stop()
        wall = recording.wall + 200_000_000

    async def scene() -> None:
        async with serving(tmp_path / "tape", speed=1.0, on_subscribe=False) as stage:
            await stage.server.ended()
            assert len(stage.said("ended")) == 1

    run(scene)  # which ends what takes an hour
