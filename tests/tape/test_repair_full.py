"""Repair on a disk that is full: nothing is lost, no half of a file stays, and it goes on later.

A small tmpfs is mounted for it, which needs root.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import pytest

from tape.again import seal_again
from tape.compact import compact, finish
from tape.generations import all_generations
from tape.layout import Tape
from tape.plan import plan
from tape.verify import verify
from tests.tape.contents import contents, files_of, frames_of, hourly, seen_by_others
from tests.tape.dumb import DumbEngine

SPARE = 4 << 10  # of a page


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=4M", "none", str(mount)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


def fill(disk: Path, but: int) -> Path:
    """A file that takes all room but some."""
    path = disk / "fill"
    room = os.statvfs(disk)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - but)
    return path


def compacted(tape: Tape) -> None:
    finish(tape)
    list(compact(tape, plan(tape)))


def again(tape: Tape) -> None:
    for segment in all_generations(tape):
        seal_again(tape, segment, DumbEngine())


@pytest.mark.parametrize("work", [compacted, again])
@pytest.mark.parametrize("room", [0, SPARE, 2 * SPARE, 3 * SPARE])
def test_a_full_disk_loses_nothing(
    tape: Tape, disk: Path, work: Callable[[Tape], None], room: int
) -> None:
    hourly(tape, hours=2)
    full = Tape(copytree(tape.root, disk / "data"))
    before, frames, seen = contents(full), frames_of(full), seen_by_others(full)
    taken = fill(disk, room)
    with pytest.raises(OSError, match="No space left"):
        work(full)
    assert not [path for path in files_of(full) if path.endswith(".tmp")]
    assert (contents(full), frames_of(full)) == (before, frames)
    assert [f for f in verify(full) if f.damage] == []
    taken.unlink()
    work(full)
    assert (contents(full), frames_of(full), seen_by_others(full)) == (before, frames, seen)
    assert verify(full) == []
