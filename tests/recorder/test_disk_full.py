"""A disk that runs full, and has room again: capture goes on in memory, within its bound."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.child import run_child
from recorder.memory import Lost
from recorder.summary import exit_code
from tape.layout import Tape
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.commands import at_work, bp_record, options, venue
from tests.recorder.disks import Disk, tmpfs
from tests.recorder.market import SNAPSHOTS, SOL, bid, bids
from tests.recorder.stage import Stage, sent
from tests.venue import Do, Send, Venue, WaitRequest, WaitSubscribed

FAILED, LOSSES = 1, 3
DEPTH = "/api/v1/depth"
SECOND = 10**9


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of a few MB."""
    with tmpfs(tmp_path / "disk", "4m") as mounted:
        yield mounted


def check_certified(data: Path) -> None:
    """Whole, and proven."""
    assert {m["verdict"] for m in plain.manifests(data)} == {"certified"}
    assert verify(Tape(data)) == []
    assert plain.journals(data) == []


def test_nothing_is_lost_while_memory_can_stand_in(disk: Disk) -> None:
    """It goes on, says so at once, rolls and seals no more until there is room; then it is as if
    nothing had been."""
    data, stage = disk.root / "tape", Stage()
    full, room = Do(lambda _: disk.fill()), Do(lambda _: disk.empty())
    script = [
        *[WaitSubscribed(SOL), Send(bid(11)), WaitRequest(DEPTH), *map(Send, bids(12, 300))],
        *[full, *map(Send, bids(312, 900)), stage.hears("the disk refuses writes")],
        *[*map(Send, bids(1212, 100)), room, stage.hears("nothing was lost")],
        *map(Send, bids(1312, 10)),
    ]
    far_end = Venue(script, snapshots=SNAPSHOTS)
    run = asyncio.run(stage.play(far_end, data, 1321, roll=0.3, sealing=run_child))
    assert plain.payloads(data) == sent(far_end) == [f.encode() for f in bids(11, 1311)]
    assert plain.holes(data) == []
    assert plain.payloads(data, "loss") == []
    check_certified(data)
    assert exit_code(run.recorder) == 0
    assert run.said("of 256.0 MB held, full in ")
    assert run.said("the disk takes writes again after ")
    assert run.recorder.alarm() == ""
    assert run.recorder.tally.without_book_ns < SECOND
    assert run.recorder.store.disk.lasted > 0


def check_losses(data: Path, all_of_it: list[bytes]) -> Lost:
    """Walk along what was sent: each message is on the tape, or within the counts of the LOSS frame
    that ends the hole it fell into. Returns the sum of the counts."""
    position, size, shedding = 0, 0, False
    for line in plain.frames(data, "data", "loss"):
        if line["kind"] == "data":
            assert (line["payload"], shedding) == (all_of_it[position], False)
            position += 1
            continue
        noted = json.loads(line["payload"])
        hole = all_of_it[position : position + noted["frames"]]
        expected = {"cause": "memory", "frames": len(hole), "bytes": sum(map(len, hole))}
        assert noted == {**expected, "ended": shedding}
        assert bool(hole) == shedding
        position, size = position + len(hole), size + noted["bytes"]
        shedding = not shedding
    assert (position, shedding) == (len(all_of_it), False)
    return Lost(len(all_of_it) - len(plain.payloads(data)), size)


def test_what_does_not_fit_into_memory_is_counted_to_the_frame(disk: Disk) -> None:
    """Shed from the first frame that does not fit until half of the bound is free; the books come
    back right."""
    data, stage, bound = disk.root / "tape", Stage(), 40_000
    full, room = Do(lambda _: disk.fill()), Do(lambda _: disk.empty())
    script = [
        *[WaitSubscribed(SOL), Send(bid(11)), WaitRequest(DEPTH), *map(Send, bids(12, 100))],
        *[stage.hears_all(101), stage.flushed(), full, *map(Send, bids(112, 3_000))],
        *[stage.hears("frames are being LOST"), stage.hears("the disk refuses writes")],
        *[*map(Send, bids(3_112, 50)), room, stage.hears("the disk takes writes again")],
        *[*map(Send, bids(3_162, 5)), WaitRequest(DEPTH), *map(Send, bids(3_167, 5))],
    ]
    far_end = Venue(script, snapshots=SNAPSHOTS)
    run = asyncio.run(stage.play(far_end, data, 3_171, memory=bound, sealing=run_child))
    lost = check_losses(data, sent(far_end))
    assert lost.frames > 1_000
    assert run.recorder.intake.memory.lost == lost
    check_certified(data)
    assert exit_code(run.recorder) == LOSSES
    assert run.said("frames were lost")
    tally = run.recorder.tally
    assert tally.gaps["all streams"] == len(plain.payloads(data, "loss")) // 2
    assert not tally.holes.open
    assert tally.without_book_ns > 0


def test_a_disk_that_stays_full_ends_in_order(disk: Disk) -> None:
    """Told to stop, it tries for a while, says what could not be written and exits 1. With room,
    the next start seals what there was."""
    data = disk.root / "tape"
    flow = ("--feed", "sim", "--seconds", "20", "--speed", "4", "--repeat", "0")
    with venue(*flow) as far_end:
        with at_work(*options(far_end, data, *far_end.topics)) as recording:
            recording.until(lambda: any(p.stat().st_size > 9_000 for p in data.glob("journal/*")))
            disk.fill()
            recording.hear("the disk refuses writes ([Errno 28] No space left on device): capture")
            recording.interrupt()
            ended = recording.end()
        assert ended.code == FAILED, ended
        *_, last = ended.err.splitlines()
        assert last.startswith("error: the recording cannot be written: [Errno 28]"), ended.err
        assert " frames (" in last
        assert "Traceback" not in ended.err
        assert ["disk", "the disk refuses writes ([Errno 28] No space left on device)"] in (
            ended.lines
        )
        (path,) = data.glob("journal/*")
        flushed, _ = plain.journal(path)
        assert len(flushed) > 100
        disk.empty()
        again = bp_record(*options(far_end, data, SOL), "--duration", "300ms")
    assert again.code == LOSSES, again
    session = path.name.partition(".")[0]
    kept = [frame["payload"] for frame in plain.frames(data, session=session)]
    assert kept[: len(flushed)] == [frame[6] for frame in flushed]
    assert plain.manifests(data)[0]["verdict"] == "recovered"
