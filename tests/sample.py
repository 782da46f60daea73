"""Makes ``data/sample`` anew from its seed: ``python -m tests.sample``.

Two markets, every public stream, one minute. Simulated, not real: what the project ships as data,
it makes itself. The frames are those of `tests.simulate`; journal, digests and sealing are those of
a real recording.
"""

import shutil
from pathlib import Path

from schemas.frames import Kind
from schemas.requests import MARKETS_PATH
from tests.simulate import Plan, Session, simulate
from tests.tapes import Recording, Setting

FOLDER = Path(__file__).resolve().parents[1] / "data" / "sample"
PLAN = Plan(seed=7, seconds=60)
SESSION = "20260902T164310Z-0007"

_JOIN_AFTER = 5  # frames of a depth stream before its snapshot comes, so that there is a join


def make(folder: Path) -> None:
    """Write the sample into a folder that does not exist."""
    session = simulate(PLAN)
    recording = Recording(folder, Setting(session=SESSION))
    recording.wall = PLAN.start_ns - 200_000_000
    recording.begin(sorted(session.topics))
    recording.take(Kind.REQUEST, b"", topic=MARKETS_PATH)
    recording.pass_(110_000_000)
    recording.take(Kind.REPLY, session.markets.encode(), topic=MARKETS_PATH)
    recording.connect()
    _play(session, recording)
    recording.stop()
    (folder / ".lock").unlink(missing_ok=True)


def _play(session: Session, recording: Recording) -> None:
    """All frames; after the fifth of a market's depth, its snapshot is asked for and answered."""
    heard = dict.fromkeys(session.snapshots, 0)
    for index, frame in enumerate(session.frames):
        recording.pass_(max(frame.ts_ns - recording.wall, 0))
        recording.data(frame.text)
        for symbol in heard:
            if f'"depth.{symbol}"' in frame.text:
                heard[symbol] += 1
                if heard[symbol] == _JOIN_AFTER:
                    recording.snapshot(symbol, session.snapshot_at(symbol, index))


def main() -> None:
    """Replace the sample in the project's folder."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    make(FOLDER)
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{FOLDER}: {size:,} bytes")


if __name__ == "__main__":
    main()
