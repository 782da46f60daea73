"""Journals on their way to be sealed in other processes: it takes twice as long as to write one."""

import os
import signal
from collections import deque
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from schemas.errors import TapeError
from tape.draft import SealEngine
from tape.layout import Tape
from tape.seal import seal

_MOST = 4  # at a time
_CONTEXT = get_context("spawn")  # as threads are at work here, which a fork would cut off


class _Sealer(NamedTuple):
    """What is at work on a journal, and where it says how that went."""

    journal: Path
    process: BaseProcess
    outcome: Connection


class Sealers:
    """Seals journals of a tape, as many at a time as there are processors to spare.

    engine: what makes one; another process must be able to import it.
    """

    def __init__(self, tape: Tape, engine: Callable[[], SealEngine]) -> None:
        self._tape = tape
        self._engine = engine
        self._most = min(len(os.sched_getaffinity(0)) - 1, _MOST)
        self._working: deque[_Sealer] = deque()

    def begin(self, journal: Path) -> None:
        """Have a journal sealed; waits while there is nobody to do it. Raises what another one that
        was begun before has failed with."""
        if not self._most:
            seal(journal, self._tape, self._engine())
            return
        while len(self._working) >= self._most:
            self._wait()
        self._working.append(self._started(journal))

    def finish(self) -> None:
        """Wait for all of them; raises what one of them has failed with."""
        while self._working:
            self._wait()

    def abandon(self) -> None:
        """End them all as they are."""
        for sealer in self._working:
            sealer.process.kill()
        while self._working:
            self._working.popleft().process.join()

    def _started(self, journal: Path) -> _Sealer:
        ours, theirs = _CONTEXT.Pipe(duplex=False)
        arguments = journal, self._tape, self._engine, theirs
        process = _CONTEXT.Process(target=_seal, args=arguments, daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            process.start()  # Ctrl-C is for us alone: we end it
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        return _Sealer(journal, process, ours)

    def _wait(self) -> None:
        sealer = self._working[0]
        failure: BaseException | None
        try:
            failure = sealer.outcome.recv()
        except EOFError:
            sealer.process.join()
            code = sealer.process.exitcode
            failure = TapeError(
                f"sealing {sealer.journal} was ended from outside (exit code {code})"
            )
        sealer.process.join()
        self._working.popleft()
        if failure is not None:
            raise failure


def _seal(journal: Path, tape: Tape, engine: Callable[[], SealEngine], outcome: Connection) -> None:
    """What such a process does; it ends with who has begun it."""
    Thread(target=_end_with_parent, daemon=True).start()
    failure: Exception | None = None
    try:
        seal(journal, tape, engine())
    except (TapeError, OSError) as error:
        failure = error
    outcome.send(failure)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
