"""One recorder per folder, and one keeper. The kernel drops the lock of a dead process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EROFS
from pathlib import Path
from time import sleep
from typing import IO

from schemas.errors import TapeError, TapeLocked
from tape.files import make_folder

_NAME = ".lock"
_UPKEEP = ".upkeep"
_RECORDING = "stop that recorder, or record into another folder"
_KEEPING = "that is bp-tape at work: wait until it is done"
_TRIES = 5
_RETRY_S = 0.1


@contextmanager
def lock(root: Path) -> Iterator[None]:
    """Hold a recording's folder for writing; made if missing.

    Raises TapeLocked, naming the process, where another one holds it, and TapeError where the disk
    refuses.
    """
    with _held(root, _NAME, _RECORDING):
        yield


@contextmanager
def upkeep(root: Path) -> Iterator[None]:
    """Be the only one who makes and removes generations; a recorder may go on recording.

    Raises TapeLocked, naming the process, where another one does so, and TapeError where the disk
    refuses.
    """
    with _held(root, _UPKEEP, _KEEPING):
        yield


@contextmanager
def _held(root: Path, name: str, advice: str) -> Iterator[None]:
    with _opened(root, name) as file:
        if not _acquired(file):
            file.seek(0)
            raise _locked(root, file.read(), advice)
        _sign(file, root)
        yield  # the file stays: removing it would race with the next holder


def _opened(root: Path, name: str) -> IO[str]:
    try:
        make_folder(root)
        return (root / name).open("a+")
    except OSError as error:
        raise _refused(root, error) from None


def _sign(file: IO[str], root: Path) -> None:
    """With the number of this process."""
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    except OSError as error:
        with suppress(OSError):  # what could not be written is tried again
            file.close()
        raise _refused(root, error) from None


def _refused(root: Path, error: OSError) -> TapeError:
    if error.errno == EROFS:
        return TapeError(
            f"{root} cannot be written, its disk is read-only: mount it read-write, or use"
            " --dry-run where a command has it"
        )
    return TapeError(
        f"{root} cannot be written ({error}): make room or get the right to, or take another folder"
    )


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
    return _holder(root, _NAME) is not None


def is_kept(root: Path) -> bool:
    """Whether somebody makes or removes generations right now."""
    return _holder(root, _UPKEEP) is not None


def refuse_held(root: Path) -> None:
    """Raise TapeLocked, as `lock` and `upkeep` do, without writing anything."""
    for name, advice in ((_NAME, _RECORDING), (_UPKEEP, _KEEPING)):
        if (holder := _holder(root, name)) is not None:
            raise _locked(root, holder, advice)


def _holder(root: Path, name: str) -> str | None:
    """What the holder of a lock has signed with; None where nobody holds it."""
    try:
        with (root / name).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read()
    except FileNotFoundError:
        pass
    return None


def _locked(root: Path, holder: str, advice: str) -> TapeLocked:
    process = holder.strip() or "unknown"
    return TapeLocked(f"{root} is being written by process {process}: {advice}")
