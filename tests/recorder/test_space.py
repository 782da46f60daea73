"""Room on the disk: to record at all, to stop in order before it is gone, and to seal."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.child import child, run_child
from recorder.summary import exit_code
from schemas.errors import ConfigError
from tape.keep import Keep
from tape.quantities import octets, pretty_size, pretty_span
from tests.recorder import plain
from tests.recorder.commands import ENVIRONMENT, at_work, bp_record, options, venue
from tests.recorder.disks import Disk, tmpfs
from tests.recorder.market import SNAPSHOTS, SOL, bid, bids
from tests.recorder.runs import Run, running
from tests.venue import Send, Venue, WaitRequest, WaitSubscribed

FAILED, LOSSES = 1, 3
SCRIPT = [
    WaitSubscribed(SOL),
    Send(bid(11)),
    WaitRequest("/api/v1/depth"),
    *map(Send, bids(12, 99)),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of some MB."""
    with tmpfs(tmp_path / "disk", "16m") as mounted:
        yield mounted


def test_too_little_room_to_begin_is_refused(tmp_path: Path) -> None:
    """Before anything is recorded or connected."""
    with venue("--feed", "sim", "--seconds", "1") as far_end:
        ended = bp_record(*options(far_end, tmp_path, SOL), "--min-free", "900TB")
        assert far_end.end()["connections"] == 0
    assert ended.code == FAILED, ended
    assert ended.err.startswith("error: ")
    assert "less than --min-free 900.0 TB: free some" in ended.err
    assert not (tmp_path / "journal").exists()


def test_it_stops_early_and_in_order(disk: Disk) -> None:
    """The connection is closed, the segment ended and sealed, and the exit code says so."""
    data = disk.root / "tape"
    flow = ("--feed", "sim", "--seconds", "20", "--speed", "4", "--repeat", "0")
    with (
        venue(*flow) as far_end,
        at_work(*options(far_end, data, *far_end.topics), "--min-free", "8MB") as recording,
    ):
        recording.until(lambda: any(p.stat().st_size > 9_000 for p in data.glob("journal/*")))
        disk.fill(7_000_000)
        ended = recording.end()
    assert ended.code == LOSSES, ended
    assert "stopped early: " in ended.err
    assert "less than --min-free 8.0 MB" in ended.err
    assert [line[0] for line in ended.lines].count("stopped early") == 1
    (manifest,) = plain.manifests(data)
    assert (manifest["verdict"], manifest["end"]) == ("certified", "stop")
    assert plain.payloads(data, "close") == [b'{"code":1000,"reason":"","stopped":true}']
    assert plain.journals(data) == []


@pytest.mark.parametrize("made", [True, False])
def test_a_disk_that_is_full_at_the_start_is_named(disk: Disk, made: bool) -> None:
    """With what to do, whether the folder is there or not."""
    data = disk.root / "tape"
    if made:
        data.mkdir()
        (data / ".lock").touch()
    disk.fill()
    with venue("--feed", "sim", "--seconds", "1") as far_end:
        ended = bp_record(*options(far_end, data, SOL))
        assert far_end.end()["connections"] == 0
    assert ended.code == FAILED, ended
    assert f"error: {data} cannot be written ([Errno 28] No space left on device" in ended.err
    assert "make room" in ended.err


async def record(data: Path) -> Run:
    """Record a small script, and stop as soon as it has come."""
    venue = Venue(SCRIPT, snapshots=SNAPSHOTS)
    async with venue, running(venue, data, SOL, sealing=run_child) as run:
        await run.heard(100)
    return run


def large_journal(data: Path, disk: Disk) -> str:
    """What a recorder that was killed left, and no room to seal it."""
    asyncio.run(record(data))
    journal = data / "journal" / "20260101T000000Z-0000.00001.journal.zst"
    journal.write_bytes(os.urandom(2_000_000))
    disk.fill(3_000_000)
    return journal.name


