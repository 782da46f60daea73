"""Seals one journal; run as a process of its own: ``python -m recorder.seal DATA JOURNAL``."""

import fcntl
import os
import sys
from pathlib import Path

from market.engine import Engine
from schemas.errors import BackpackError
from tape.layout import Tape
from tape.seal import seal

NICENESS = 10  # capturing comes first


def main() -> int:
    """Seal, and say what went wrong in one line."""
    data, journal = map(Path, sys.argv[1:])
    os.nice(NICENESS)
    try:
        _seal_alone(journal, Tape(data))
    except (BackpackError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _seal_alone(journal: Path, tape: Tape) -> None:
    """Seal when nobody else does. A sealing outlives a recorder that is killed, and the next one
    finds the journal still there: two at work would rename each other's half-written files."""
    try:
        file = journal.open("rb")
    except FileNotFoundError:
        return  # sealed meanwhile
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if journal.exists():
            seal(journal, tape, Engine())


if __name__ == "__main__":
    sys.exit(main())
