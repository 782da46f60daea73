"""Free space on the file system of a recording."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from recorder.worker import Worker
from schemas.errors import TapeError
from tape.quantities import pretty_size

LOOK_EVERY_S = 2.0
SEALING_TAKES = 3  # times the size of a journal, at its peak


class DiskLow(TapeError):
    """Less than the least free space asked for is left."""


class Space:
    """How much is free, asked for in a thread, since a disk that hangs does not answer.

    root: the folder of the recording. least: bytes that are to stay free; 0 where nobody asked for
        that. worker: for other calls that a hanging disk would hold up.
    """

    def __init__(self, root: Path, least: int | None) -> None:
        self.root = root
        self.worker = Worker("space")
        self.least = least or 0

    async def free(self) -> int:
        """Bytes that may be written; raises OSError."""
        return await self.worker.do(self._free)

    async def check(self) -> None:
        """Raises DiskLow where too little is free."""
        if self.least and (free := await self.free()) < self.least:
            raise DiskLow(
                f"{pretty_size(free)} are free on the disk of {self.root}, less than --min-free"
                f" {pretty_size(self.least)}"
            )

    async def check_at_start(self) -> None:
        """Raises DiskLow where recording had to stop as soon as it has begun."""
        try:
            await self.check()
        except DiskLow as error:
            raise DiskLow(f"{error}: free some, or record into another folder") from None

    async def watch(self) -> None:
        """Look every few seconds, until cancelled; raises DiskLow."""
        while True:
            with suppress(OSError):  # a disk in trouble is not a full one; others tell of it
                await self.check()
            await asyncio.sleep(LOOK_EVERY_S)

    async def has_room_to_seal(self, journal: Path, keep: int) -> bool:
        """Whether sealing would leave ``keep`` bytes free; raises OSError."""
        size = await self.worker.do(lambda: journal.stat().st_size)
        return await self.free() - SEALING_TAKES * size >= keep

    def close(self) -> None:
        """Let the thread end."""
        self.worker.close()

    def _free(self) -> int:
        stat = os.statvfs(self.root)
        return stat.f_bavail * stat.f_frsize
