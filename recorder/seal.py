"""Seals one journal; run as a process of its own: ``python -m recorder.seal DATA JOURNAL``."""

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
        seal(journal, Tape(data), Engine())
    except (BackpackError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
