"""What repair must not do: take away what others need, or call damaged what it may not read."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, which

import pytest
from click.testing import CliRunner, Result

from market.engine import Engine
from schemas.errors import TooNew
from schemas.frames import Kind
from tape import console
from tape.again import seal_again
from tape.cli import cli
from tape.compact import compact
from tape.generations import all_generations
from tape.layout import Part, SegmentName, Tape
from tape.lock import upkeep
from tape.merged import begun
from tape.plan import plan
from tape.reader import segments
from tape.recover import open_damaged, perform, survey
from tape.verify import verify
from tests.shared import ROOT
from tests.tape.contents import contents, files_of, frames_of, hourly, seen_by_others
from tests.tape.dumb import DAY, NAME, START, DumbEngine, DumbRecorder, sealed
from tests.tape.test_recover import number, recorded_by_the_hour, recovered

NEWER = b'{"format": 99, "code": "7.0.0"}'


def run(*words: object) -> Result:
    texts = [str(word) for word in words]
    return CliRunner().invoke(cli, texts, obj=DumbEngine, catch_exceptions=False)


def compacted(tape: Tape) -> None:
    list(compact(tape, plan(tape, all_days=True)))


def damage(tape: Tape) -> list[str]:
    return [f"{found.path}: {found.problem}" for found in verify(tape) if found.damage]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def of_format_1(folder: Path) -> Tape:
    """A recording whose rows are of another schema than those that are made now."""
    tape = Tape(copytree(ROOT / "data" / "versions" / "1", folder))
    for journal in tape.journals():
        journal.unlink()
    return tape


def remade(tape: Tape, *numbers: int) -> None:
    for segment in all_generations(tape):
        if segment.name.number in numbers:
            seal_again(tape, segment, Engine())


def test_rows_that_other_segments_share_stay(tmp_path: Path) -> None:
    """One segment has rows of another schema, and comes out of the merged files."""
    tape = of_format_1(tmp_path / "old")
    compacted(tape)
    remade(tape, 1)
    before, seen = contents(tape), frames_of(tape)
    compacted(tape)
    assert (contents(tape), frames_of(tape)) == (before, seen)
    assert verify(tape) == []


def test_a_run_of_merged_files_need_not_hold_all_in_between(tmp_path: Path) -> None:
    tape = of_format_1(tmp_path / "old")
    remade(tape, 1, 3)
    compacted(tape)
    assert begun(tape, all_generations(tape)).names == set()
    assert list(survey(tape, Engine)) == []
    assert verify(tape) == []


def test_files_moved_aside_are_kept(tape: Tape) -> None:
    recorded_by_the_hour(tape)
    spoilt = next(tape.root.glob("frames/*/hour=08/*"))
    spoilt.write_bytes(b"not a file of frames, but the only copy")
    aside = spoilt.with_name(spoilt.name + ".damaged")
    half = next(tape.root.glob("frames/*/hour=09/*")).with_name(f"{NAME}.extra.parquet")
    half.write_bytes(b"of nobody knows whom")
    for _ in range(2):
        tape.manifest(NAME).unlink()
        recovered(tape)
        assert aside.read_bytes() == b"not a file of frames, but the only copy"
        assert half.exists()
    half.unlink()
    assert damage(tape) == []


@pytest.fixture
def unprivileged() -> list[str]:
    """What a command begins with that may not read everything."""
    if os.geteuid() != 0:
        return []
    if which("setpriv") is None:
        pytest.skip("root may read all, and setpriv is not here to give that up")
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]


def told(unprivileged: list[str], *words: object) -> subprocess.CompletedProcess[str]:
    program = "from replay.keeper import main; main()"
    command = [*unprivileged, sys.executable, "-c", program, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def closed(whole: Tape) -> Iterator[list[Path]]:
    """Paths to be made unreadable; readable again in the end."""
    paths: list[Path] = []
    yield paths
    for path in paths:
        path.chmod(0o700)


@pytest.mark.parametrize(
    "what", ["frames/*/*/*.00001.parquet", "rows/*/*/*/*.00001.parquet", "manifest/*.00001.json"]
)
def test_what_may_not_be_read_is_not_damaged(
    whole: Tape, closed: list[Path], unprivileged: list[str], what: str
) -> None:
    path = next(whole.root.glob(what))
    if what.startswith("frames"):
        whole.manifest(NAME).unlink()
    before = files_of(whole)
    closed.append(path)
    path.chmod(0)
    done = told(unprivileged, "recover", whole.root)
    assert done.returncode == console.FAILED
    assert "Permission denied" in done.stderr
    assert path.name in done.stderr
    assert files_of(whole) == before


@pytest.mark.parametrize("folder", ["manifest", "journal", "frames"])
@pytest.mark.parametrize("word", ["recover", "compact", "verify"])
def test_a_folder_that_may_not_be_read_is_not_empty(
    whole: Tape, closed: list[Path], unprivileged: list[str], word: str, folder: str
) -> None:
    before = files_of(whole)
    closed.append(whole.root / folder)
    closed[0].chmod(0)
    done = told(unprivileged, word, whole.root)
    closed[0].chmod(0o700)
    if (word, folder) != ("compact", "frames"):  # which it has no need of
        assert (done.returncode, done.stdout.count("\n")) in {(console.FAILED, 0), (1, 3)}
        assert "Permission denied" in done.stderr + done.stdout
        assert files_of(whole) == before


def test_a_generation_of_a_later_version_is_not_overridden(whole: Tape) -> None:
    whole.manifest(NAME, 1).write_bytes(NEWER)
    merged = whole.rows(f"{NAME.session}.00001-00002.g1", Part("depth", START // DAY, "NEW"))
    merged.parent.mkdir(parents=True)
    merged.write_bytes(b"of a later version")
    files = files_of(whole)
    for words in (("seal", "--again"), ("compact", "--all"), ("diff",), ("recover",)):
        result = run(*words, whole.root)
        assert result.exit_code == console.FAILED
        assert "install backpack-recorder 7.0.0" in result.stderr
        assert files_of(whole) == files
    (finding,) = verify(whole)
    assert (finding.path, finding.damage) == (f"manifest/{NAME}.g1.json", False)
    with pytest.raises(TooNew):
        all_generations(whole)


def test_a_segment_of_a_later_version_is_not_missing(tape: Tape) -> None:
    recorder = DumbRecorder(tape)
    recorder.roll()
    recorder.roll()
    recorder.stop()
    for one in (1, 2, 3):
        sealed(tape, number(one))
    tape.manifest(number(2)).write_bytes(NEWER)
    assert damage(tape) == []


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: flip(path, 60)])
def test_what_is_recovered_is_whole(whole: Tape, spoil: object) -> None:
    before = contents(whole)
    assert callable(spoil)
    spoil(next(whole.root.glob("rows/depth/*/*/*.00001.parquet")))
    assert damage(whole)
    (line,) = recovered(whole)
    assert line[2:] == ("made anew from frames, as generation 1", None)
    assert verify(whole) == []
    assert recovered(whole) == []
    assert contents(whole) == before
    assert whole.manifest(NAME).with_suffix(".json.damaged").exists()
    compacted(whole)
    assert contents(whole) == before


def test_an_older_generation_that_is_broken_goes(whole: Tape) -> None:
    before = contents(whole)
    for segment in all_generations(whole):
        seal_again(whole, segment, DumbEngine())
    next(whole.root.glob("rows/depth/*/*/*.00001.parquet")).unlink()
    (line,) = recovered(whole)
    assert line[2:] == ("generation 0 removed: a later one counts", None)
    assert verify(whole) == []
    assert contents(whole) == before
    assert [m.generation for m in segments(whole)] == [1, 1]


def test_a_merged_file_that_is_broken_is_made_anew_for_all(tape: Tape) -> None:
    hourly(tape)
    before, seen = contents(tape), seen_by_others(tape)
    compacted(tape)
    flip(next(tape.root.glob("rows/depth/*/symbol=ETH_USDC/*")), 60)
    assert recovered(tape)
    assert verify(tape) == []
    assert recovered(tape) == []
    compacted(tape)
    assert (contents(tape), seen_by_others(tape)) == (before, seen)
    assert verify(tape) == []


def test_a_recovered_segment_leaves_merged_files_whole(tape: Tape) -> None:
    hourly(tape)
    before = contents(tape)
    compacted(tape)
    next(tape.manifest_folder.glob("*.00003.*")).unlink()
    recovered(tape)
    assert verify(tape) == []
    assert contents(tape) == before


def test_a_bit_that_matters_to_no_frame_costs_none(tape: Tape) -> None:
    recorder = recorded_by_the_hour(tape, hours=1)
    path = next(tape.root.glob("frames/*/*/*"))
    content = path.read_bytes()
    path.write_bytes(b"PAR0" + content[4:])  # which readers go by the end for
    (line,) = recovered(tape)
    assert line[2:] == ("made anew from frames: certified", None)
    assert frames_of(tape)[NAME] == recorder.frames
    assert verify(tape) == []


def test_of_a_sealed_segment_too_a_file_of_frames_costs_only_its_own(tape: Tape) -> None:
    recorder = recorded_by_the_hour(tape)
    for segment in all_generations(tape):
        seal_again(tape, segment, DumbEngine())
    path = next(tape.root.glob("frames/*/hour=08/*"))
    path.write_bytes(b"gone")
    (line,) = recovered(tape)[:1]
    assert line[2] == "made anew from frames: recovered"
    assert path.name in (line[3] or "")
    frames = [frame for frame in frames_of(tape)[NAME] if frame.kind is not Kind.LOSS]
    assert frames == [*recorder.frames[:3], *recorder.frames[5:]]
    assert path.with_name(path.name + ".damaged").read_bytes() == b"gone"
    assert damage(tape) == []
    (manifest,) = segments(tape)
    assert not any("journal" in said for said in manifest.losses)
    assert any(said.startswith("frames are missing: ") for said in manifest.losses)
    assert recovered(tape) == []


def test_garbage_in_a_journal_is_a_loss(whole: Tape) -> None:
    journal = whole.journal(SegmentName("20261123T070000Z", 1))
    journal.write_bytes(b"garbage")
    result = run("seal", whole.root)
    assert result.exit_code == console.LOSSES
    assert f"kept as {journal.name}.damaged" in result.stdout
    assert journal.with_name(journal.name + ".damaged").read_bytes() == b"garbage"


def test_what_a_compaction_has_not_finished_is_no_damage(whole: Tape) -> None:
    part = Part("depth", START // DAY, "ETH_USDC")
    merged = whole.rows(f"{NAME.session}.00001-00002.g1", part)
    half = whole.rows(NAME, part, "rows.g1")
    left = [merged, merged.with_name(merged.name + ".tmp"), half.with_name(half.name + ".tmp")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    assert {found.path for found in verify(whole)} == {whole.shown(path) for path in left}
    assert damage(whole) == []
    assert run("verify", whole.root).exit_code == console.LOSSES
    with upkeep(whole.root):
        assert verify(whole) == []
    result = run("compact", whole.root)
    assert merged.name in result.stderr
    assert not any(path.exists() and path.read_bytes() == b"half" for path in left)
    assert verify(whole) == []


def test_a_manifest_of_nothing_is_a_loss(whole: Tape) -> None:
    whole.manifest(SegmentName("20261123T070000Z", 1)).write_bytes(b"{")
    result = run("recover", whole.root)
    assert result.exit_code == console.LOSSES
    assert run("recover", whole.root).exit_code == console.WHOLE


def test_a_dry_run_writes_nothing(whole: Tape) -> None:
    before = sorted(whole.root.rglob("*"))
    assert run("recover", "--dry-run", whole.root).exit_code == 0
    assert run("compact", "--dry-run", whole.root).exit_code == 0
    assert sorted(whole.root.rglob("*")) == before
    with upkeep(whole.root):
        result = run("recover", "--dry-run", whole.root)
    assert "bp-tape at work" in result.stderr


def test_a_disk_that_is_read_only_is_named(whole: Tape, tmp_path: Path) -> None:
    mount = tmp_path / "disk"
    mount.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a disk")
    if subprocess.run(["mount", "--bind", whole.root, mount], capture_output=True).returncode:
        pytest.skip("no folder can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", mount], check=True)
        result = run("recover", mount)
        assert result.exit_code == console.FAILED
        assert "mount it read-write, or use --dry-run" in result.stderr
        assert run("recover", "--dry-run", mount).exit_code == 0
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_a_day_that_waits_for_another_says_which(tape: Tape) -> None:
    hourly(tape)
    for segment in all_generations(tape):
        if segment.name.number == 2:  # over midnight
            seal_again(tape, segment, DumbEngine())
    result = run("compact", "--day", "2026-11-22", tape.root)
    assert result.exit_code == console.USAGE
    assert "with 2026-11-23, so that one cannot" in result.stderr
    assert run("compact", tape.root).exit_code == 0
    assert verify(tape) == []


def test_frames_without_any_manifest_are_a_recording_to_recover(whole: Tape) -> None:
    for path in whole.manifests():
        path.unlink()
    result = run("ls", whole.root)
    assert result.exit_code == console.USAGE
    assert "bp-tape recover makes the manifests anew" in result.stderr
    assert run("recover", whole.root).exit_code == 0
    assert run("ls", whole.root).exit_code == 0


def test_a_folder_in_the_place_of_a_journal_does_not_stop_the_rest(whole: Tape) -> None:
    later = SegmentName("20261123T070000Z", 1)
    DumbRecorder(whole, later, START + DAY).cut()
    whole.journal(SegmentName("20261122T080000Z", 1)).mkdir()
    lines = [(*task[:2], *perform(task)) for task in survey(open_damaged(whole.root), DumbEngine)]
    assert [line[2] for line in lines] == ["failed", "sealed: recovered"]
    assert "is a folder, not a journal" in (lines[0][3] or "")
    result = run("seal", whole.root)
    assert result.exit_code == console.FAILED
    assert "is a folder, not a journal" in result.stdout
