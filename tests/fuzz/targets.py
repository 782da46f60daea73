"""What is fuzzed. A target takes any bytes and raises only where the project is wrong.

``frames``: the engine, and all that is made of its rows.
``journal``, ``manifest``, ``segment``: the readers of what lies on disk.
``sockets``: the server, from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from replay.certify import certify
from schemas.errors import BackpackError, TapeError
from schemas.frames import Frame, Kind
from tape.coverage import coverage
from tape.diff import Comparison, pairs
from tape.journal_batch import Packer
from tape.journal_reader import read_journal
from tape.layout import FRAMES, SegmentName, Tape
from tape.manifest import load
from tape.reader import read_frames, read_rows, segments
from tape.summary import summarize
from tape.verify import verify
from tests.fuzz.engine import Trial
from tests.fuzz.parts import RECORDING, SEGMENT, spoiled
from tests.fuzz.sockets import sockets

NAME = SegmentName.parse(SEGMENT)
BATCH_FRAMES = 50_000_000  # no batch can hold more


def frames(data: bytes) -> None:
    """One frame a line: a byte for its kind, a byte for its topic, its payload.

    An ``L`` before them: they find live books and subscribed streams; else a fresh engine.
    """
    trial = Trial(live=data.startswith(b"L"))
    for line in data.removeprefix(b"L").split(b"\n"):
        trial.feed(line)
    trial.check()


def journal(data: bytes) -> None:
    """The first byte: 0: the rest is the file; 1: it is what a whole batch holds; 2: it stands
    between two good batches."""
    mode, rest = data[:1], data[1:]
    with _folder() as root:
        path = root / f"{NAME}.journal.zst"
        if mode == b"\1":
            rest = Packer(1).pack(rest)
        elif mode == b"\2":
            rest = _GOOD + rest + _GOOD
        path.write_bytes(rest)
        _read_journal(path, len(rest))


def manifest(data: bytes) -> None:
    """As it is, and with the right sha256 of itself, beside the files of a recording."""
    for content in (data, _signed(data)):
        with _folder() as root:
            tape = Tape(root)
            path = tape.manifest(NAME)
            path.parent.mkdir()
            path.write_bytes(content)
            for folder in ("frames", "rows"):
                (root / folder).symlink_to(RECORDING / folder)
            _read_manifest(tape, path)


def segment(data: bytes) -> None:
    """The first byte chooses a file of a recording, two say where in its pages the rest is put.

    Its length and its footer stay: a reader looks no further where they are others.
    """
    with _folder() as root:
        choice, offset = data[:1], data[1:3]
        entry = spoiled(root, _number(choice), _number(offset), data[3:])
        tape = Tape(root)
        with suppress(TapeError):
            if entry.table == FRAMES:
                (only,) = segments(tape)
                for frame in read_frames(tape, only):
                    assert isinstance(frame, Frame)
            else:
                for rows in read_rows(tape, entry):
                    assert all(entry.table == row.TABLE for row in rows)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "frames": frames,
    "journal": journal,
    "manifest": manifest,
    "segment": segment,
    "sockets": sockets,
}


def _read_journal(path: Path, size: int) -> None:
    reader = read_journal(path)
    last = 0
    with suppress(TapeError):  # a later version wrote it
        for count, frame in enumerate(reader):
            assert isinstance(frame, Frame)
            assert count < BATCH_FRAMES
            last = frame.seq
        assert reader.last_seq == last
    ends = [0]
    for noted in reader.damage:
        assert ends[-1] <= noted.offset < noted.offset + noted.length <= size
        ends.append(noted.offset + noted.length)
        assert str(noted)


def _read_manifest(tape: Tape, path: Path) -> None:
    with suppress(TapeError):
        read = load(path)
        assert (read.session, read.number) == NAME
        assert all(isinstance(loss, str) for loss in read.losses)
        found = segments(tape)
        for one in found:
            for entry in one.files:
                assert (RECORDING / entry.path).is_relative_to(RECORDING)
                assert ".." not in entry.path
        assert msgspec.json.encode(summarize(tape, found))
        assert msgspec.json.encode(coverage(tape, found))
    with suppress(BackpackError):
        for _ in Comparison(tape, pairs(tape, None, None)).differences():
            pass
    with suppress(BackpackError):
        assert str(certify(tape))
    for finding in verify(tape):
        assert isinstance(finding.problem, str)


def _number(content: bytes) -> int:
    return int.from_bytes(content, "little")


def _signed(content: bytes) -> bytes:
    """With the line that holds the sha256 of all the others."""
    first, newline, others = content.partition(b"\n")
    digest = sha256(first + newline + others).hexdigest().encode()
    return first + newline + b'  "self_sha256": "%s",\n' % digest + others


def _good() -> bytes:
    return Packer(1).pack(msgspec.msgpack.encode([Frame(7, 1, 1, 1, Kind.DATA, "", b"{}")]))


_GOOD = _good()


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="fuzz-") as name:
        yield Path(name)
