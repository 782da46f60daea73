"""Seals one journal; run as a process of its own: ``python -P recorder/seal.py DATA JOURNAL``.

It imports nothing of its room: all the sockets would be loaded, for each segment anew, which takes
longer than to seal a small one. Exit codes are those of `tape.errand`.
"""

import sys
from pathlib import Path

from market.engine import Engine
from tape.errand import run_errand
from tape.layout import Tape
from tape.seal import seal_alone


def main() -> int:
    """Seal."""
    data, journal = map(Path, sys.argv[1:])
    return run_errand(lambda: seal_alone(journal, Tape(data), Engine()))


if __name__ == "__main__":
    sys.exit(main())
