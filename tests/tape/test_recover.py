"""Whatever is killed, damaged or lost: what can be read comes back, and the rest is named."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from market.engine import Engine
from replay.certificate import Outcome
from replay.certify import certify
from schemas.errors import NotARecording, TooNew
from schemas.frames import Frame, Kind
from tape.again import seal_again
from tape.compact import compact
from tape.generations import all_generations
from tape.layout import DAY_NS, Part, SegmentName, Tape
from tape.manifest import Origin, Verdict
from tape.plan import plan
from tape.reader import segments
from tape.recover import open_damaged, perform, survey
from tape.verify import verify
from tests.replay.eventful import eventful
from tests.tape.contents import contents, files_of, frames_of, hourly, seen_by_others
from tests.tape.cuts import every_cut
from tests.tape.dumb import NAME, SECOND, START, DumbEngine, DumbRecorder, sealed

Line = tuple[str, str, str, str | None]


def recovered(tape: Tape) -> list[Line]:
    """As the command does it."""
    lines = []
    for task in survey(open_damaged(tape.root), DumbEngine):
        lines.append((task.path, task.found, *perform(task)))
    return lines


def number(one: int) -> SegmentName:
    return SegmentName(NAME.session, one)


@pytest.fixture
def copy(whole: Tape, tmp_path: Path) -> Callable[[], Tape]:
    """A new copy of the recording, in the place of the one before."""
    work = Tape(tmp_path / "work")

    def make() -> Tape:
        rmtree(work.root, ignore_errors=True)
        copytree(whole.root, work.root)
        return work

    return make


def test_a_whole_recording_is_left_alone(whole: Tape) -> None:
    files = files_of(whole)
    assert recovered(whole) == []
    assert files_of(whole) == files


def test_a_folder_without_anything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARecording, match="nor what is left of one"):
        open_damaged(tmp_path)
    with pytest.raises(NotARecording, match="no folder"):
        open_damaged(tmp_path / "x")


def test_any_subset_of_manifests_comes_back(whole: Tape, copy: Callable[[], Tape]) -> None:
    before, frames, seen = contents(whole), frames_of(whole), seen_by_others(whole)
    verdicts = [manifest.verdict for manifest in segments(whole)]
    names = [path.name for path in whole.manifests()]
    for count in range(1, len(names) + 1):
        for gone in combinations(names, count):
            tape = copy()
            for each in gone:
                (tape.manifest_folder / each).unlink()
            lines = recovered(tape)
            assert [line[0] for line in lines] == [f"manifest/{each}" for each in gone]
            assert [line[3] for line in lines] == [None] * count
            assert (contents(tape), frames_of(tape), seen_by_others(tape)) == (before, frames, seen)
            assert [manifest.verdict for manifest in segments(tape)] == verdicts
            assert verify(tape) == []
            assert recovered(tape) == []


def test_a_damaged_manifest_is_moved_aside_and_made_anew(whole: Tape) -> None:
    before = contents(whole)
    path = whole.manifest(NAME)
    content = path.read_bytes()
    path.write_bytes(content[:200])
    first, second = recovered(whole)
    assert first[1:] == ("manifest that cannot be read", "moved aside", None)
    assert second[2] == "made anew from frames: certified"
    assert path.with_name(path.name + ".damaged").read_bytes() == content[:200]
    assert contents(whole) == before
    assert verify(whole) == []
    assert segments(whole)[0].origin is Origin.FRAMES


def test_a_manifest_of_a_later_version_is_not_touched(whole: Tape) -> None:
    path = whole.manifest(NAME)
    path.write_bytes(b'{"format": 99, "code": "7.0.0"}')
    with pytest.raises(TooNew, match="install"):
        recovered(whole)
    assert path.exists()


@pytest.mark.parametrize("damaged", [0, 1])
def test_of_two_generations_the_damaged_one_is_made_anew(whole: Tape, damaged: int) -> None:
    before, seen = contents(whole), seen_by_others(whole)
    for segment in all_generations(whole):
        seal_again(whole, segment, DumbEngine())
    whole.manifest(NAME, damaged).write_bytes(b"{")
    (line,) = recovered(whole)
    assert line[2:] == (f"moved aside, generation {damaged} made anew from frames", None)
    assert (contents(whole, 0), contents(whole, 1)) == (before, before)
    assert seen_by_others(whole) == seen
    assert verify(whole) == []


def test_rows_that_are_gone_or_cut_short_come_back(whole: Tape) -> None:
    before = contents(whole)
    paths = sorted(whole.root.glob("rows/*/*/*/*.00001.parquet"))
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-9])
    (line,) = recovered(whole)
    assert line[2:] == ("made anew from frames, as generation 1", None)
    assert contents(whole) == before
    assert recovered(whole) == []


def test_journals_are_sealed_and_half_sealed_ones_again(whole: Tape, tmp_path: Path) -> None:
    later = SegmentName("20261123T070000Z", 1)
    recorder = DumbRecorder(whole, later, START + 30 * SECOND)
    recorder.say(("ETH_USDC", 5, 5))
    recorder.cut()
    other = Tape(copytree(whole.root, tmp_path / "other"))
    sealed(other, later)
    for path in other.root.rglob(f"{later}.parquet"):  # as if killed before the manifest
        target = whole.root / path.relative_to(other.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    (line,) = recovered(whole)
    assert line == (
        f"journal/{later}.journal.zst",
        "journal whose sealing was cut off",
        "sealed: recovered",
        None,
    )
    assert frames_of(whole)[later] == recorder.frames
    assert not whole.journals()


def test_a_torn_journal_and_one_of_nothing_are_named(tape: Tape) -> None:
    recorder = DumbRecorder(tape)
    recorder.say(("ETH_USDC", 5, 5))
    recorder.flush()
    recorder.say(("ETH_USDC", 6, 5))
    recorder.cut()
    journal = tape.journal(NAME)
    journal.write_bytes(journal.read_bytes()[:-3])
    tape.journal(number(2)).write_bytes(b"nothing that could be read")
    first, second = recovered(tape)
    assert first[2] == "sealed: recovered"
    assert "after seq 2: the file ends within a batch" in (first[3] or "")
    assert second[2:] == (
        f"kept as {number(2)}.journal.zst.damaged",
        "no frame of it could be read",
    )
    assert frames_of(tape) == {NAME: recorder.frames[:2]}
    assert recovered(tape) == []


def test_what_a_kill_left_is_removed(whole: Tape) -> None:
    day = START // DAY_NS
    kept = files_of(whole)
    left = [
        whole.rows(NAME, Part("depth", day, "OLD")),
        whole.rows(f"{NAME}", Part("depth", day, "ETH_USDC")).with_suffix(".parquet.tmp"),
        whole.rows(f"{NAME.session}.00001-00002.g1", Part("depth", day, "ETH_USDC")),
        whole.rows(f"{NAME.session}.00001-00002.g1.parquet.tmp", Part("depth", day, "X")),
        whole.rows(NAME, Part("depth", day, "ETH_USDC"), "rows.g1"),
        Path(f"{whole.frames(NAME, START)}.tmp"),
        Path(f"{whole.manifest(NAME)}.tmp"),
        Path(f"{whole.journal(NAME)}.tmp"),
    ]
    left[3] = left[3].with_name(left[3].name.removesuffix(".parquet"))
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    lines = recovered(whole)
    assert {line[2].split()[0] for line in lines} == {"removed"}
    assert files_of(whole) == kept
    assert recovered(whole) == []


def test_rows_without_frames_are_left(whole: Tape) -> None:
    path = whole.rows(SegmentName("x", 1), Part("depth", 0, "ETH_USDC"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"whatever")
    (line,) = recovered(whole)
    assert line[1:3] == ("rows of a segment that is gone", "left as they are")
    assert path.exists()


def recorded_by_the_hour(tape: Tape, hours: int = 4) -> DumbRecorder:
    """One segment with a file of frames for each hour, from 07:00."""
    recorder = DumbRecorder(tape)
    for hour in range(hours):
        recorder.ts = START + hour * 3_600 * SECOND
        recorder.say(("ETH_USDC", hour, 1))
        recorder.say(("ETH_USDC", hour, 2))
    recorder.stop()
    sealed(tape)
    return recorder


def loss_in(frames: list[Frame]) -> tuple[int, bytes]:
    (loss,) = [frame for frame in frames if frame.kind is Kind.LOSS]
    return loss.seq, loss.payload


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"PAR1" * 50), Path.unlink])
def test_a_file_of_frames_costs_only_its_own(tape: Tape, spoil: Callable[[Path], object]) -> None:
    recorder = recorded_by_the_hour(tape)
    spoil(next(tape.root.glob("frames/*/hour=08/*")))
    tape.manifest(NAME).unlink()
    (line,) = recovered(tape)
    assert line[2] == "made anew from frames: recovered"
    frames = frames_of(tape)[NAME]
    assert [f for f in frames if f.kind is not Kind.LOSS] == [
        *recorder.frames[:3],
        *recorder.frames[5:],
    ]
    assert loss_in(frames) == (4, b'{"cause":"damaged","frames":2,"bytes":0,"ended":true}')
    (manifest,) = segments(tape)
    assert [(d.after_seq, d.until_seq) for d in manifest.damage] == [(3, 6)]
    assert "after seq 3 until seq 6" in (line[3] or "")
    assert not [finding for finding in verify(tape) if finding.damage]
    again = files_of(tape)
    tape.manifest(NAME).unlink()
    recovered(tape)
    assert (files_of(tape), frames_of(tape)[NAME]) == (again, frames)


def test_the_first_and_the_last_file_of_frames_may_be_gone(tape: Tape) -> None:
    recorder = recorded_by_the_hour(tape)
    for hour in ("07", "10"):
        next(tape.root.glob(f"frames/*/hour={hour}/*")).write_bytes(b"")
    tape.manifest(NAME).unlink()
    (line,) = recovered(tape)
    frames = frames_of(tape)[NAME]
    assert loss_in(frames) == (1, b'{"cause":"damaged","frames":3,"bytes":0,"ended":true}')
    assert frames[1:] == recorder.frames[3:7]
    (manifest,) = segments(tape)
    assert manifest.lost is not None
    assert (manifest.lost.after_seq, manifest.verdict) == (7, Verdict.RECOVERED)
    assert "cannot be read, moved aside" in (line[3] or "")


def test_a_footer_that_would_end_the_process_does_not(tape: Tape) -> None:
    recorded_by_the_hour(tape, hours=2)
    path = next(tape.root.glob("frames/*/hour=07/*"))
    content = bytearray(path.read_bytes())
    content[-60:-8] = b"\xff" * 52
    path.write_bytes(content)
    tape.manifest(NAME).unlink()
    (line,) = recovered(tape)
    assert "hour=07" in (line[3] or "")
    assert [frame.seq for frame in frames_of(tape)[NAME]] == [1, 4, 5, 6]


def test_a_segment_of_which_nothing_is_left_is_named(tape: Tape) -> None:
    recorded_by_the_hour(tape, hours=1)
    next(tape.root.glob("frames/*/*/*")).write_bytes(b"")
    tape.manifest(NAME).unlink()
    first, second = recovered(tape)
    assert first[2] == "no frame could be read"
    assert second[1:3] == ("rows of a segment that is gone", "left as they are")
    assert segments(tape) == []


def test_damaged_frames_of_a_sealed_segment_are_left_to_a_copy(whole: Tape) -> None:
    path = next(whole.root.glob("frames/*/*/*.00001.parquet"))
    path.write_bytes(b"")
    (line,) = recovered(whole)
    assert line[2:] == (
        "left as it is: bring it back from a copy",
        "frames, unless there is a copy",
    )
    assert path.exists()


def test_one_manifest_of_a_compacted_day_comes_back(tape: Tape) -> None:
    hourly(tape)
    before, frames, seen = contents(tape), frames_of(tape), seen_by_others(tape)
    list(compact(tape, plan(tape)))
    next(tape.manifest_folder.glob("*.00003.*")).unlink()
    recovered(tape)
    assert (contents(tape), frames_of(tape), seen_by_others(tape)) == (before, frames, seen)
    assert [m.generation for m in segments(tape)] == [1, 2, 3, 2]
    list(compact(tape, plan(tape)))
    assert (contents(tape), seen_by_others(tape)) == (before, seen)
    assert verify(tape) == []


def test_all_manifests_of_a_compacted_recording_come_back(tape: Tape) -> None:
    hourly(tape)
    before, frames, seen = contents(tape), frames_of(tape), seen_by_others(tape)
    list(compact(tape, plan(tape)))
    for path in tape.manifest_folder.iterdir():
        path.unlink()
    recovered(tape)
    assert (contents(tape), frames_of(tape), seen_by_others(tape)) == (before, frames, seen)
    assert verify(tape) == []


def test_the_real_engine_certifies_what_was_rebuilt(tmp_path: Path) -> None:
    tape = eventful(tmp_path / "tape", every=50).tape
    before, seen = contents(tape), seen_by_others(tape)
    for path in tape.manifests()[1:3]:
        path.unlink()
    for task in survey(tape, Engine):
        perform(task)
    assert (contents(tape), seen_by_others(tape)) == (before, seen)
    assert certify(tape).outcome is Outcome.CERTIFIED


def test_recovery_may_be_cut_off_at_every_change(tape: Tape, tmp_path: Path) -> None:
    recorder = recorded_by_the_hour(tape, hours=2)
    tape.manifest(NAME).write_bytes(b"{")
    next(tape.root.glob("frames/*/hour=07/*")).write_bytes(b"")
    other = DumbRecorder(tape, number(2), recorder.ts)
    other.say(("ETH_USDC", 1, 1))
    other.cut()
    work = Tape(tmp_path / "work")

    def fresh() -> None:
        rmtree(work.root, ignore_errors=True)
        copytree(tape.root, work.root)

    fresh()
    recovered(work)
    files, frames, rows = files_of(work), frames_of(work), contents(work)
    assert [len(each) for each in frames.values()] == [4, 2]
    cuts = 0
    for _ in every_cut(fresh, lambda: recovered(work), step=7):
        cuts += 1
        recovered(work)
        assert (files_of(work), frames_of(work), contents(work)) == (files, frames, rows)
    assert cuts > 3
