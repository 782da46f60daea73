"""A folder in which a recording is made of others, beside the name that it has when it is whole."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from schemas.errors import UsageError
from tape.files import ASIDE, rename, write_whole
from tape.layout import ACCOUNT, FRAMES, ROWS
from tape.lock import is_kept, upkeep

_MARKER = ".union"  # says who made the folder, and for what
_LOCK = ".upkeep"  # see `tape.lock`
_OURS = {_MARKER, f"{_MARKER}{ASIDE}", _LOCK, "journal", "manifest", FRAMES, ROWS, ACCOUNT}


@contextmanager
def worksite(out: Path) -> Iterator[Path]:
    """The folder to make a recording in, locked; it gets its name after that, and is gone where
    that fails.

    out: not there yet, or an empty folder. Raises UsageError where the place is taken, and OSError
    where the disk refuses.
    """
    aside = _aside(out)
    if aside.exists() or aside.is_symlink():
        raise UsageError(
            f"{aside} is there, and is not what a union into {out} has left: move it away, or name"
            " another folder"
        )
    with upkeep(aside):
        try:
            write_whole(aside / _MARKER, _mark(out))
            yield aside
            rename(aside, out)
        except BaseException:
            with suppress(OSError):
                shutil.rmtree(aside)
            raise
        (out / _MARKER).unlink()


def remove_abandoned(out: Path) -> Path | None:
    """Remove the folder of an attempt that was killed, if there is one, and nothing of anybody else
    in it; what was removed. Raises TapeLocked where it is still at work."""
    aside = _aside(out)
    if aside.is_symlink() or not _is_left(aside, out):
        return None
    if is_kept(aside):  # in which nothing is to be made then, not even a lock
        with upkeep(aside):
            pass
    shutil.rmtree(aside)
    return aside


def _is_left(aside: Path, out: Path) -> bool:
    try:
        names = {path.name for path in aside.iterdir()}
        return names <= _OURS and (names == {_LOCK} or (aside / _MARKER).read_bytes() == _mark(out))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _mark(out: Path) -> bytes:
    return f"bp-tape union --out {out.name}\n".encode(errors="surrogateescape")


def _aside(out: Path) -> Path:
    return out.with_name(out.name + ASIDE)
