"""Pruning is told to everybody, wherever it is cut off; what stays is as it was."""

import asyncio
import json
import os
from collections.abc import Callable
from hashlib import sha256
from itertools import product
from pathlib import Path
from shutil import copy, copytree, rmtree
from time import time_ns

import pytest
from click.testing import CliRunner, Result

from replay.certificate import Outcome
from replay.certify import certify
from replay.replay import Replay
from replay.report import Report
from replay.server.server import Server, Serving
from schemas.errors import NotARecording, TooNew
from tape import console
from tape.again import seal_again
from tape.batches import PrunedFile
from tape.cli import cli
from tape.compact import compact, finish
from tape.coverage import Covered, Missing, coverage
from tape.generations import all_generations
from tape.layout import SegmentName, Tape
from tape.lock import lock, upkeep
from tape.manifest import load
from tape.plan import plan
from tape.prunings import What, log_path
from tape.reader import read_frames, segments
from tape.recover import perform, survey
from tape.summary import summarize
from tape.verify import verify
from tests.replay.eventful import eventful
from tests.tape.contents import contents, files_of, frames_of, hourly, seen_by_others
from tests.tape.cuts import every_cut
from tests.tape.dumb import DAY, HOUR, NAME, DumbEngine, DumbRecorder, sealed
from tests.tape.keeping import parquet
from tests.tape.test_cli import cells

SOAK = bool(os.environ.get("SOAK"))  # each kill, of each kind of pruning
ALL = ("--keep", "1ms")
CUT_OFF = {("hourly", What.ALL), ("daily", What.ROWS)}


def run(*words: object) -> Result:
    texts = [str(word) for word in words]
    return CliRunner().invoke(cli, texts, obj=DumbEngine, catch_exceptions=False)


def pruned(tape: Tape, what: str, *words: str) -> None:
    assert run("prune", tape.root, "--what", what, *(words or ALL)).exit_code == 0


def compacted(tape: Tape) -> None:
    finish(tape)
    list(compact(tape, plan(tape, all_days=True)))


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tape]:
    """Four certified segments, of which one is over midnight; as recorded, and compacted."""
    found = {}
    for name in ("hourly", "daily"):
        found[name] = Tape(tmp_path_factory.mktemp(name) / "tape")
        hourly(found[name])
    compacted(found["daily"])
    return found


@pytest.fixture
def days(made: dict[str, Tape], tmp_path: Path) -> Tape:
    """A copy of the compacted one."""
    return Tape(Path(copytree(made["daily"].root, tmp_path / "days")))


@pytest.fixture(params=["hourly", "daily"] if SOAK else ["daily"])
def kept(made: dict[str, Tape], tmp_path: Path, request: pytest.FixtureRequest) -> Tape:
    """A copy of each."""
    return Tape(Path(copytree(made[request.param].root, tmp_path / "kept")))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """Four segments with all there is in life, made by the real engine."""
    return eventful(tmp_path_factory.mktemp("real") / "tape", every=50).tape


@pytest.fixture
def live(real: Tape, tmp_path: Path) -> Tape:
    """A copy of it."""
    return Tape(Path(copytree(real.root, tmp_path / "live")))


def test_whole_segments_are_gone_and_nobody_calls_them_lost(kept: Tape) -> None:
    before, frames = contents(kept), frames_of(kept)
    result = run("prune", kept.root, *ALL)
    assert (result.exit_code, len(cells(result.stdout))) == (0, 4)
    (name,) = contents(kept)
    assert (contents(kept)[name], frames_of(kept)[name]) == (before[name], frames[name])
    assert verify(kept) == []
    summary = summarize(kept, segments(kept))
    assert (summary.segments, summary.losses) == (1, [])
    assert summary.pruned[0].startswith(f"3 segments pruned wholly ({NAME} to ")
    result = run("ls", kept.root)
    assert (len(cells(result.stdout)), result.stderr.split(":")[0]) == (2, "note")
    result = run("verify", kept.root)
    assert result.stdout == "whole: every file is as it was sealed\n"
    assert "note: 3 segments pruned wholly" in result.stderr
    assert run("recover", kept.root).stdout.startswith("nothing to recover")


