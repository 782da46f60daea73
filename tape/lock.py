"""One recorder per folder, and one keeper. The kernel drops the lock of a dead process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import IO

from schemas.errors import TapeLocked
from tape.files import make_folder

_NAME = ".lock"
_UPKEEP = ".upkeep"
_TRIES = 5
_RETRY_S = 0.1


@contextmanager
def lock(root: Path) -> Iterator[None]:
    """Hold a recording's folder for writing; made if missing.

    Raises TapeLocked, naming the process, where another one holds it.
    """
    with _held(root, _NAME, "stop that recorder, or record into another folder"):
        yield


@contextmanager
def upkeep(root: Path) -> Iterator[None]:
    """Be the only one who makes and removes generations; a recorder may go on recording.

    Raises TapeLocked, naming the process, where another one does so.
    """
    with _held(root, _UPKEEP, "that is bp-tape at work: wait until it is done"):
        yield


@contextmanager
def _held(root: Path, name: str, advice: str) -> Iterator[None]:
    make_folder(root)
    with (root / name).open("a+") as file:
        if not _acquired(file):
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise TapeLocked(f"{root} is being written by process {holder}: {advice}")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield  # the file stays: removing it would race with the next holder


def _acquired(file: IO[str]) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(_RETRY_S)  # `is_locked` of somebody else takes it for an instant
        else:
            return True
    return False


def is_locked(root: Path) -> bool:
    """Whether a recorder is writing into the folder right now."""
    try:
        with (root / _NAME).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
