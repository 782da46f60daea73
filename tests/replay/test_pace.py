"""Deadlines on a clock of our own: no drift, no wait when behind, no odd waits."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay import Replay
from replay.pace import Pace, Waiter
from schemas.errors import UsageError
from schemas.frames import Frame, Kind
from tape.layout import Tape
from tests.replay.clocks import FakeClock
from tests.tapes import Recording, Setting

SECOND = 1_000_000_000
steps = st.lists(st.integers(0, 5 * SECOND), min_size=1, max_size=30)


def frame_at(wall: int, mono: int) -> Frame:
    return Frame(1, wall, mono, 1, Kind.DATA, "", b"")


def played_at(tape: Tape, speed: float, clock: FakeClock) -> list[tuple[Frame, int]]:
    """Each frame with the time it came out, in ns after the first."""
    replay = Replay(tape.root, speed=speed, clock=clock)
    events = [(frame, clock.time) for frame, _ in replay.frames()]
    return [(frame, time - events[0][1]) for frame, time in events]


@given(steps=steps, speed=st.sampled_from([0.5, 1.0, 3.0, 10.0, 1000.0]))
def test_deadlines_are_the_tape_time_over_the_speed(steps: list[int], speed: float) -> None:
    pace, mono = Pace(speed), 0
    assert pace.due(frame_at(5, 0), "a") == 0
    for step in steps:
        mono += step
        assert abs(pace.due(frame_at(5, mono), "a") - mono / speed) <= 1


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_what_is_no_speed_is_refused(tape: Tape, speed: float) -> None:
    with pytest.raises(UsageError, match="not a positive number"):
        Replay(tape.root, speed=speed)


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("oversleep", [0, 80_000])
def test_frames_come_at_their_time_and_lateness_does_not_add_up(
    tape: Tape, speed: float, oversleep: int
) -> None:
    events = played_at(tape, speed, FakeClock(oversleep))
    first = events[0][0].ts_mono
    for frame, at in events:
        due = (frame.ts_mono - first) / speed
        assert -1_000 <= at - due <= oversleep + 1_000  # waits are rounded to float seconds


def test_nothing_is_waited_for_without_a_speed(tape: Tape) -> None:
    clock = FakeClock()
    assert sum(1 for _ in Replay(tape.root, clock=clock)) > 1_000
    assert clock.slept == []


def test_a_consumer_that_falls_behind_is_not_waited_for_and_catches_up(tape: Tape) -> None:
    clock = FakeClock()
    late = []
    for number, (frame, _) in enumerate(Replay(tape.root, speed=1, clock=clock).frames()):
        if number == 0:
            first, began = frame.ts_mono, clock.time
        late.append((clock.time - began) - (frame.ts_mono - first))
        if number == 100:
            clock.time += SECOND
            clock.slept.clear()
        if number > 100 and late[-1] > 1_000:
            assert clock.slept == []  # behind: straight on
    assert max(late) <= SECOND
    assert abs(late[-1]) <= 1_000  # and on time again, a second of tape later


def test_asynchronous_and_plain_replays_wait_alike(tape: Tape) -> None:
    async def run(clock: FakeClock) -> None:
        async for _ in Replay(tape.root, speed=2, clock=clock).aframes():
            pass

    plain, asynchronous = FakeClock(), FakeClock()
    played_at(tape, 2, plain)
    asyncio.run(run(asynchronous))
    assert asynchronous.slept == plain.slept


def test_others_get_a_turn_while_an_unpaced_async_replay_runs(tape: Tape) -> None:
    async def run() -> int:
        frames = 0
        async for _ in Replay(tape.root, clock=clock).aframes():
            frames += 1
        return frames

    clock = FakeClock()
    frames = asyncio.run(run())
    assert clock.turns == frames // 256
    assert clock.slept == []


def test_nobody_sees_the_book_of_a_frame_that_is_not_due_yet(tape: Tape) -> None:
    class Spy(FakeClock):
        def sleep(self, seconds: float) -> None:
            book = replay.book("SOL_USDC")
            seen.append(book.last_update_id if book else 0)
            super().sleep(seconds)

    seen: list[int] = []
    replay = Replay(tape.root, speed=1, topics=["depth.SOL_USDC"], clock=Spy())
    known = 0
    for _ in replay.frames():
        assert all(seen_id <= known for seen_id in seen)
        seen.clear()
        book = replay.book("SOL_USDC")
        known = max(known, book.last_update_id if book else 0)
    assert known > 0


def clock_set_back(root: Path, by: int) -> Tape:
    """Ten frames a second apart; after the fifth, the wall clock is set back."""
    recording = Recording(root, Setting())
    recording.begin(["trade.SOL_USDC"])
    for number in range(10):
        recording.data(f'{{"stream":"other.{number}","data":{{}}}}')
        recording.pass_(SECOND)
        if number == 4:
            recording.wall -= by
    return recording.stop()


@pytest.mark.parametrize("by", [3600 * SECOND, -3600 * SECOND])
def test_a_wall_clock_that_is_set_neither_stops_nor_hurries_a_replay(
    tmp_path: Path, by: int
) -> None:
    clock = FakeClock()
    events = played_at(clock_set_back(tmp_path / "tape", by), 1, clock)
    data = [at for frame, at in events if frame.kind is Kind.DATA]
    assert [one - other for other, one in pairwise(data)] == [SECOND] * 9


def test_between_sessions_the_wall_clock_counts(tmp_path: Path) -> None:
    for number, mono in enumerate((900 * SECOND, 5)):  # the computer was started anew
        recording = Recording(tmp_path / "tape", Setting(session=f"2026090{number}T000000Z"))
        recording.wall += number * 60 * SECOND
        recording.mono = mono
        recording.begin()
        recording.stop()
    clock = FakeClock()
    replay = Replay(tmp_path / "tape", speed=2, clock=clock)
    assert [frame.seq for frame, _ in replay.frames()] == [1, 2, 1, 2]
    assert clock.slept == [30 * SECOND]


def test_a_waiter_takes_its_first_deadline_for_now() -> None:
    clock = FakeClock()
    waiter = Waiter(clock)
    waiter.wait(500)
    assert clock.slept == []
    waiter.wait(500 + SECOND)
    assert clock.slept == [SECOND]
    waiter.wait(None)
    assert clock.slept == [SECOND]