def test_one_in_the_middle_is_no_hole(days: Tape) -> None:
    """As where those before it are not certified."""
    other = Tape(days.root.parent / "other")
    copytree(days.root, other.root)
    pruned(days, "all")
    for path in days.manifests():
        path.unlink()
    for path in other.root.glob("manifest/*0000[14]*"):
        copy(path, days.manifest_folder)
    summary = summarize(other, segments(other))
    first = segments(days)[0]
    assert [m.number for m in segments(days)] == [1, 4]
    assert not [f for f in verify(days) if "missing between" in f.problem]
    assert summary.first_ts == first.first_ts
    log_path(days).unlink()
    assert [f.path for f in verify(days) if "missing between" in f.problem] == [
        f"manifest/{NAME.session}.0000{number}.json" for number in (2, 3)
    ]


def test_lost_segments_are_still_lost(days: Tape) -> None:
    """The one right before what is left was not pruned, but is not there."""
    pruned(days, "all", "--keep", f"{kept_hours(days, 2)}ms")
    for path in days.manifest_folder.glob("*.00003.*"):
        path.unlink()
    assert any("its session began before it" in f.problem for f in verify(days))


def kept_hours(tape: Tape, number: int) -> int:
    """Milliseconds such that segments up to a number are too old, and later ones are not."""
    last = [m.last_ts for m in segments(tape) if m.number in (number, number + 1)]
    return (time_ns() - sum(last) // 2) // 1_000_000


def test_frames_are_gone_and_everybody_says_so(kept: Tape) -> None:
    before, seen = contents(kept), seen_by_others(kept)
    pruned(kept, "frames")
    assert (contents(kept), seen_by_others(kept), verify(kept)) == (before, seen, [])
    first = segments(kept)[0]
    with pytest.raises(PrunedFile, match=r"was pruned on 20.*by bp-tape prune \(--keep 1ms\)"):
        list(read_frames(kept, first))
    lines = cells(run("ls", kept.root).stdout)
    assert [line[-2] for line in lines[1:]] == ["frames"] * 3 + ["-"]
    assert sum(int(line[-4]) for line in lines[1:]) == sum(
        path.stat().st_size for path in kept.root.rglob("*.parquet")
    )
    again = run("seal", "--again", kept.root)
    assert again.exit_code == 0
    assert [line[2] for line in cells(again.stdout)[1:]] == ["pruned"] * 3 + ["certified"]
    assert (contents(kept), verify(kept)) == (before, [])
    assert run("recover", kept.root).stdout.startswith("nothing to recover")
    compacted(kept)
    assert (contents(kept), verify(kept), seen_by_others(kept)) == (before, [], seen)


def test_rows_are_gone_and_come_back(kept: Tape) -> None:
    """But for the tables that say what is missing."""
    before, frames = contents(kept), frames_of(kept)
    pruned(kept, "rows")
    assert (frames_of(kept), verify(kept)) == (frames, [])
    tables = {
        path.parts[-4] for path in kept.root.glob("rows/*/*/*/*") if ".00004." not in str(path)
    }
    assert tables - {"depth"} == {"gap"}
    with pytest.raises(PrunedFile, match="rows come back with bp-tape seal --again"):
        contents(kept)
    assert [line[-2] for line in cells(run("ls", kept.root).stdout)[1:4]] == ["rows"] * 3
    assert run("recover", kept.root).stdout.startswith("nothing to recover")
    assert run("compact", "--all", kept.root).exit_code == 0
    assert verify(kept) == []
    assert run("seal", "--again", kept.root).exit_code == 0
    assert (contents(kept), frames_of(kept), verify(kept)) == (before, frames, [])
    assert summarize(kept, segments(kept)).pruned == []
    compacted(kept)
    assert (contents(kept), verify(kept)) == (before, [])


def test_of_a_file_that_several_shared_each_is_told(tape: Tape) -> None:
    """Also those for which no other file was removed."""
    recorder = DumbRecorder(tape)
    for number in range(4):
        recorder.say(("ETH_USDC", number, 1))
        recorder.ts += DAY * (number == 2) + HOUR
        if number < 3:
            recorder.roll()
    recorder.stop()
    for journal in tape.journals():
        sealed(tape, SegmentName.of(journal))
    compacted(tape)
    pruned(tape, "rows")
    assert [line[-2] for line in cells(run("ls", tape.root).stdout)[1:]] == ["rows"] * 3 + ["-"]
    assert verify(tape) == []
    seal_again(tape, all_generations(tape)[1], DumbEngine())
    lines = cells(run("ls", tape.root).stdout)
    assert [line[-2] for line in lines[1:]] == ["rows", "-", "rows", "-"]


def test_what_came_back_may_be_pruned_again(days: Tape) -> None:
    before = contents(days)
    for _ in range(2):
        pruned(days, "rows")
        for segment in all_generations(days)[:-1]:
            seal_again(days, segment, DumbEngine())
    assert contents(days) == before
    pruned(days, "frames")
    assert (contents(days), verify(days)) == (before, [])
    pruned(days, "all")
    assert (len(segments(days)), verify(days)) == (1, [])


@pytest.mark.parametrize("what", ["all", "frames"])
def test_what_is_left_is_replayed_and_certified(live: Tape, what: str) -> None:
    rows = list(Replay(live.root))
    last = segments(live)[-1]
    pruned(live, what)
    replay = Replay(live.root)
    assert list(replay) == rows[-sum(last.rows.values()) :]
    report = Report(replay)
    assert not [loss for loss in report.losses() if "not there" in loss or "missing" in loss]
    assert list(report.lines())[-1].startswith("note: 3 segments ")
    certificate = certify(live)
    assert (certificate.outcome, len(certificate.segments)) == (Outcome.CERTIFIED, 1)
    assert certificate.notes[-1].startswith("3 segments ")
    for path in live.manifest_folder.glob("*.00004.*"):
        path.unlink()
    with pytest.raises(NotARecording):
        Replay(live.root)
    with pytest.raises(NotARecording):
        certify(live)


def test_without_rows_it_is_certified_all_the_same(live: Tape) -> None:
    rows = list(Replay(live.root))
    pruned(live, "rows")
    assert list(Replay(live.root)) == rows
    certificate = certify(live)
    assert certificate.outcome is Outcome.CERTIFIED
    assert "bp-tape seal --again makes them anew" in certificate.notes[-1]
    next(live.root.glob("rows/gap/*/*/*.00001.*")).unlink()
    assert certify(live).outcome is Outcome.FAILED


@pytest.mark.parametrize("what", ["all", "frames", "rows"])
def test_a_server_leaves_out_what_was_pruned(live: Tape, what: str) -> None:
    """REST is made of rows, so both have to be there."""
    last = segments(live)[-1]
    pruned(live, what)

    async def scene() -> None:
        async with Server(live.root, Serving()) as server:
            assert server.playback.course.first_ts == last.first_ts
            assert server.notes[0].startswith("3 segments ")

    asyncio.run(scene())


def test_coverage_knows_what_was_pruned(live: Tape) -> None:
    """Frames and rows alone take nothing away; a segment takes all of its own."""
    days = coverage(live, segments(live))
    work = Tape(live.root.parent / "work")
    for what in ("frames", "rows"):
        rmtree(work.root, ignore_errors=True)
        copytree(live.root, work.root)
        pruned(work, what)
        assert coverage(work, segments(work)) == days
    begins = [manifest.first_ts for manifest in segments(live)]
    pruned(live, "all")
    for before, after in zip(days, coverage(live, segments(live)), strict=True):
        assert (before.topic, before.day) == (after.topic, after.day)
        assert of_cause(before, "unrecorded") == of_cause(after, "unrecorded")
        gone = of_cause(after, "pruned")
        assert {ts for part in gone for ts in (part.ts_since, part.ts_until)} <= set(begins)
        lost = [part for part in after.missing if part.cause not in ("pruned", "unrecorded")]
        assert all(part.ts_since >= begins[3] for part in lost)
        assert after.gaps == len(lost)


def of_cause(day: Covered, cause: str) -> list[Missing]:
    return [part for part in day.missing if part.cause == cause]


def test_what_is_not_certified_is_spared_and_named(days: Tape) -> None:
    """Unless it is forced."""
    name = segments(days)[1].name
    for path in days.manifest_folder.glob(f"{name}.*"):
        text = json.loads(path.read_text()) | {"verdict": "recovered"}
        path.write_text(sealed_by_itself(text))
    result = run("prune", days.root, *ALL)
    assert result.exit_code == console.LOSSES
    assert result.stderr == f"spared: {name}: recovered, not certified: --force prunes it too\n"
    assert [m.name for m in segments(days)] == [name, name._replace(number=4)]
    assert run("prune", "--force", days.root, *ALL).exit_code == 0
    assert [m.number for m in segments(days)] == [4]


def test_nothing_goes_of_a_session_with_a_manifest_that_cannot_be_read(days: Tape) -> None:
    """Nobody knows which files it names."""
    flip(days.manifests()[1], 100)
    files = files_of(days)
    result = run("prune", "--force", days.root, *ALL)
    assert (result.exit_code, result.stdout) == (console.LOSSES, "nothing to prune\n")
    assert result.stderr.count("cannot be read: bp-tape recover makes it anew") >= 2
    assert files_of(days) == files


def sealed_by_itself(manifest: dict[str, object]) -> str:
    """A manifest as text, with the sha256 in its second line."""
    del manifest["self_sha256"]
    first, rest = json.dumps(manifest, indent=2).split("\n", 1)
    digest = sha256(f"{first}\n{rest}\n".encode()).hexdigest()
    return f'{first}\n  "self_sha256": "{digest}",\n{rest}\n'


@pytest.mark.parametrize(
    ("name", "what"),
    [pair for pair in product(("hourly", "daily"), What) if SOAK or pair in CUT_OFF],
)
def test_pruning_may_be_cut_off_at_every_change(
    made: dict[str, Tape], tmp_path: Path, name: str, what: What
) -> None:
    """Each segment is there, whole, or pruned; the next one does what is missing."""
    kept = made[name]
    before, frames = contents(kept), frames_of(kept)
    work = Tape(tmp_path / "work")

    def fresh() -> None:
        rmtree(work.root, ignore_errors=True)
        copytree(kept.root, work.root)

    def work_on() -> None:
        run("prune", work.root, "--what", what, *ALL)

    fresh()
    work_on()
    files = files_of(work)
    cuts = 0
    for _ in every_cut(fresh, work_on, step=1 if SOAK else 25):
        cuts += 1
        assert verify(work) == []
        check_whole_or_pruned(work, before, frames)
        if cuts % 2:
            assert run("recover", work.root).exit_code == 0
            assert verify(work) == []
        work_on()
        assert (files_of(work), verify(work)) == (files, [])
    assert cuts >= 1


def test_what_is_left_over_of_a_segment_that_is_gone_is_removed(days: Tape, tmp_path: Path) -> None:
    """As after a kill right behind its last manifest. Nobody makes a segment of it again."""
    other = Tape(tmp_path / "other")
    copytree(days.root, other.root)
    pruned(days, "all")
    files = files_of(days)
    back = [path for path in parquet(other.root) - files if ".00003" in path]
    assert any(path.startswith("frames/") for path in back)
    for number, word in enumerate(("prune", "recover")):
        for path in back:
            (days.root / path).parent.mkdir(parents=True, exist_ok=True)
            copy(other.root / path, days.root / path)
        assert verify(days) == []
        found = cells(run("recover", "--dry-run", days.root).stdout)
        assert [line[1:] for line in found[1:]] == [["pruning that was cut off", "remove"]]
        result = run(word, days.root, *(ALL if number == 0 else ()))
        assert (result.exit_code, files_of(days), verify(days)) == (0, files, [])


def test_the_generation_that_counts_goes_last(tape: Tape, tmp_path: Path) -> None:
    """The first one's rows were pruned before: it must not count again for a moment."""
    hourly(tape, hours=2)
    pruned(tape, "rows")
    for segment in all_generations(tape):
        seal_again(tape, segment, DumbEngine())
    before, work = contents(tape), Tape(tmp_path / "work")

    def fresh() -> None:
        rmtree(work.root, ignore_errors=True)
        copytree(tape.root, work.root)

    for _ in every_cut(fresh, lambda: run("prune", work.root, *ALL), step=1 if SOAK else 5):
        assert verify(work) == []
        assert contents(work).items() <= before.items()


def check_whole_or_pruned(work: Tape, before: object, frames: object) -> None:
    """All that is not told to be pruned can be read as it was."""
    lines = {line[0]: line[-1] for line in cells(run("ls", work.root).stdout)[1:]}
    for manifest in segments(work):
        lacks = lines[str(manifest.name)]
        if "frames" not in lacks:
            assert list(read_frames(work, manifest)) == frames[manifest.name]  # type: ignore[index]
    if set(lines.values()) <= {"-", "frames"}:
        assert contents(work).items() <= before.items()  # type: ignore[attr-defined]
    gone = before.keys() - {m.name for m in segments(work)}  # type: ignore[attr-defined]
    notes = summarize(work, segments(work)).pruned
    assert bool(gone) == any("wholly" in note for note in notes)


def test_the_log_is_plain_and_proves_itself(days: Tape) -> None:
    files = {path: (days.root / path).read_bytes() for path in files_of(days)}
    assert run("prune", days.root, *ALL).exit_code == 0
    text = log_path(days).read_text()
    assert text.endswith("\n")
    for line in text.splitlines():
        said = json.loads(line)
        digest = said.pop("self_sha256")
        rest = line.replace(f'"self_sha256":"{digest}",', "", 1)
        assert sha256(rest.encode()).hexdigest() == digest
        assert (said["what"], said["by"], said["why"]) == ("all", "bp-tape prune", "--keep 1ms")
        for path, size, sha in said["files"]:
            assert (size, sha) == (len(files[path]), sha256(files.pop(path)).hexdigest())
    gone = {path for path in files if path.endswith(".parquet")} - files_of(days)
    assert gone == set()


def test_a_line_that_was_torn_is_none_and_goes(days: Tape) -> None:
    pruned(days, "frames", "--keep", f"{kept_hours(days, 1)}ms")
    whole = log_path(days).read_bytes()
    log_path(days).write_bytes(whole + whole[:-40])
    assert verify(days) == []
    pruned(days, "frames")
    assert log_path(days).read_bytes().startswith(whole)
    assert log_path(days).read_bytes().count(b"\n") == 3
    assert verify(days) == []


def test_a_line_that_is_damaged_is_named_and_what_it_said_is_lost(days: Tape) -> None:
    pruned(days, "frames")
    flip(log_path(days), 200)
    wrong = {finding.path: finding.damage for finding in verify(days)}
    frames = segments(days)[0].files_of("frames")
    assert wrong == {"manifest/log.jsonl": True} | {entry.path: True for entry in frames}
    pruned(days, "all")
    assert {finding.path for finding in verify(days)} == {"manifest/log.jsonl"}


def forged(tape: Tape, change: Callable[[dict[str, object]], None]) -> None:
    """The log's only line, changed, with the right sha256."""
    said = json.loads(log_path(tape).read_bytes().splitlines()[0])
    del said["self_sha256"]
    change(said)
    text = json.dumps(said, separators=(",", ":"))
    digest = sha256(text.encode()).hexdigest()
    log_path(tape).write_text(f'{{"self_sha256":"{digest}",{text[1:]}\n')


def test_a_forged_log_removes_nothing_outside(tape: Tape, tmp_path: Path) -> None:
    hourly(tape)
    outside = tmp_path / "mine.parquet"
    pruned(tape, "all")
    for path in ("../mine.parquet", str(outside), "frames/../../mine.parquet", ""):
        outside.write_bytes(b"mine")
        forged(tape, lambda said, path=path: said.update(files=[[path, 4, "00"]]))  # type: ignore[misc]
        run("prune", tape.root, *ALL)
        assert outside.exists()
        assert [f.path for f in verify(tape) if f.damage][-1] == "manifest/log.jsonl"


def test_a_log_of_a_later_version_is_refused(tape: Tape) -> None:
    hourly(tape)
    pruned(tape, "all")
    forged(tape, lambda said: said.update(format=99, code="7.0.0", what="by moonlight"))
    with pytest.raises(TooNew, match=r"install backpack-recorder 7\.0\.0"):
        summarize(tape, segments(tape))
    assert run("prune", tape.root, *ALL).exit_code == console.FAILED


def test_what_is_back_from_a_copy_counts(days: Tape, tmp_path: Path) -> None:
    before, other = contents(days), tmp_path / "copy"
    copytree(days.root, other)
    for what in ("frames", "rows", "all"):
        pruned(days, what)
        copytree(other, days.root, dirs_exist_ok=True)
        assert (contents(days), verify(days)) == (before, [])
        assert summarize(days, segments(days)).pruned == []


def test_a_file_that_is_lost_is_not_excused(days: Tape) -> None:
    """Neither of a segment that something else of was pruned, nor of another."""
    pruned(days, "frames")
    entry = segments(days)[0].files_of("depth")[0]
    (days.root / entry.path).unlink()
    assert {f.path for f in verify(days) if f.damage} == {entry.path}


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(days: Tape) -> None:
    files = files_of(days)
    planned = cells(run("prune", days.root, *ALL, "--dry-run").stdout)
    assert files_of(days) == files
    done = json.loads(run("prune", days.root, *ALL, "--json").stdout)
    assert planned[1:] == [[d["segment"], "all", str(d["bytes"])] for d in done]


def test_what_does_not_fit_is_said(days: Tape) -> None:
    result = run("prune", days.root, "--keep", "100B")
    assert result.exit_code == console.LOSSES
    assert "are left, more than --keep 100B: nothing else may go" in result.stderr
    assert len(segments(days)) == 1


def test_it_is_told_what_to_keep_and_to_wait(days: Tape) -> None:
    assert run("prune", days.root).exit_code == console.USAGE
    assert run("prune", days.root, "--keep", "much").exit_code == console.USAGE
    with upkeep(days.root):
        assert run("prune", days.root, *ALL).exit_code == console.FAILED
        assert run("prune", days.root, *ALL, "--dry-run").exit_code == 0
    with lock(days.root):  # a recorder at work is no obstacle
        assert run("prune", days.root, *ALL).exit_code == 0


def test_a_compaction_that_was_cut_off_is_finished_first(tape: Tape) -> None:
    hourly(tape)
    other = Tape(tape.root.parent / "other")
    copytree(tape.root, other.root)
    compacted(other)
    copytree(other.root / "rows", tape.root / "rows", dirs_exist_ok=True)
    copy(other.manifest(NAME, 1), tape.manifest_folder)  # only the first was switched
    result = run("prune", "--force", tape.root, *ALL)
    assert (result.exit_code, result.stdout) == (console.LOSSES, "nothing to prune\n")
    assert "its compaction was cut off: bp-tape compact finishes it" in result.stderr


def test_recovery_of_a_recording_that_was_pruned(days: Tape) -> None:
    """What is damaged afterwards is made anew, and nothing comes back that was pruned."""
    pruned(days, "all", "--keep", f"{kept_hours(days, 2)}ms")
    before = contents(days)
    days.manifests()[0].unlink()
    for task in survey(days, DumbEngine):
        assert perform(task).lost is None
    assert (contents(days), verify(days)) == (before, [])


def test_info_tells_how_long_the_disk_will_do(days: Tape) -> None:
    lines = {line[0]: line[1:] for line in cells(run("info", days.root).stdout) if line}
    found = [load(path) for path in days.manifests()]
    size = sum(path.stat().st_size for path in days.root.rglob("*.parquet"))
    span = found[-1].last_ts - found[0].first_ts
    assert lines["bytes per day"] == [str(size * 86_400_000_000_000 // span)]
    assert float(lines["days left"][0]) > 0
    said = json.loads(run("info", "--json", days.root).stdout)["forecast"]
    assert said["days_left"] == pytest.approx(said["free"] / said["bytes_per_day"])


def test_help_teaches() -> None:
    text = run("prune", "--help").stdout
    for word in (
        "bp-tape prune --keep 90d",
        "500GB",
        "--force",
        "--dry-run",
        "log.jsonl",
        "Exits 0",
    ):
        assert word in text
    assert "prune" in run("--help").stdout
