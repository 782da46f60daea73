"""``python -m tests.versions``: a small recording in the format of today, for ``data/versions``.

Every later version has to read it. There is one for each format, made once, when the format is
released, and never again: a folder that exists is not touched.
"""

from __future__ import annotations

import sys
from pathlib import Path

from market.engine import Engine
from tape.again import seal_again
from tape.compact import compact
from tape.generations import all_generations
from tape.plan import plan
from tape.version import FORMAT
from tests.replay.eventful import PLAN, eventful
from tests.shared import ROOT
from tests.simulate import Plan, simulate
from tests.tapes import Recording, Setting, simulated

FOLDER = ROOT / "data" / "versions"
EVERY = 50  # frames between two checkpoints
COMPACTED = "20260902T164330Z"
CUT_OFF = "20260902T164400Z"  # the session whose journal is not sealed
TORN = 20  # bytes of its last batch that never came

_SECOND = 1_000_000_000
_CUT_FRAMES = 40


def make(folder: Path) -> None:
    """Three sessions: one in which everything happens, with a segment that was sealed again; one
    that was compacted; one whose recorder was killed, not sealed."""
    tape = eventful(folder, EVERY).tape
    seal_again(tape, all_generations(tape)[1], Engine())
    _compacted(folder)
    _cut_off(folder)


def _compacted(folder: Path) -> None:
    plan_ = Plan(seed=12, seconds=1, start_ns=PLAN.start_ns + 20 * _SECOND)
    tape = simulated(folder, plan_, rolls=1, setting=Setting(COMPACTED, EVERY)).tape
    days = [day for day in plan(tape, all_days=True) if day.session == COMPACTED]
    assert len(list(compact(tape, days))) == 1


def _cut_off(folder: Path) -> None:
    recording = Recording(folder, Setting(CUT_OFF))
    recording.wall = PLAN.start_ns + 50 * _SECOND
    recording.begin(["trade.SOL_USDC"])
    recording.connect()
    trades = [frame for frame in simulate(PLAN).frames if '"trade.SOL_USDC"' in frame.text]
    for frame in trades[:_CUT_FRAMES]:
        recording.pass_(_SECOND // 20)
        recording.data(frame.text)
        recording.flush()
    journal = recording.cut()
    journal.write_bytes(journal.read_bytes()[:-TORN])


def main() -> int:
    """Make that of `FORMAT`."""
    folder = FOLDER / str(FORMAT)
    if folder.exists():
        print(f"{folder} is there: what was released is never changed", file=sys.stderr)
        return 1
    make(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
