"""Prunes a recording that is being made; a process of its own: ``python -P recorder/retain.py
DATA KEEP..``, with KEEP as ``90d`` or ``500GB``. Says what it did in one JSON document.

Exit codes are those of `tape.errand`.
"""

import sys
from pathlib import Path
from time import time_ns

import msgspec

from recorder.retention import Retained
from tape.errand import run_errand
from tape.forecast import bytes_per_day, recorded
from tape.keep import Keep
from tape.layout import Tape
from tape.lock import upkeep
from tape.prune import Order, finish, prune
from tape.prunings import What
from tape.retention import Aim, choose, take_stock


def retain(tape: Tape, keep: Keep) -> Retained:
    """Prune what is not to be kept."""
    with upkeep(tape.root):
        finish(tape)
        stock = take_stock(tape)
        choice = choose(stock, Aim(keep, time_ns()))
        order = Order(What.ALL, "bp-record", keep.told)
        gone = list(prune(tape, stock, choice.going, order))
    names = {one.name for one in gone}
    left = [manifest for manifest in stock.manifests if manifest.name not in names]
    return Retained(
        segments=len(gone),
        freed=sum(one.bytes for one in gone),
        spared={str(one.name): one.doubt for one in choice.spared},
        bytes=choice.bytes,
        per_day=bytes_per_day(map(recorded, left)),
        oldest_ts=min((manifest.last_ts for manifest in left), default=None),
    )


def main() -> int:
    """Prune."""
    data, *texts = sys.argv[1:]

    def work() -> None:
        print(msgspec.json.encode(retain(Tape(Path(data)), Keep.parse(texts))).decode())

    return run_errand(work)


if __name__ == "__main__":
    sys.exit(main())
