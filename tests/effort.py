"""How hard properties are tried: as much as a suite has time for, and with SOAK=1 ten times that.

The suite is to end within minutes on two processors. `make soak-faults` is for the rest.
"""

import os

SOAK = bool(os.environ.get("SOAK"))


def examples(count: int) -> int:
    """For `max_examples`: so many in the suite."""
    return count * 10 if SOAK else count
