"""Sealing that does not come to its end."""

from __future__ import annotations

import asyncio
import fcntl
import threading
from pathlib import Path

import pytest

from recorder.child import run_child
from recorder.recorder import Recorder
from recorder.sealer import BACKLOG, Sealer
from recorder.settings import Patience, Settings
from recorder.space import Space
from recorder.summary import exit_code
from schemas.errors import BackpackError
from tape.layout import Tape
from tests.recorder import plain
from tests.recorder.disks import Loop, ext4
from tests.recorder.market import SNAPSHOTS, SOL, bid, bids
from tests.recorder.runs import Run, running
from tests.venue import Send, Venue, WaitRequest, WaitSubscribed

LOSSES = 3
SCRIPT = [
    *[WaitSubscribed(SOL), Send(bid(11)), WaitRequest("/api/v1/depth"), *map(Send, bids(12, 99))],
]


async def record(data: Path) -> Run:
    """A small script to its end."""
    venue = Venue(SCRIPT, snapshots=SNAPSHOTS)
    async with venue, running(venue, data, SOL) as run:
        await run.until(lambda: run.is_live(SOL) and run.last_id("SOL_USDC") == 110)
    return run


async def record_with_sealing_held_up(data: Path) -> Run:
    """Somebody else has the lock of the journal, for ever."""
    venue = Venue(SCRIPT, snapshots=SNAPSHOTS)
    async with venue:
        urls, patience = (venue.ws_url, venue.rest_url), Patience(sealing=1.5)
        run = Run(Settings((SOL,), data, *urls, patience=patience), sealing=run_child)
        await run.until(lambda: run.is_live(SOL))
        (name,) = plain.journals(data)
        with (data / "journal" / name).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            await run.finish()
    return run


async def seal_while_busy(data: Path) -> bool:
    """Whether sealing has begun for a recorder that does not keep up, with one journal less than
    may wait; ends once it has, with as many."""
    space = Space(data, None)
    sealer = Sealer(Tape(data), space, lambda text: None)
    asked = 0

    def is_busy() -> bool:
        nonlocal asked
        asked += 1
        return True

    sealer.is_busy = is_busy
    *few, last = (data / f"20261122T063000Z-0000.{n:05d}.journal.zst" for n in range(BACKLOG))
    for journal in few:
        sealer.add(journal)
    worker = asyncio.create_task(sealer.run())
    while asked < 2:
        await asyncio.sleep(0.005)
    begun = sealer.is_at_work
    sealer.add(last)
    while not (sealer.is_at_work or sealer.failed):
        await asyncio.sleep(0.005)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    space.close()
    return begun


def test_a_recorder_that_does_not_keep_up_seals_later_but_not_never(tmp_path: Path) -> None:
    """It would hang here."""
    assert not asyncio.run(seal_while_busy(tmp_path))


def check_left(data: Path, run: Run) -> None:
    """It is named, kept, and sealed by the next start."""
    assert run.said("sealing has not answered for 1.5s: given up")
    assert run.recorder.sealer is not None
    assert set(run.recorder.sealer.left.values()) == {"no answer"}
    assert exit_code(run.recorder) == LOSSES
    (name,) = plain.journals(data)
    assert [path.name for path in run.recorder.sealer.left] == [name]
    again = asyncio.run(record(data))
    assert plain.journals(data) == []
    assert [m["verdict"] for m in plain.manifests(data)] == ["certified"] * 2
    assert exit_code(again.recorder) == 0


def test_a_sealing_that_never_ends_is_left_to_the_next_start(tmp_path: Path) -> None:
    check_left(tmp_path, asyncio.run(record_with_sealing_held_up(tmp_path)))


async def record_and_freeze(disk: Loop) -> Run:
    """The disk hangs from when the last segment is being sealed."""
    venue = Venue(SCRIPT, snapshots=SNAPSHOTS)
    async with venue:
        urls, patience = (venue.ws_url, venue.rest_url), Patience(sealing=1.5)
        settings = Settings((SOL,), disk.root / "tape", *urls, patience=patience)
        run = Run(settings, sealing=run_child)
        await run.until(lambda: run.is_live(SOL))
        sealer = run.recorder.sealer
        assert sealer is not None
        stopping = asyncio.create_task(run.finish())
        while not sealer.is_at_work:
            await asyncio.sleep(0.005)
        disk.freeze()
        await stopping
        disk.thaw()
        await until_it_is_dead()
    return run


async def until_it_is_dead() -> None:
    """What was killed within a call that did not return ends when it does."""
    while any("waitpid" in thread.name for thread in threading.enumerate()):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)


def test_a_disk_that_hangs_at_the_very_end(tmp_path: Path) -> None:
    with ext4(tmp_path / "disk", "24m") as disk:
        run = asyncio.run(record_and_freeze(disk))
        check_left(disk.root / "tape", run)


def test_a_recording_without_faults_was_never_without_a_book(tmp_path: Path) -> None:
    """That it hangs up at its end is no absence."""
    run = asyncio.run(record(tmp_path))
    assert run.recorder.tally.without_book_ns == 0
    assert plain.table(tmp_path, "gap") == []


def test_a_start_that_fails_leaves_no_thread(tmp_path: Path) -> None:
    """Neither where there is no room, nor where there is no venue, nor no right to the folder."""

    async def start(data: Path, least: int) -> None:
        urls = "ws://127.0.0.1:9", "http://127.0.0.1:9"
        recorder = Recorder(Settings((SOL,), data, *urls, min_free=least))
        await recorder.run(asyncio.Event())

    before = set(threading.enumerate())
    (tmp_path / "file").touch()
    for data, least in ((tmp_path, 10**18), (tmp_path, 1), (tmp_path / "file", 1)):
        with pytest.raises(BackpackError):
            asyncio.run(start(data, least))
    for thread in set(threading.enumerate()) - before:
        thread.join()
