"""The power goes between any two system calls of a recorder: what was synced is there, once.

One run of ``bp-record`` is traced, with the processes that seal for it. Its calls are carried out
on the model of a disk; at every boundary the folder is made as a cut could leave it there, and is
read, mended by the next start, and verified.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import pytest
import zstandard

from schemas.frames import Frame, Kind
from tape.files import ASIDE
from tape.layout import JOURNAL_ENDING, SegmentName, Tape
from tests.crashes import disk, strace
from tests.crashes.disk import Choice, Folder, Tree
from tests.crashes.inspection import Sessions, check_mended, check_prefixes, sealed, taped
from tests.crashes.playback import Playback, Step
from tests.crashes.victim import mend
from tests.recorder.commands import BP_RECORD, ENVIRONMENT, options, venue

pytestmark = pytest.mark.skipif(bool(strace.missing()), reason=strace.missing() or "-")

SOAK = bool(os.environ.get("SOAK"))  # everything, for as long as it takes
MIXES = 12 if SOAK else 1  # arbitrary survivors at each boundary, beside the extremes
EACH = 1 if SOAK else 10  # of so many boundaries one is a power cut
EXTREMES = (disk.least, disk.most, disk.names, disk.contents)
BP_TAPE = BP_RECORD.with_name("bp-tape")
FEED = ("--feed", "sim", "--seconds", "20", "--speed", "4", "--repeat", "0")
TOPICS = ("depth.SOL_USDC", "trade.SOL_USDC")


class Traced(NamedTuple):
    """A recorder's calls, in the folder it recorded to, and the messages the venue sent it."""

    folder: Path
    calls: list[strace.Call]
    sent: list[str]

    def boundaries(self) -> Iterator[tuple[Step, Folder]]:
        """Each with the call before it and the disk as it then is."""
        playback = Playback(self.folder)
        return ((step, playback.root) for step in playback.steps(self.calls))


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """Some segments, recorded, sealed, sealed again and compacted without any trouble."""
    folder, logs = tmp_path_factory.mktemp("traced"), tmp_path_factory.mktemp("logs")
    with venue(*FEED, "--log", str(logs / "sent")) as urls:
        arguments = [*options(urls, folder, *TOPICS), "--duration", "2s", "--roll", "1s"]
        commands = [
            shlex.join([str(BP_RECORD), *arguments]),
            shlex.join([str(BP_TAPE), "seal", "--again", str(folder)]),
            shlex.join([str(BP_TAPE), "compact", "--all", str(folder)]),
        ]
        script = ["sh", "-c", "; ".join(commands)]
        calls = strace.trace(script, logs / "strace", ENVIRONMENT)
    lines = map(json.loads, (logs / "sent").read_text().splitlines())
    return Traced(folder, calls, [line["frame"] for line in lines])


class Flushed:
    """What the recorder has on the disk for certain.

    seqs: of the last frame of each session that an fsync of its journal has come back for.
    """

    def __init__(self) -> None:
        self.seqs: Counter[str] = Counter()

    def note(self, step: Step) -> None:
        """Take the next call."""
        if step.synced and step.path.endswith(JOURNAL_ENDING):
            frames = journaled(step.synced)
            self.seqs[SegmentName.of(Path(step.path)).session] = frames[-1].seq


def journaled(content: bytes) -> list[Frame]:
    """The frames of a whole journal, by zstd and msgpack alone."""
    found: list[Frame] = []
    while content:
        batch = zstandard.ZstdDecompressor().decompressobj()
        if unpacked := batch.decompress(content):  # nothing, for a frame that zstd is to skip
            found += msgspec.msgpack.decode(unpacked, type=list[Frame])
        content = batch.unused_data
    return found


