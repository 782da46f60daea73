"""Lines of the report: a figure, its peer, the ratio, the aim."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

REPEATS = 5


def line(what: str, figure: str, ratio: str = "") -> None:
    """One line of the report."""
    print(f"{what:<58} {figure:>22}  {ratio}".rstrip(), flush=True)


def rate(count: int, elapsed: float) -> str:
    """Frames a second and time per frame."""
    return f"{count / elapsed:>9,.0f}/s {elapsed / count * 1e6:5.2f} us"


def in_turn(*runs: Callable[[], None]) -> list[float]:
    """Median seconds of each, run one after the other several times, so that a machine whose
    speed drifts drifts for all."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(REPEATS):
        for run, taken in zip(runs, times, strict=True):
            started = perf_counter()
            run()
            taken.append(perf_counter() - started)
    return [median(taken) for taken in times]