def test_what_there_is_no_room_to_seal_is_left(disk: Disk) -> None:
    """It is named, and the exit code is not that of a failure."""
    data = disk.root / "tape"
    name = large_journal(data, disk)
    run = asyncio.run(record(data))
    assert run.said(f"no room to seal {name}: it takes 3 times the size of the journal; put off")
    assert plain.journals(data) == [name]
    assert [path.name for path in run.recorder.sealer.left] == [name]  # type: ignore[union-attr]
    assert exit_code(run.recorder) == LOSSES
    assert [m["verdict"] for m in plain.manifests(data)] == ["certified"] * 2


def test_sealing_goes_on_when_there_is_room(disk: Disk) -> None:
    """Without being told."""
    data = disk.root / "tape"
    name = large_journal(data, disk)

    async def scene() -> None:
        venue = Venue(SCRIPT, snapshots=SNAPSHOTS)
        async with venue, running(venue, data, SOL, sealing=run_child) as run:
            await run.until(lambda: run.said(f"no room to seal {name}"))
            disk.empty()
            await run.until(lambda: name not in plain.journals(data))

    asyncio.run(scene())


def test_what_is_not_to_be_kept_makes_room_before_anything_is_sealed(disk: Disk) -> None:
    """With no room to seal nothing ever is sealed, after which it would be pruned."""
    data = disk.root / "tape"
    asyncio.run(record(data))
    (old,) = plain.manifests(data)
    name = large_journal(data, disk)

    async def scene() -> None:
        venue = Venue(SCRIPT, snapshots=SNAPSHOTS)
        keep = Keep.parse(["1B"])
        async with venue, running(venue, data, SOL, keep=keep) as run:
            await run.until(lambda: run.said(f"no room to seal {name}"))
            retention = run.recorder.retention
            assert retention is not None
            await run.until(lambda: retention.latest is not None)

    asyncio.run(scene())
    assert old["session"] not in [m["session"] for m in plain.manifests(data)]


def test_a_sealing_that_the_disk_refuses_is_to_be_tried_again(disk: Disk) -> None:
    """The sealing says so by its exit code; what it was to seal is as before."""
    data = disk.root / "tape"
    flow = ("--feed", "sim", "--seconds", "20", "--speed", "4", "--repeat", "0")
    with venue(*flow) as far_end, at_work(*options(far_end, data, *far_end.topics)) as recording:
        recording.until(lambda: any(p.stat().st_size > 30_000 for p in data.glob("journal/*")))
        recording.kill()
    (name,) = plain.journals(data)
    before = plain.journal(data / "journal" / name)
    command = child("seal", str(data), str(data / "journal" / name))
    disk.fill()
    refused = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert refused.returncode == os.EX_TEMPFAIL, refused.stderr
    assert "No space left" in refused.stderr
    assert plain.journal(data / "journal" / name) == before
    disk.empty()
    subprocess.run(command, env=ENVIRONMENT, check=True)
    assert [m["verdict"] for m in plain.manifests(data)] == ["recovered"]


def test_a_sealing_that_cannot_be_is_not_tried_again(tmp_path: Path) -> None:
    """Such as that of a file with a name of its own."""
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / "odd.journal.zst").write_bytes(b"")
    command = child("seal", str(tmp_path), str(folder / "odd.journal.zst"))
    failed = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert failed.returncode == FAILED
    assert "odd.journal.zst" in failed.stderr


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("500MB", 500_000_000),
        ("1.5GiB", 3 << 29),
        (" 2 kb ", 2_000),
        ("3TiB", 3 << 40),
        ("0.5GB", 500_000_000),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert octets(text) == size


@pytest.mark.parametrize("text", ["", "5", "MB", "-1GB", "1e3MB", "0MB", "1 XB", "1,5GB", "٣MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a size: write it as"):
        octets(text)


def test_sizes_and_spans_for_people() -> None:
    sizes = [pretty_size(size) for size in (0, 999, 1_000, 2_500_000, 10**9, 5 * 10**12)]
    assert sizes == ["0 bytes", "999 bytes", "1.0 kB", "2.5 MB", "1.0 GB", "5.0 TB"]
    spans = [pretty_span(span) for span in (0, 9.94, 12.9, 60, 192, 3_600, 7_559)]
    assert spans == ["0.0s", "9.9s", "12s", "1m00s", "3m12s", "1h00m", "2h05m"]
