"""``bp-record --keep``: what is beyond it goes after each sealing, and nothing else changes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from recorder.child import Ended, run_child
from recorder.harvest import Sealed
from recorder.retain import main, retain
from recorder.retention import Outlook, Retained, Retention
from tape.keep import Keep
from tape.layout import DAY_NS, SegmentName, Tape
from tape.lock import upkeep
from tape.manifest import Verdict
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.commands import at_work, options
from tests.recorder.market import SNAPSHOTS, SOL, bid, bids
from tests.tape.dumb import DumbRecorder, sealed
from tests.venue import Send, Venue, WaitRequest, WaitSubscribed

SCRIPT = [WaitSubscribed(SOL), Send(bid(11)), WaitRequest("/api/v1/depth"), *map(Send, bids(12, 9))]


def earlier(data: Path, session: str, certified: bool = True) -> str:
    """A segment of an earlier session; its name."""
    recorder = DumbRecorder(Tape(data), SegmentName(session, 1))
    recorder.say(("ETH_USDC", 1, 1))
    if certified:
        recorder.stop()
    else:
        recorder.cut()
    sealed(Tape(data), recorder.name)
    return str(recorder.name)


def log_of(data: Path) -> list[dict[str, object]]:
    path = data / "manifest" / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def in_this_process(name: str, *arguments: str) -> Ended:
    """As `run_child`, without a process of its own, which takes half a second."""
    assert name == "retain"
    output, errors = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *arguments])
        patch.setattr(os, "nice", lambda _: 0)
        with redirect_stdout(output), redirect_stderr(errors):
            code = main()
    return Ended(code, output.getvalue().encode(), errors.getvalue().strip())


def retained(data: Path, *keep: str, times: int = 1) -> tuple[Retention, list[str]]:
    """What is done after so many sealings, and what people are told."""
    said: list[str] = []
    retention = Retention(Tape(data), Keep.parse(keep), said.append)

    async def run() -> None:
        for _ in range(times):
            await retention.run()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recorder.retention.run_child", in_this_process)
        asyncio.run(run())
    return retention, said


def left(data: Path) -> list[str]:
    return [f"{m['session']}.{m['number']:05d}" for m in plain.manifests(data)]


def test_what_is_beyond_goes_and_what_is_not_certified_is_named_once(tmp_path: Path) -> None:
    """The newest stays."""
    old, cut = earlier(tmp_path, "20200101T000000Z"), earlier(tmp_path, "20200102T000000Z", False)
    newest = earlier(tmp_path, "20200103T000000Z")
    retention, said = retained(tmp_path, "1B", times=2)
    assert left(tmp_path) == [cut, newest]
    (line,) = log_of(tmp_path)
    assert (line["segment"], line["by"], line["why"]) == (old, "bp-record", "--keep 1B")
    assert said[0].startswith("pruned 1 segments, ")
    assert said[1:] == [
        f"{cut} is kept although it is beyond --keep 1B: recovered, not certified: --force prunes"
        " it too"
    ]
    assert (retention.segments, [*retention.spared]) == (1, [cut])
    assert [found.path for found in verify(Tape(tmp_path))] == [f"manifest/{cut}.json"]


def test_what_is_younger_stays_and_bp_tape_at_work_is_waited_for(tmp_path: Path) -> None:
    names = [earlier(tmp_path, "20200101T000000Z"), earlier(tmp_path, "20200102T000000Z")]
    done = retain(Tape(tmp_path), Keep.parse(["9000d", "1TB"]))
    assert done.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    with upkeep(tmp_path):
        assert retained(tmp_path, "1B")[1] == []
    assert (left(tmp_path), log_of(tmp_path)) == (names, [])


def test_what_fails_is_said_once(tmp_path: Path) -> None:
    """A manifest that a later version wrote: nobody knows what counts."""
    earlier(tmp_path, "20200101T000000Z")

    newer = tmp_path / "manifest" / "20200101T000000Z.00001.g7.json"
    newer.write_bytes(b'{"format": 99, "code": "7.0.0"}')
    (said,) = retained(tmp_path, "1B", times=2)[1]
    assert said.startswith("nothing could be pruned: ")
    assert "install backpack-recorder 7.0.0" in said


def test_a_log_that_cannot_be_written_is_said_when_it_lasts(tmp_path: Path) -> None:
    """As of one that bp-tape made as another user: the disk would fill up unseen."""
    names = [earlier(tmp_path, "20200101T000000Z"), earlier(tmp_path, "20200102T000000Z")]
    (tmp_path / "manifest" / "log.jsonl").mkdir()
    (said,) = retained(tmp_path, "1B", times=3)[1]
    assert said.startswith("nothing could be pruned: ")
    assert "log.jsonl" in said
    assert left(tmp_path) == names


def test_the_command_and_its_configuration(tmp_path: Path) -> None:
    """It prunes after sealing, and says so in the summary."""
    earlier(tmp_path / "tape", "20200101T000000Z")
    config = tmp_path / "bp.toml"
    config.write_text('keep = ["9000d", "1B"]\n')

    async def scene() -> list[list[str]]:
        async with Venue(SCRIPT, snapshots=SNAPSHOTS) as venue:
            words = [*options(venue, tmp_path / "tape", SOL), "--config", str(config)]
            with at_work(*words) as recording:
                async with asyncio.timeout(60):
                    await venue.finished()
                recording.interrupt()
                ended = await asyncio.to_thread(recording.end)
        assert ended.code == 0, ended
        return ended.lines

    lines = asyncio.run(scene())
    (pruned,) = [line for line in lines if line[0] == "pruned"]
    assert pruned[1:3] == ["1", "segments"]
    assert len(plain.manifests(tmp_path / "tape")) == 1


def test_no_child_learns_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is for: sealing or pruning."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nenv\n")
    script.chmod(0o700)
    monkeypatch.setattr("recorder.child.sys.executable", str(script))
    for name in ("BP_API_KEY", "BP_API_SECRET", "BP_OTHER"):
        monkeypatch.setenv(name, "M4RKED")
    output = asyncio.run(run_child("retain")).output.decode()
    assert [line for line in output.splitlines() if "M4RKED" in line] == ["BP_OTHER=M4RKED"]


def of(number: int, size: int) -> Sealed:
    """A segment of an hour."""
    first = number * DAY_NS // 24
    name = SegmentName("a", number)
    return Sealed(name, Verdict.CERTIFIED, first, first + DAY_NS // 24, 1, 1, size, ())


def test_the_outlook_is_arithmetic(tmp_path: Path) -> None:
    """Of the last seven days; without a minute there is none."""
    assert Outlook([], None, None).text(10**9) == ""
    outlook = Outlook([of(n, 10**6 if n < 24 else 10**9) for n in range(24 * 8)], None, None)
    assert outlook.per_day == 24 * 10**9
    assert outlook.text(12 * 10**9) == "24.0 GB a day, the disk is full in 0.5 days"
    retention = Retention(Tape(tmp_path), Keep(), print)
    for size, left in ((10**11, 25.0), (10**6, 0.0)):
        retention.latest = Retained(
            segments=0, freed=0, spared={}, bytes=10**9, per_day=99 * 10**9 // 25, oldest_ts=1
        )
        keep = Keep.parse([f"{size}B"])
        assert Outlook([], retention, keep).days_kept == left
    assert Outlook([], retention, Keep.parse(["1d"])).days_kept == 0.0
    keep = Keep.parse(["36500d"])
    assert 0 < (Outlook([], retention, keep).days_kept or 0) < 36_500
    said = Outlook([], retention, Keep.parse(["100GB"])).text(None)
    assert said == "4.0 GB a day, --keep 100GB takes effect in 25 days"
