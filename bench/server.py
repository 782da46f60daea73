"""The exchange as it was (``bp-replay --serve``): how late, how fast, how soon elsewhere."""

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from bench import flood, long, pacing, seeking
from bench.report import line

FRAMES = 10_000_000


def run(frames: int = FRAMES) -> None:
    """Print the lines of this bench. frames: of the long recording, in whole rounds."""
    with TemporaryDirectory(prefix="bp-bench-") as folder:
        pacing.run(Path(folder) / "paced")
        data = Path(folder) / "long"
        started = perf_counter()
        made = long.record(data, frames)
        print("-- a long recording")
        line("made of a sealed round", f"{made:,} messages", f"{perf_counter() - started:.0f} s")
        flood.run(data)
        seeking.run(data)
