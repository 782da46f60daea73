"""Disks that break below the file system's calls: read-only, EIO, frozen, gone, and back again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.child import run_child
from schemas.errors import TapeError
from tape.layout import Tape
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.disks import Disk, Loop, ext4, hollow
from tests.recorder.market import SNAPSHOTS, SOL, bid, bids
from tests.recorder.stage import Stage, sent
from tests.venue import Do, Send, Step, Venue, WaitRequest, WaitSubscribed

DEPTH = "/api/v1/depth"
LIVE: list[Step] = [
    WaitSubscribed(SOL),
    Send(bid(11)),
    WaitRequest(DEPTH),
    *map(Send, bids(12, 300)),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Loop]:
    """ext4 on a loop device."""
    with ext4(tmp_path / "disk", "24m") as mounted:
        yield mounted


def record(far_end: Venue, stage: Stage, data: Path, last: int) -> None:
    """Record a script that ends well, with all there was."""
    asyncio.run(stage.play(far_end, data, last, sealing=run_child))
    assert plain.payloads(data) == sent(far_end) == [f.encode() for f in bids(11, last - 10)]
    assert plain.payloads(data, "loss") == []
    assert plain.holes(data) == []
    assert {m["verdict"] for m in plain.manifests(data)} == {"certified"}
    assert verify(Tape(data)) == []
    assert plain.journals(data) == []
    assert stage.run is not None
    assert stage.run.said("nothing was lost")


def test_a_disk_turns_read_only_and_is_mounted_again(disk: Loop) -> None:
    """EROFS at every write, then another mount of the same file system in its place."""
    stage = Stage()

    def again(_: Venue) -> None:
        disk.vanish()
        disk.mount()

    script = [
        *[*LIVE, Do(lambda _: disk.abort()), *map(Send, bids(312, 300))],
        *[stage.hears("the disk refuses writes ([Errno 30] Read-only file system")],
        *[*map(Send, bids(612, 300)), Do(again), stage.hears("nothing was lost")],
        *map(Send, bids(912, 10)),
    ]
    record(Venue(script, snapshots=SNAPSHOTS), stage, disk.root / "tape", 921)


def test_a_mount_vanishes_and_comes_back(disk: Loop, tmp_path: Path) -> None:
    """Nothing is written into the folder that is left in its place."""
    stage = Stage()
    mount = tmp_path / "mount"
    mount.mkdir()
    shown = Loop(mount, disk.root)  # a second way to the same file system

    def gone(_: Venue) -> None:
        shown.vanish()

    def back(_: Venue) -> None:
        assert list(mount.iterdir()) == []
        shown.bind()

    script = [
        *[*LIVE, Do(gone), *map(Send, bids(312, 300))],
        *[stage.hears("is not there any more (was its folder removed or unmounted?)")],
        *[*map(Send, bids(612, 300)), Do(back), stage.hears("nothing was lost")],
        *map(Send, bids(912, 10)),
    ]
    shown.bind()
    try:
        record(Venue(script, snapshots=SNAPSHOTS), stage, mount / "tape", 921)
    finally:
        shown.clean()


def test_a_disk_hangs_and_answers_again(disk: Loop) -> None:
    """A call that does not return holds up nothing but the disk."""
    stage = Stage()
    script = [
        *[*LIVE, Do(lambda _: disk.freeze()), *map(Send, bids(312, 300))],
        *[stage.hears("the disk has not answered for 5"), *map(Send, bids(612, 300))],
        *[stage.hears_all(901), Do(lambda _: disk.thaw())],
        *[stage.hears("nothing was lost"), *map(Send, bids(912, 10))],
    ]
    record(Venue(script, snapshots=SNAPSHOTS), stage, disk.root / "tape", 921)


def test_a_disk_that_hangs_for_ever_is_left(disk: Loop) -> None:
    """Told to stop, the recorder waits a few seconds, and says what is lost."""
    stage = Stage()
    script = [
        *[*LIVE, Do(lambda _: disk.freeze()), *map(Send, bids(312, 300))],
        stage.hears("the disk has not answered for 5"),
    ]
    data = disk.root / "tape"
    with pytest.raises(TapeError, match=r"no answer for 4 s; up to \d{3} frames .* are lost"):
        asyncio.run(stage.play(Venue(script, snapshots=SNAPSHOTS), data, 611, sealing=run_child))
    disk.thaw()


def broken_disk(below: Disk, above: Loop) -> tuple[Stage, list[Step]]:
    """A script in which the device has no room for what the file system has."""
    stage = Stage()
    script = [
        *[
            *LIVE,
            stage.hears_all(301),
            stage.flushed(),
            Do(lambda _: below.fill()),
            *map(Send, bids(312, 300)),
        ],
        *[stage.hears("the disk refuses writes"), *map(Send, bids(612, 300))],
    ]
    return stage, script


def test_a_broken_device_is_named_and_what_was_flushed_is_there(tmp_path: Path) -> None:
    """The device fails below the file system: EIO where it is synced. Capture goes on; what cannot
    be written in the end is named; a mount of the device has all that was synced."""
    with hollow(tmp_path, "24m") as (below, above):
        data = above.root / "tape"
        stage, script = broken_disk(below, above)
        with pytest.raises(TapeError, match=r"\[Errno (5|30)\].* frames \(.* are lost") as told:
            asyncio.run(
                stage.play(Venue(script, snapshots=SNAPSHOTS), data, 911, sealing=run_child)
            )
        assert stage.run is not None
        assert len(stage.run.payloads) == 901  # all were taken
        lost = int(str(told.value).partition("up to ")[2].split()[0])
        below.empty()
        above.vanish()
        above.mount()
        (name,) = plain.journals(data)
        frames, _ = plain.journal(data / "journal" / name)
        assert len(frames) >= max(len(stage.run.frames) - lost, 301)
        assert [frame[0] for frame in frames] == list(range(1, len(frames) + 1))


def test_a_broken_device_is_replaced(tmp_path: Path) -> None:
    """And it goes on as if nothing had been."""
    with hollow(tmp_path, "24m") as (below, above):
        stage, script = broken_disk(below, above)

        def again(_: Venue) -> None:
            below.empty()
            above.vanish()
            above.mount()

        script += [Do(again), stage.hears("nothing was lost"), *map(Send, bids(912, 10))]
        record(Venue(script, snapshots=SNAPSHOTS), stage, above.root / "tape", 921)
