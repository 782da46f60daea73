"""Runs a file of this room as a process of its own, which learns nothing of keys."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from recorder.core_files import keyless_environment

DEATH_S = 2.0  # for one that was killed


class Ended(NamedTuple):
    """What became of it. reason: the last line it said on stderr."""

    code: int
    output: bytes
    reason: str


CarryOut = Callable[..., Awaitable[Ended]]  # as `run_child` does


def child(name: str, *arguments: str) -> list[str]:
    """The command that runs one: the file itself, so that it loads of this room what it imports."""
    return [sys.executable, "-P", str(Path(__file__).with_name(f"{name}.py")), *arguments]


async def run_child(name: str, *arguments: str) -> Ended:
    """Wait for its end; it is killed where nobody waits any more."""
    process = await asyncio.create_subprocess_exec(
        *child(name, *arguments),
        env=keyless_environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,  # ours may be a pipe, whose reader waits for its end
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the recorder, which lets it finish
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()  # on a disk in trouble, at the end; it may be done again
        with suppress(TimeoutError):  # within a call that hangs it does not even die
            async with asyncio.timeout(DEATH_S):
                await process.wait()
        raise
    lines = errors.decode(errors="replace").strip().splitlines() or ["no reason given"]
    return Ended(process.returncode or 0, output, lines[-1])
