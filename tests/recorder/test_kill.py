"""kill -9 at any moment: what was flushed is sealed by the next start, once, and the loss is named.

A frame is flushed once it can be read from the journal's file, by tools that know nothing of us.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGSTOP
from typing import Any, NamedTuple

import pytest

from recorder.child import child
from tape.layout import Tape
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.commands import (
    ENVIRONMENT,
    FarEnd,
    Recording,
    at_work,
    bp_record,
    kill,
    options,
    runs,
    venue,
    wait_until,
)

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="children are found in /proc"
)

LOSSES = 3  # exit code: recorded, with losses
MOMENTS = Random(20261122)  # of the kills, in seconds after the first flush
SHORT = ("--duration", "300ms")


class Wreck(NamedTuple):
    """What a killed recorder left: the name of its journal, its frames and its torn bytes."""

    name: str
    frames: list[list[Any]]
    torn: int

    @property
    def session(self) -> str:
        return self.name.split(".")[0]

    @property
    def messages(self) -> list[str]:
        return [frame[6].decode() for frame in self.frames if frame[4] == "data"]


def newest(data: Path) -> Path | None:
    """The newest journal, if it holds anything."""
    found = sorted((data / "journal").glob("*.zst"))
    return found[-1] if found and found[-1].stat().st_size > 4_000 else None


def killed(recording: Recording, data: Path, before: set[str], moment: float) -> Wreck:
    """Kill it some time after the first flush of its own journal."""

    def has_flushed() -> bool:
        path = newest(data)
        return path is not None and path.name not in before

    recording.until(has_flushed)
    time.sleep(moment)
    recording.kill()
    path = newest(data)
    assert path is not None
    return Wreck(path.name, *plain.journal(path))


def sealed(data: Path, wreck: Wreck) -> dict[str, Any]:
    """The manifest of a wreck, all of whose frames are on the tape, each once."""
    frames = plain.frames(data, session=wreck.session)
    kept = [(f["seq"], f["conn"], f["kind"], f["payload"]) for f in frames]
    assert kept == [(f[0], f[3], f[4], f[6]) for f in wreck.frames]
    (manifest,) = (m for m in plain.manifests(data) if m["session"] == wreck.session)
    assert (manifest["first_seq"], manifest["last_seq"]) == (1, len(kept))
    assert (manifest["verdict"], manifest["end"]) == ("recovered", None)
    assert manifest["damage"] == []
    return manifest


def check_unchanged(urls: FarEnd, data: Path) -> None:
    """Another start leaves all that is sealed as it is."""
    before = plain.fingerprints(data)
    assert bp_record(*options(urls, data, *urls.topics), *SHORT).code == 0
    after = plain.fingerprints(data)
    assert {path: after[path] for path in before} == before
    assert len(plain.manifests(data)) == sum(path.startswith("manifest/") for path in before) + 1


def test_what_was_flushed_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    """Four recorders on one folder, each killed, some of them while they seal for the one before;
    then one that ends in order. The n-th was the venue's n-th connection."""
    data, log = tmp_path / "tape", tmp_path / "sent.jsonl"
    wrecks: list[Wreck] = []
    flow = ("--feed", "sim", "--seconds", "20", "--speed", "20", "--repeat", "0")
    with venue(*flow, "--log", str(log)) as urls:
        for _ in range(4):
            moment = MOMENTS.uniform(0, 0.6)
            with at_work(*options(urls, data, *urls.topics)) as recording:
                wrecks.append(killed(recording, data, {w.name for w in wrecks}, moment))
        last = bp_record(*options(urls, data, *urls.topics), *SHORT)
        assert last.code == LOSSES, last
        check_unchanged(urls, data)
    sent = list(map(json.loads, log.read_text().splitlines()))
    for number, wreck in enumerate(wrecks, 1):
        assert sealed(data, wreck)["lost"] is None or wreck.torn
        mine = [line["frame"] for line in sent if line["connection"] == number]
        assert 10 < len(wreck.messages) <= len(mine)
        assert mine[: len(wreck.messages)] == wreck.messages
    assert plain.journals(data) == []
    assert not [finding for finding in verify(Tape(data)) if finding.damage]


