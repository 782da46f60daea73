"""A failing fsync, below the real file layer: a file system on a device that has no room behind it.

Needs root, loop devices and mkfs.ext2.
"""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tape.journal import JournalWriter
from tape.journal_reader import read_journal
from tests.tape.test_journal_writer import frame


class Device:
    """A file system of 16 MB, of which at first less than one can be stored."""

    def __init__(self, folder: Path) -> None:
        self._below, self.mount = folder / "below", folder / "mount"
        self.mount.mkdir()
        self._below.mkdir()
        _run("mount", "-t", "tmpfs", "-o", "size=1M", "none", str(self._below))
        self._image = self._below / "image"
        with self._image.open("wb") as file:
            file.truncate(16 << 20)
        _run("mkfs.ext2", "-q", str(self._image))
        self.plug()

    def plug(self) -> None:
        """Mount it, with nothing of it in memory."""
        _run("mount", "-o", "loop", str(self._image), str(self.mount))

    def unplug(self) -> None:
        """Unmount it."""
        _run("umount", str(self.mount))

    def grow(self) -> None:
        """From now on there is room for all of it."""
        _run("mount", "-o", "remount,size=32M", str(self._below))

    def close(self) -> None:
        """Leave nothing mounted."""
        for folder in (self.mount, self._below):
            subprocess.run(["umount", "-l", folder], check=False, capture_output=True)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    if os.geteuid() != 0 or shutil.which("mkfs.ext2") is None:
        pytest.skip("needs root and mkfs.ext2 to make a device that fails")
    try:
        made = Device(tmp_path)
    except subprocess.CalledProcessError as error:
        subprocess.run(["umount", "-l", tmp_path / "below"], check=False, capture_output=True)
        pytest.skip(f"no loop device here: {error.stderr.strip()}")
    yield made
    made.close()


def test_what_a_failed_fsync_lost_is_written_again(device: Device) -> None:
    path = device.mount / "journal" / "a.00001.journal.zst"
    frames = [frame(1), frame(2, 4 << 20), frame(3)]
    writer = JournalWriter(path)
    writer.append(frames[0])
    writer.flush()
    for one in frames[1:]:
        writer.append(one)
    for _ in range(2):  # the kernel tells of lost pages only once, we do not forget
        with pytest.raises(OSError, match=r"\[Errno") as caught:
            writer.flush()
        assert caught.value.errno in (errno.EIO, errno.ENOSPC)  # as the driver tells it
        assert writer.held > 4 << 20
        assert path.stat().st_size > 4 << 20  # it was not a write that failed
    device.grow()
    writer.close()
    device.unplug()
    device.plug()
    reader = read_journal(path)
    assert list(reader) == frames
    assert reader.damage == []


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
