"""SOAK=1: real processes. A hand-over under all the load there is, and kill -9 at any moment of it;
``-s`` shows what was measured."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from recorder.control_client import ask
from recorder.control_socket import Request
from recorder.handing import COMMAND
from schemas.errors import BackpackError
from tape.console import WHOLE
from tape.layout import Tape
from tape.manifest import Verdict
from tape.reader import segments
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.commands import Recording, at_work, options, venue, wait_until

pytestmark = pytest.mark.skipif(not os.environ.get("SOAK"), reason="takes minutes: SOAK=1")

FAST = ("--feed", "sim", "--seconds", "20", "--speed", "72", "--repeat", "0")  # over 10,000/s
SLOW = (*FAST[:5], "4", *FAST[6:])
KILLS = 16
STEPS = ("begin", "give", "done")
LATEST_S = 4.0  # a hand-over is over by then


def flowing(recording: Recording, data: Path) -> None:
    """Wait until it records."""

    def is_at_work() -> bool:
        with suppress(BackpackError):
            return bool(ask(data, Request("status"))["pid"] == recording.pid)
        return False

    recording.until(is_at_work)
    recording.until(lambda: any(p.stat().st_size > 4_000 for p in data.glob("journal/*")))


def test_under_full_load(tmp_path: Path) -> None:
    """No gap, no snapshot but those of the start, all certified."""
    with venue(*FAST) as far_end:
        arguments = options(far_end, tmp_path, *far_end.topics)
        with at_work(*arguments) as old:
            flowing(old, tmp_path)
            time.sleep(4)
            with at_work(*arguments, "--take-over") as new:
                assert old.end().code == WHOLE
                flowing(new, tmp_path)
                time.sleep(4)
                new.interrupt()
                patiently(new)
                assert new.end().code == WHOLE
    found = segments(Tape(tmp_path))
    assert [one.end for one in found] == ["roll", "handover", "stop"]
    assert all(one.verdict is Verdict.CERTIFIED for one in found)
    assert not plain.table(tmp_path, "gap")
    assert not plain.table(tmp_path, "reject")
    books = sum(topic.startswith("depth.") and topic.count(".") == 1 for topic in far_end.topics)
    asked = [f for f in plain.frames(tmp_path, "request") if "depth" in f["topic"]]
    assert len(asked) == books
    frames = found[0].frames + found[1].frames
    span = (found[1].last_ts - found[0].first_ts) / 1e9
    taken = plain.frames(tmp_path, "close")[0]
    seam = (taken["ts_recv"].value - found[1].last_ts) / 1e9
    copies = len(plain.table(tmp_path, "copy"))
    print(f"\n{frames / span:,.0f} frames/s; {copies:,} copies; {seam:.3f} s from end to go-on")


def patiently(recording: Recording) -> None:
    """Sealing half a million frames takes longer than anything else here."""
    deadline = time.monotonic() + 600
    while recording.is_running and time.monotonic() < deadline:
        time.sleep(0.1)


@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    """Either of the two: the other one records, or the next one seals what there is."""
    random = Random(seed)
    with venue(*SLOW) as far_end:
        arguments = options(far_end, tmp_path, *far_end.topics)
        with at_work(*arguments) as old:
            flowing(old, tmp_path)
            with at_work(*arguments, "--take-over") as new:
                old.hear("is about to take over")
                time.sleep(random.uniform(0, LATEST_S) if seed % 4 else 1.2)
                victim, other = (old, new) if seed % 2 else (new, old)
                victim.kill()
                goes_on(other, tmp_path)
        with at_work(*arguments, "--duration", "1s") as last:
            last.end()
    check(tmp_path)


@pytest.mark.parametrize("steps", [STEPS[:1], STEPS[:2], STEPS], ids=len)
def test_killed_after_each_step(tmp_path: Path, steps: tuple[str, ...]) -> None:
    """The one that gives; who asked is gone as well. The next one seals what there is."""
    with venue(*SLOW) as far_end:
        arguments = options(far_end, tmp_path, *far_end.topics)
        with at_work(*arguments) as old:
            flowing(old, tmp_path)
            for name in steps:
                ask(tmp_path, Request(COMMAND, arguments={"step": name, "pid": 1}))
            old.kill()
        with at_work(*arguments, "--take-over") as new:
            flowing(new, tmp_path)
            new.interrupt()
            new.leave()
    check(tmp_path)
    end = segments(Tape(tmp_path))[len(steps) - 1 - ("done" in steps)].end
    assert end == ("handover" if "give" in steps else "roll")


def goes_on(survivor: Recording, data: Path) -> None:
    """If it has not ended, as the other one had taken it: it records, and ends in order."""
    before = {path: path.stat().st_size for path in data.glob("journal/*")}
    wait_until(lambda: not survivor.is_running or grows(data, before))
    if survivor.is_running:
        survivor.interrupt()
    survivor.leave()


def grows(data: Path, before: dict[Path, int]) -> bool:
    """Whether a journal is larger than it was by what no last flush explains."""
    sizes = {path: path.stat().st_size for path in data.glob("journal/*.zst") if path.exists()}
    return any(size > before.get(path, 0) + 20_000 for path, size in sizes.items())


def check(data: Path) -> None:
    """What was journaled is whole."""
    found = segments(Tape(data))
    assert {one.verdict for one in found} <= {Verdict.CERTIFIED, Verdict.RECOVERED}
    for one in verify(
        Tape(data)
    ):  # what a kill -9 always leaves, in the moment of a roll the other
        assert any(text in one.problem for text in ("without a stop", "was to be continued")), one
    assert plain.journals(data) == []
    for session in {one.session for one in found}:
        seqs = [frame["seq"] for frame in plain.frames(data, session=session)]
        assert seqs == list(range(1, len(seqs) + 1))
