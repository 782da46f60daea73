"""Real file systems that can be made to fail: small, full, read-only, broken, frozen, gone.

All of it needs root and some of it loop devices; where they are not to be had, a test skips.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest


def run(*command: str | Path) -> str:
    """A system command that has to work; what it prints."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout.strip()


class Disk:
    """A mounted file system. Its ballast is a file that takes up what is free."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ballast = root / "ballast"

    @property
    def free(self) -> int:
        """Bytes that may be written."""
        stat = os.statvfs(self.root)
        return stat.f_bavail * stat.f_frsize

    def fill(self, keep: int = 0) -> None:
        """Leave no more than ``keep`` bytes free."""
        with self._ballast.open("ab") as file, suppress(OSError):
            while self.free > keep:
                os.write(file.fileno(), bytes(min(self.free - keep, 1 << 20)))
                os.fsync(file.fileno())

    def empty(self) -> None:
        """Give it all back."""
        self._ballast.unlink(missing_ok=True)


class Loop(Disk):
    """ext4 in an image file."""

    def __init__(self, root: Path, image: Path) -> None:
        super().__init__(root)
        self._image = image
        self._devices: list[str] = []

    def mount(self) -> None:
        """With a loop device of its own, so that nothing of an earlier mount is left in it."""
        self._devices.append(run("losetup", "-f", "--show", self._image))
        run("mount", self._devices[-1], self.root)

    def bind(self) -> None:
        """Show the folder that the image is."""
        run("mount", "--bind", self._image, self.root)

    def abort(self) -> None:
        """As after an error of its own: every write meets EROFS, whoever has files open."""
        run("mount", "-o", "remount,abort", self.root)

    def freeze(self) -> None:
        """Whoever writes waits."""
        run("fsfreeze", "-f", self.root)

    def thaw(self) -> None:
        """They go on."""
        subprocess.run(["fsfreeze", "-u", str(self.root)], capture_output=True, check=False)

    def vanish(self) -> None:
        """The mount is gone, and its folder is empty."""
        run("umount", "-l", self.root)

    def clean(self) -> None:
        """Leave nothing behind."""
        self.thaw()
        while os.path.ismount(self.root):
            run("umount", "-l", self.root)
        for device in self._devices:
            subprocess.run(["losetup", "-d", device], capture_output=True, check=False)


@contextmanager
def tmpfs(root: Path, size: str) -> Iterator[Disk]:
    """A file system in memory."""
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(root)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        yield Disk(root)
    finally:
        run("umount", "-l", root)


@contextmanager
def ext4(root: Path, size: str) -> Iterator[Loop]:
    """ext4 on a sparse file beside it."""
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("no mkfs.ext4")
    image = root.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(int(size.removesuffix("m")) << 20)
    run("mkfs.ext4", "-q", image)
    root.mkdir()
    disk = Loop(root, image)
    try:
        try:
            disk.mount()
        except AssertionError as error:
            pytest.skip(f"no loop devices: {error}")
        yield disk
    finally:
        disk.clean()


@contextmanager
def hollow(folder: Path, size: str) -> Iterator[tuple[Disk, Loop]]:
    """ext4 on a sparse file in a file system that can be filled: what it then writes meets EIO."""
    with ExitStack() as stack:
        below = stack.enter_context(tmpfs(folder / "below", size))
        above = stack.enter_context(ext4(below.root / "above", size))
        yield below, above
