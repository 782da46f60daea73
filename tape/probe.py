"""Reads files of frames of which no manifest says what they were, in a process of its own.

A damaged Parquet footer can end the process that parses it, and there is no sha256 to check it by.
Run as ``python -m tape.probe ROOT PATH...``: prints for each file, as a line of JSON, what its
manifest would say of it, or why it cannot be read. That a file may not be read, or that memory is
short, says nothing against the file: that ends the probe.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from schemas.errors import BackpackError, TapeError, TooNew
from tape.batches import DamagedFile, lines_in, read_lines
from tape.columns import arrow_to_frames
from tape.layout import FRAMES
from tape.manifest import FileEntry
from tape.parquet import measure

_SMALLEST = 12  # two magic words and a length
_TAIL = 8  # the length of the footer and a magic word
_ENDED = "reading it ends the process"
_BY_CONTENT = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


class Probe(msgspec.Struct, frozen=True):
    """entry: of a file, every page of which has been read; None where ``problem`` says why not.

    newer: a later version wrote it, so nothing is wrong with it.
    """

    entry: FileEntry | None
    problem: str | None = None
    newer: bool = False

    @property
    def ends_process(self) -> bool:
        """Whether whoever reads the file is ended by it."""
        return self.problem == _ENDED


def probe(root: Path, paths: Sequence[Path]) -> list[Probe]:
    """Look at files of frames, all below ``root``, whatever is in them.

    Raises TooNew where a later version wrote one, and BackpackError where one could not be read
    for reasons of the system: it may be whole.
    """
    found: list[Probe] = []
    while len(found) < len(paths):
        rest = [str(path) for path in paths[len(found) :]]
        command = [sys.executable, "-P", "-m", "tape.probe", str(root), *rest]
        done = subprocess.run(command, capture_output=True)
        lines = done.stdout.split(b"\n")[:-1]  # the last one was not written to its end
        found += [msgspec.json.decode(line, type=Probe) for line in lines]
        if len(lines) < len(rest):
            if -done.returncode not in _BY_CONTENT:
                raise _Undecided(paths[len(found)], done)
            found.append(Probe(None, _ENDED))
    for each in found:
        if each.newer:
            raise TooNew(each.problem)
    return found


class _Undecided(BackpackError):
    """Whether a file is damaged cannot be told."""

    def __init__(self, path: Path, ended: subprocess.CompletedProcess[bytes]) -> None:
        said = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        super().__init__(
            f"{path} could not be read, which need not be its fault"
            f" ({said or f'the process that reads it ended with {ended.returncode}'}):"
            " it is left as it is"
        )


def _entry(root: Path, path: Path) -> FileEntry:
    size = path.stat().st_size
    if size < _SMALLEST:
        raise TapeError(f"{path} has {size} bytes: too few for a Parquet file")
    with path.open("rb") as file:
        file.seek(-_TAIL, 2)
        if int.from_bytes(file.read(4), "little") > size - _SMALLEST:
            raise TapeError(f"{path}: its footer would be longer than the file")
    entry = FileEntry(
        path=path.relative_to(root).as_posix(),
        table=FRAMES,
        symbol=None,
        rows=0,
        first_seq=0,
        last_seq=0,
        **measure(path)._asdict(),
    )
    rows, first, last = lines_in(root, entry)
    entry = msgspec.structs.replace(entry, rows=rows, first_seq=first, last_seq=last)
    for frames in read_lines(root, entry, arrow_to_frames):
        if not all(first <= frame.seq <= last for frame in frames):
            raise TapeError(f"{path} has seqs that its footer does not know of")
    return entry


def _probe(root: Path, path: Path) -> Probe:
    try:
        return Probe(_entry(root, path))
    except TooNew as error:
        return Probe(None, str(error), newer=True)
    except DamagedFile as error:
        if _is_of_the_system(error.__context__):
            raise
        return Probe(None, str(error))
    except (TapeError, ValueError) as error:
        return Probe(None, str(error))


def _is_of_the_system(error: BaseException | None) -> bool:
    """pyarrow raises OSError for content too, which then has no number."""
    short = isinstance(error, MemoryError)
    return short or (isinstance(error, OSError) and error.errno is not None)


def main() -> None:
    """Print a line for each file."""
    root, *paths = map(Path, sys.argv[1:])
    for path in paths:
        print(msgspec.json.encode(_probe(root, path)).decode(), flush=True)


if __name__ == "__main__":
    main()
