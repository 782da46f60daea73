"""Seals one journal; run as a process of its own: ``python -m recorder.seal DATA JOURNAL``.

Exit code 0: done; 1: it cannot be sealed; 75 (EX_TEMPFAIL): the disk refused, try again later.
"""

import os
import sys
from pathlib import Path

from market.engine import Engine
from schemas.errors import BackpackError
from tape.layout import Tape
from tape.seal import seal_alone

NICENESS = 10  # capturing comes first


def main() -> int:
    """Seal, and say what went wrong in one line."""
    data, journal = map(Path, sys.argv[1:])
    os.nice(NICENESS)
    try:
        seal_alone(journal, Tape(data), Engine())
    except OSError as error:
        print(error, file=sys.stderr)
        return os.EX_TEMPFAIL
    except BackpackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
