"""Journals that are removed, unmounted or replaced while they are written, and before they are
sealed: nothing that nobody can read is called safe."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recorder.child import run_child
from recorder.summary import exit_code
from schemas.errors import TapeError
from schemas.frames import Kind
from tape.layout import Tape
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.disks import Loop, ext4
from tests.recorder.market import SNAPSHOTS, SOL, bid, bids
from tests.recorder.runs import Run, running
from tests.recorder.stage import Stage, sent
from tests.venue import Do, Send, Step, Venue, WaitRequest, WaitSubscribed

LOSSES = 3
DEPTH = "/api/v1/depth"
GONE = "is not there any more (was its folder removed or unmounted?)"
LIVE: list[Step] = [
    *[WaitSubscribed(SOL), Send(bid(11)), WaitRequest(DEPTH), *map(Send, bids(12, 300))],
]


def open_journal(data: Path) -> Path:
    """The only one."""
    (name,) = plain.journals(data)
    return data / "journal" / name


def lose(stage: Stage, data: Path, act: Callable[[], None]) -> tuple[int, int, Run]:
    """Frames that were flushed before ``act`` and frames that were not, as the recorder tells."""
    script = [
        *[*LIVE, stage.hears_all(301), stage.flushed(), Do(lambda _: act())],
        *[*map(Send, bids(312, 300)), stage.hears_all(601), stage.hears(GONE)],
    ]
    with pytest.raises(TapeError) as told:
        asyncio.run(stage.play(Venue(script, snapshots=SNAPSHOTS), data, 611))
    assert stage.run is not None
    text = str(told.value)
    assert GONE in text
    assert "safe" not in text
    lost = re.search(r"up to (\d+) frames \(.* in memory\) are lost; the (\d+) that were", text)
    assert lost is not None, text
    return int(lost[2]), int(lost[1]), stage.run


@pytest.mark.parametrize("folder", ["journal", "."])
def test_a_folder_that_was_removed_is_told_with_all_that_was_in_it(
    tmp_path: Path, folder: str
) -> None:
    """The kernel goes on taking writes for a file that no name leads to."""
    data, stage = tmp_path / "tape", Stage()
    flushed, lost, run = lose(stage, data, lambda: shutil.rmtree(data / folder))
    assert flushed + lost == run.recorder.intake.seq
    assert lost >= 300
    assert flushed >= 301
    assert not (data / "journal").exists()


def test_a_mount_that_never_comes_back(tmp_path: Path) -> None:
    """Its file takes writes as long as it is open; all that was flushed before is on the device."""
    with ext4(tmp_path / "disk", "24m") as disk:
        mount = tmp_path / "mount"
        mount.mkdir()
        shown = Loop(mount, disk.root)
        shown.bind()
        try:
            flushed, lost, run = lose(Stage(), mount / "tape", shown.vanish)
        finally:
            shown.clean()
        assert flushed + lost == run.recorder.intake.seq
        frames, _ = plain.journal(open_journal(disk.root / "tape"))
        assert len(frames) >= flushed


def test_a_copy_in_the_place_of_a_journal_is_gone_on_with(tmp_path: Path) -> None:
    """Nothing is lost, and it is said."""
    stage = Stage()

    def replace(_: Venue) -> None:
        journal = open_journal(tmp_path)
        copy = tmp_path / "copy"
        shutil.copy(journal, copy)
        copy.replace(journal)

    script = [
        *[*LIVE, stage.hears_all(301), stage.flushed(), Do(replace), *map(Send, bids(312, 300))],
        *[stage.hears("(was it replaced?): capture goes on"), stage.hears("nothing was lost")],
        *map(Send, bids(612, 10)),
    ]
    far_end = Venue(script, snapshots=SNAPSHOTS)
    run = asyncio.run(stage.play(far_end, tmp_path, 621))
    assert plain.payloads(tmp_path) == sent(far_end)
    assert [m["verdict"] for m in plain.manifests(tmp_path)] == ["certified"]
    assert verify(Tape(tmp_path)) == []
    assert exit_code(run.recorder) == 0


@contextmanager
def held_up(journal: Path) -> Iterator[None]:
    """Sealing waits, as it does for another one at work."""
    with journal.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def seal_another(data: Path, act: Callable[[Path], object]) -> Run:
    """Something is done to a journal that is closed and not sealed yet."""
    venue = Venue(LIVE, snapshots=SNAPSHOTS)
    async with venue, running(venue, data, SOL, roll=2.0, sealing=run_child) as run:
        await run.until(lambda: bool(run.frames))
        first = open_journal(data)
        with held_up(first):
            await run.heard(301)
            sealer = run.recorder.sealer
            assert sealer is not None
            await run.until(lambda: len(run.kinds(Kind.SEGMENT)) > 1 and sealer.is_at_work)
            act(first)
        await run.until(lambda: run.said("LOST frames of "))
    return run


def test_a_closed_journal_that_lost_its_end_is_told(tmp_path: Path) -> None:
    """The verdict says so too, as the last checkpoint is missing; how much it was, only we can."""

    def cut(journal: Path) -> None:
        shorter = tmp_path / "shorter"
        shorter.write_bytes(journal.read_bytes()[:-1])
        shorter.replace(journal)

    run = asyncio.run(seal_another(tmp_path, cut))
    first = plain.manifests(tmp_path)[0]
    end = next(f.seq for f in run.kinds(Kind.SEGMENT) if f.seq > 1) - 1
    assert first["last_seq"] < end
    assert run.said(
        f"closed after frame {end}, what was there to seal ends with {first['last_seq']}"
    )
    assert exit_code(run.recorder) == LOSSES


def test_a_closed_journal_that_vanished_is_told(tmp_path: Path) -> None:
    run = asyncio.run(seal_another(tmp_path, os.unlink))
    assert run.said("was gone before it was sealed: all of it is lost")
    assert exit_code(run.recorder) == LOSSES
