"""What recovery finds to do, one thing at a time."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from schemas.errors import TapeError, TooNew


class Done(NamedTuple):
    """What a task came to. lost: what cannot be brought back; None if nothing."""

    done: str
    lost: str | None = None


class Task(NamedTuple):
    """Something that was found. path: relative to the recording's folder. intent: what is done.

    run: does it; raises OSError where the disk refuses.
    """

    path: str
    found: str
    intent: str
    run: Callable[[], Done]


def perform(task: Task) -> Done:
    """Do a task; that it cannot be done is a loss too. Raises OSError where the disk refuses."""
    try:
        return task.run()
    except TooNew:
        raise
    except TapeError as error:
        return Done("failed", str(error))


def removal(found: str, paths: Sequence[str], remove: Callable[[], None]) -> Task:
    """Some files are removed."""

    def run() -> Done:
        remove()
        return Done(f"removed {len(paths)} files")

    return Task(first_of(paths), found, "remove", run)


def left(path: str, found: str, done: Done) -> Task:
    """Nothing is done."""
    return Task(path, found, "leave it", partial(_same, done))


def first_of(paths: Sequence[str]) -> str:
    """One of them and how many more, for a line."""
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _same(done: Done) -> Done:
    return done