class Survivors:
    """Judges what cuts leave, each different tree once."""

    def __init__(self, folder: Path, whole: Sessions) -> None:
        self._folder = folder
        self._whole = whole
        self._judged: dict[frozenset[tuple[str, bytes | None]], Counter[str]] = {}

    @property
    def count(self) -> int:
        """Trees that were judged."""
        return len(self._judged)

    def frames(self, tree: Tree) -> Counter[str]:
        """How many frames of each session there are, for readers and in journals at once, and once
        all is mended: the lower of the two."""
        key = frozenset((path, _told_apart(path, content)) for path, content in tree.items())
        if key not in self._judged:
            self._judged[key] = self._judge(tree)
        return self._judged[key]

    def _judge(self, tree: Tree) -> Counter[str]:
        tape = Tape(self._folder)
        _make(tape.root, tree)
        at_once = taped(tape)
        mend(tape)
        mended = check_mended(tape)
        for found in (at_once, mended):
            check_prefixes(found, self._whole)
        return _counts(at_once) & _counts(mended)


def _counts(found: Sessions) -> Counter[str]:
    return Counter({session: len(frames) for session, frames in found.items()})


def _told_apart(path: str, content: bytes | None) -> bytes | None:
    """What is half written is thrown away unread, so that only a soak tells one from another."""
    return b"" if path.endswith(ASIDE) and not SOAK else content


def _make(root: Path, tree: Tree) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path, content in tree.items():  # folders come before what is in them
        if content is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(content)


def choices(chance: Random) -> Iterator[Choice]:
    """What a cut may leave at one boundary."""
    yield from EXTREMES
    for _ in range(MIXES):
        yield disk.any_of(chance)


def on_disk(root: Path) -> Tree:
    """A real folder as the model has it."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
    }


def files(tree: Tree) -> Tree:
    """What must survive: not the locks, nor that an empty folder is gone."""
    return {p: content for p, content in tree.items() if content is not None and p[0] != "."}


@contextmanager
def told_where(step: Step, choice: Choice, tree: Tree) -> Iterator[None]:
    """What fails says at which boundary, and what was there then."""
    try:
        yield
    except Exception as error:
        error.add_note(f"after {step.name} of {step.path}, {getattr(choice, '__name__', 'a mix')}:")
        for path, content in files(tree).items():
            error.add_note(f"  {len(content or b''):>8} {path}")
        raise


def test_the_model_knows_all_that_was_done(traced: Traced) -> None:
    """After the last call it is byte for byte what lies on the disk, and every file is synced."""
    *_, (_, root) = traced.boundaries()
    assert disk.survivors(root, disk.most) == on_disk(traced.folder)
    assert files(disk.survivors(root, disk.least)) == files(on_disk(traced.folder))


def test_the_recorder_took_all_that_arrived(traced: Traced) -> None:
    """Every frame was flushed in its time, and the whole recording is certified."""
    flushed = Flushed()
    for step, _ in traced.boundaries():
        flushed.note(step)
    ((session, frames),) = check_mended(Tape(traced.folder)).items()
    assert flushed.seqs == {session: len(frames)}
    taken = [frame.payload.decode() for frame in frames if frame.kind is Kind.DATA]
    assert taken == traced.sent[: len(taken)]
    assert len(taken) > 50
    assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))


def test_what_was_flushed_survives_a_power_cut_anywhere(traced: Traced, quick: Path) -> None:
    whole = sealed(Tape(traced.folder))
    survivors, flushed, chance = Survivors(quick / "tape", whole), Flushed(), Random(20261122)
    boundaries = 0
    for step, root in traced.boundaries():
        flushed.note(step)
        boundaries += 1
        for choice in choices(chance) if boundaries % EACH == 0 else ():
            tree = disk.survivors(root, choice)
            with told_where(step, choice, tree):
                frames = survivors.frames(tree)
            lost = {s: (n, frames[s]) for s, n in flushed.seqs.items() if frames[s] < n}
            assert not lost, f"after {step.name} of {step.path}: {lost}"
    assert boundaries > 1_000
    assert survivors.count > 100 / EACH