@pytest.fixture(scope="module")
def flow() -> Iterator[FarEnd]:
    """A venue that sends as fast as it can, some 60,000 frames, and then goes on serving."""
    with venue("--feed", "sim", "--seconds", "20", "--speed", "max", "--repeat", "20") as urls:
        yield urls


@pytest.fixture(scope="module")
def large(flow: FarEnd, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal that takes seconds to seal, left by a recorder that was killed."""
    data = tmp_path_factory.mktemp("large") / "tape"
    with at_work(*options(flow, data, *flow.topics)) as recording:
        recording.until(lambda: sum(p.stat().st_size for p in data.glob("journal/*")) > 200_000)
        recording.kill()
    path = newest(data)
    assert path is not None
    return path


@pytest.fixture
def wrecked(large: Path, tmp_path: Path) -> tuple[Path, Wreck]:
    """A folder with that journal in it."""
    data = tmp_path / "tape"
    (data / "journal").mkdir(parents=True)
    shutil.copy(large, data / "journal")
    return data, Wreck(large.name, *plain.journal(large))


def is_sealing(data: Path) -> bool:
    """Whether a file of a segment is half written."""
    return any(path.suffix == ".tmp" for path in data.rglob("*.tmp"))


def test_the_torn_tail_is_named(flow: FarEnd, wrecked: tuple[Path, Wreck]) -> None:
    """A power cut: the last batch is on disk in part. Everything before it is kept."""
    data, _ = wrecked
    path = newest(data)
    assert path is not None
    path.write_bytes(path.read_bytes()[:-7])
    wreck = Wreck(path.name, *plain.journal(path))
    assert wreck.torn > 0
    last = bp_record(*options(flow, data, *flow.topics), *SHORT)
    assert last.code == LOSSES
    lost = sealed(data, wreck)["lost"]
    assert (lost["bytes"], lost["after_seq"]) == (wreck.torn, len(wreck.frames))
    assert f"{wreck.torn} bytes after seq {len(wreck.frames)}" in last.out
    assert plain.journals(data) == []
    check_unchanged(flow, data)


def start_sealing(urls: FarEnd, data: Path) -> tuple[Recording, int]:
    """A recorder that is half through sealing what it found, and the process that does it, which
    is stopped. Where it was faster than who looks, all begins anew."""
    before = shutil.copytree(data, data.with_name("before"))
    for _ in range(10):
        recording = Recording(*options(urls, data, "depth.SOL_USDC"))
        with suppress(ProcessLookupError):
            return recording, stopped_amid(recording, data)
        recording.kill()
        shutil.rmtree(data)
        shutil.copytree(before, data)
    raise AssertionError("it is always done at once")


def stopped_amid(recording: Recording, data: Path) -> int:
    """What seals for it, let go on bit by bit until it has begun; ProcessLookupError if it is done
    by then."""
    recording.until(lambda: bool(recording.sealers()))
    (sealer,) = recording.sealers()

    def has_begun() -> bool:
        os.kill(sealer, SIGCONT)
        time.sleep(0.005)
        os.kill(sealer, SIGSTOP)
        return is_sealing(data)

    recording.until(has_begun)
    return sealer


def check_sealed_once(data: Path, wreck: Wreck) -> None:
    """The wreck is sealed, and nothing half written stays behind."""
    sealed(data, wreck)
    assert not is_sealing(data)
    assert plain.journals(data) == []
    assert not [finding for finding in verify(Tape(data)) if finding.damage]


def sealer_command(data: Path, journal: str) -> list[str]:
    """What a recorder runs for each journal, at its start for those it finds."""
    return child("seal", str(data), str(data / "journal" / journal))


def seal_left(data: Path) -> None:
    """The sealing of a start, for all journals, in order."""
    for name in plain.journals(data):
        subprocess.run(sealer_command(data, name), env=ENVIRONMENT, check=True)


def test_a_killed_sealing_leaves_the_journal(flow: FarEnd, wrecked: tuple[Path, Wreck]) -> None:
    """Only the sealing process is killed: the recorder goes on, says so and exits 1."""
    data, wreck = wrecked
    recording, sealer = start_sealing(flow, data)
    kill(sealer)
    recording.until(lambda: not recording.sealers())
    assert wreck.name in plain.journals(data)
    assert not (data / "manifest").exists()
    recording.interrupt()
    ended = recording.end()
    assert ended.code == 1
    assert f"sealing {wreck.name} failed, the journal is kept" in ended.err
    left = ["not sealed", str(data / "journal" / wreck.name), "kept for the next start"]
    assert left in ended.lines
    seal_left(data)
    check_sealed_once(data, wreck)


def test_recorder_and_sealing_may_die_together(flow: FarEnd, wrecked: tuple[Path, Wreck]) -> None:
    data, wreck = wrecked
    recording, sealer = start_sealing(flow, data)
    recording.kill()
    kill(sealer)
    wait_until(lambda: not runs(sealer))
    assert wreck.name in plain.journals(data)
    assert not (data / "manifest").exists()
    seal_left(data)
    check_sealed_once(data, wreck)


def test_a_sealing_that_outlives_its_recorder_is_not_disturbed(
    flow: FarEnd, wrecked: tuple[Path, Wreck]
) -> None:
    """The recorder dies, its sealing goes on; the next recorder finds the same journal."""
    data, wreck = wrecked
    recording, sealer = start_sealing(flow, data)
    try:
        recording.kill()
        with at_work(*options(flow, data, *flow.topics), *SHORT) as following:
            following.until(lambda: bool(following.sealers()))
            os.kill(sealer, SIGCONT)
            assert following.end().code == LOSSES
    finally:
        kill(sealer)
    check_sealed_once(data, wreck)


def test_two_sealings_of_one_journal_make_one_segment(wrecked: tuple[Path, Wreck]) -> None:
    """Whoever comes second waits for the first, and finds nothing left to do. Without that they
    rename each other's half-written files."""
    data, wreck = wrecked
    command = sealer_command(data, wreck.name)
    both = [
        subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [(one.communicate()[1], one.returncode) for one in both] == [("", 0), ("", 0)]
    check_sealed_once(data, wreck)


def test_a_second_ctrl_c_leaves_the_sealing_to_the_next_start(
    flow: FarEnd, wrecked: tuple[Path, Wreck]
) -> None:
    """The first one closes the journal in order; the second does not wait for the sealing."""
    data, wreck = wrecked
    recording, sealer = start_sealing(flow, data)
    try:
        recording.interrupt()
        recording.hear("stopping")
        recording.hear("sealing: 1 to go")
        recording.interrupt()
        assert recording.leave() == LOSSES
    finally:
        kill(sealer)
    (own,) = set(plain.journals(data)) - {wreck.name}
    frames, torn = plain.journal(data / "journal" / own)
    assert torn == 0
    assert json.loads(frames[-1][6])["end"] == "stop"
    seal_left(data)
    check_sealed_once(data, wreck)
    verdicts = {m["session"]: m["verdict"] for m in plain.manifests(data)}
    assert verdicts[own.partition(".")[0]] == "certified"


def test_what_is_sealed_is_never_sealed_again(large: Path, wrecked: tuple[Path, Wreck]) -> None:
    """Killed between the manifest and the removal of the journal: the next start removes it."""
    data, wreck = wrecked
    seal_left(data)
    before = plain.fingerprints(data)
    shutil.copy(large, data / "journal")
    seal_left(data)
    assert plain.fingerprints(data) == before
    check_sealed_once(data, wreck)
