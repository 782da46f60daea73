"""Has closed journals sealed, one after another, each in a process of its own."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from schemas.errors import BackpackError
from tape.layout import SegmentName, Tape
from tape.manifest import Verdict, load


class Sealed(NamedTuple):
    """What there is to say of a segment at the end; the manifest itself may be large."""

    name: SegmentName
    verdict: Verdict
    frames: int
    bytes: int
    losses: tuple[str, ...]


class Sealer:
    """A queue of journals. A journal that cannot be sealed stays, and the next start tries again.

    sealed: segments sealed since the start, in order.
    """

    def __init__(self, tape: Tape, notice: Callable[[str], None]) -> None:
        self._tape = tape
        self._notice = notice
        self._queue: asyncio.Queue[Path] = asyncio.Queue()
        self.sealed: list[Sealed] = []
        self.failed: list[Path] = []

    @property
    def waiting(self) -> int:
        """Journals not sealed yet."""
        return self._queue.qsize()

    def add(self, journal: Path) -> None:
        """A journal that nobody writes to any more."""
        self._queue.put_nowait(journal)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            journal = await self._queue.get()
            try:
                await self._seal(journal)
            except (OSError, BackpackError) as error:
                self._fail(journal, str(error))
            finally:
                self._queue.task_done()

    async def finish(self, worker: asyncio.Task[None]) -> None:
        """Wait until nothing is left to seal, or nobody to do it."""
        joined = asyncio.create_task(self._queue.join())
        await asyncio.wait([joined, worker], return_when=asyncio.FIRST_COMPLETED)
        joined.cancel()

    async def _seal(self, journal: Path) -> None:
        command = (sys.executable, "-P", "-m", "recorder.seal", str(self._tape.root), str(journal))
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,  # ours may be a pipe, whose reader waits for its end
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the recorder, which lets the sealing finish
        )
        _, errors = await process.communicate()
        if process.returncode:
            lines = errors.decode(errors="replace").strip().splitlines() or ["no reason given"]
            self._fail(journal, lines[-1])
        else:
            self._note(SegmentName.of(journal))

    def _note(self, name: SegmentName) -> None:
        path = self._tape.manifest(name)
        if path.exists():  # a journal of nothing leaves none
            manifest = load(path)
            size, losses = manifest.stored_bytes(), tuple(map(str, manifest.losses))
            self.sealed.append(Sealed(name, manifest.verdict, manifest.frames, size, losses))

    def _fail(self, journal: Path, reason: str) -> None:
        self._notice(f"sealing {journal.name} failed, the journal is kept: {reason}")
        self.failed.append(journal)
