"""Processes of our own, for what must not hold up the recording: sealing and pruning.

`run_child` is the recorder's side; `child_main` is what such a process does at its start.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from recorder.core_files import keyless_environment
from schemas.errors import BackpackError, TapeLocked

DEATH_S = 2.0  # for one that was killed
NICENESS = 10  # capturing comes first


class Outcome(NamedTuple):
    """How a child ended. code: as of `child_main`; reason: the last line of its stderr."""

    code: int
    output: bytes
    reason: str


async def run_child(module: str, *arguments: str) -> Outcome:
    """Run ``python -m module`` without our keys and wait for it; cancelled, it is killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module, *arguments),
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
    return Outcome(process.returncode or 0, output, lines[-1])


def child_main(work: Callable[[], object]) -> int:
    """Do the work at low priority; the exit code, with what went wrong in one line on stderr.

    0: done; 1: it cannot be done; 75 (EX_TEMPFAIL): not now, since the disk refused or bp-tape is
    at work on the recording.
    """
    os.nice(NICENESS)
    try:
        work()
    except (OSError, TapeLocked) as error:
        print(error, file=sys.stderr)
        return os.EX_TEMPFAIL
    except BackpackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
