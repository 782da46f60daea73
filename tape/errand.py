"""What processes of their own do while somebody records, and how they tell what came of it."""

import os
import sys
from collections.abc import Callable

from schemas.errors import BackpackError, TapeLocked

NICENESS = 10  # capturing comes first


def run_errand(work: Callable[[], object]) -> int:
    """Do it, and say what went wrong in one line; the exit code.

    0: done; 1: it cannot be done; 75 (EX_TEMPFAIL): not now, since the disk refused or bp-tape is
    at work.
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
