"""One recorder per folder. The kernel drops the lock of a dead process."""

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
_TRIES = 5
_RETRY_S = 0.1


@contextmanager
def lock(root: Path) -> Iterator[None]:
    """Hold a recording's folder for writing; made if missing.

    Raises TapeLocked, naming the process, where another one holds it.
    """
    make_folder(root)
    with (root / _NAME).open("a+") as file:
        _acquire(file, root)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
        file.truncate(0)  # the file stays: removing it would race with the next holder


def _acquire(file: IO[str], root: Path) -> None:
    for _ in range(_TRIES):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(_RETRY_S)  # `is_locked` of somebody else takes it for an instant
    file.seek(0)
    holder = file.read().strip() or "unknown"
    raise TapeLocked(
        f"{root} is being written by process {holder}: stop that recorder, or record into"
        " another folder"
    )


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
