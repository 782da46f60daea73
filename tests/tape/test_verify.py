"""`verify` finds whatever is not as it was sealed, and says which file."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tape import manifest as manifests
from tape.finding import Finding
from tape.layout import SegmentName, Tape
from tape.lock import lock
from tape.manifest import Manifest, load
from tape.seal import seal
from tape.verify import verify
from tests.tape.dumb import NAME, SECOND, DumbEngine, DumbRecorder, sealed

SECOND_NAME = SegmentName(NAME.session, 2)
MANIFEST = f"manifest/{NAME}.json"


def eth(tape: Tape) -> tuple[str, Path]:
    """A file of rows: its name and path."""
    name = f"rows/depth/date=2026-11-22/symbol=ETH_USDC/{NAME}.parquet"
    return name, tape.root / name


def test_a_whole_recording_has_no_findings(whole: Tape) -> None:
    told: list[tuple[int, int]] = []
    assert verify(whole, lambda done, total: told.append((done, total))) == []
    sizes = sum(load(path).stored_bytes() for path in whole.manifests())
    assert told[-1] == (sizes, sizes)
    assert told == sorted(told)


def test_a_missing_file(whole: Tape) -> None:
    name, path = eth(whole)
    path.unlink()
    assert verify(whole) == [Finding(name, "cannot be read (No such file or directory)", True)]


def test_a_file_of_another_size(whole: Tape) -> None:
    name, path = eth(whole)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    assert verify(whole) == [Finding(name, f"has {size - 1} bytes, was sealed with {size}", True)]


def test_every_flipped_byte_is_found(whole: Tape) -> None:
    name, path = eth(whole)
    content = path.read_bytes()
    for position in range(0, len(content), 7):
        flipped = bytearray(content)
        flipped[position] ^= 0x10
        path.write_bytes(flipped)
        (finding,) = verify(whole)
        assert (finding.path, finding.damage) == (name, True)
    path.write_bytes(content)
    assert verify(whole) == []


def test_a_manifest_that_cannot_be_read_does_not_hide_the_rest(whole: Tape) -> None:
    whole.manifest(SECOND_NAME).write_bytes(b"{")
    name, path = eth(whole)
    path.unlink()
    first, second = verify(whole)
    assert first.path == f"manifest/{SECOND_NAME}.json"
    assert first.damage
    assert second.path == name


def test_strange_files_are_reported(whole: Tape) -> None:
    strays = [
        f"rows/trade/date=2026-11-22/symbol=X/{NAME}.parquet",
        f"frames/date=2026-11-22/hour=07/{NAME}.parquet.tmp",
        "frames/notes.txt",
    ]
    for name in strays:
        (whole.root / name).parent.mkdir(parents=True, exist_ok=True)
        (whole.root / name).write_bytes(b"?")
    found = verify(whole)
    assert sorted(finding.path for finding in found) == sorted(strays)
    assert all(finding.problem == "no manifest names it" for finding in found)
    assert all(finding.damage for finding in found)


def test_a_missing_manifest_makes_strays(whole: Tape) -> None:
    path = whole.manifest(SECOND_NAME)
    path.unlink()
    found = verify(whole)
    assert {finding.path.rpartition("/")[2] for finding in found if finding.damage} == {
        f"{SECOND_NAME}.parquet",
        path.name,
    }
    (other,) = (finding for finding in found if not finding.damage)
    assert other.path == f"manifest/{NAME}.json"  # whose segment was to be continued


def test_a_missing_segment_between_others(tape: Tape) -> None:
    recorder = DumbRecorder(tape)
    recorder.roll()
    recorder.roll()
    recorder.stop()
    for path in tape.journals():
        sealed(tape, SegmentName.of(path))
    for entry in load(tape.manifest(SECOND_NAME)).files:
        (tape.root / entry.path).unlink()
    tape.manifest(SECOND_NAME).unlink()
    assert verify(tape) == [
        Finding(f"manifest/{SECOND_NAME}.json", "missing between its neighbours", True)
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: {"last_seq": 6}, "5 frames cannot fill 6 seqs"),
        (lambda m: {"rows": {**m.rows, "depth": 9}}, "9 lines of depth, its files have 4"),
        (lambda m: {"kinds": {"data": 4}}, "4 lines of frames, its files have 5"),
    ],
)
def test_a_manifest_that_contradicts_itself(
    whole: Tape, change: Callable[[Manifest], dict[str, object]], said: str
) -> None:
    manifest = load(whole.manifest(NAME))
    changed = msgspec.structs.replace(manifest, **change(manifest))
    manifests.save(changed, whole)
    assert Finding(MANIFEST, said, True) in verify(whole)


def test_a_manifest_that_counts_other_lines_than_its_files(whole: Tape) -> None:
    manifest = load(whole.manifest(NAME))
    entry = manifest.files_of("gap")[0]
    others = [msgspec.structs.replace(e, first_seq=1) if e is entry else e for e in manifest.files]
    manifests.save(msgspec.structs.replace(manifest, files=others), whole)
    assert [(f.path, f.problem) for f in verify(whole)] == [
        (entry.path, "its manifest counts other lines or seqs")
    ]


def test_seqs_that_do_not_go_on_in_the_next_segment(tape: Tape) -> None:
    recorder = DumbRecorder(tape)
    recorder.roll()
    recorder.frames.append(recorder.frames[-1])  # takes a seq, is never written
    recorder.say()
    recorder.roll()
    recorder.frames.pop()
    recorder.cut()
    tape.journal(SegmentName(NAME.session, 3)).unlink()
    recorder = DumbRecorder(tape, SegmentName(NAME.session, 3), frames=recorder.frames[:4])
    recorder.stop()
    for path in tape.journals():
        sealed(tape, SegmentName.of(path))
    found = [finding for finding in verify(tape) if finding.damage]
    assert found == [
        Finding(
            f"manifest/{NAME.session}.00003.json",
            "begins with seq 5, the segment before ends with 6",
            True,
        )
    ]


def test_losses_are_told_from_damage(tape: Tape) -> None:
    recorder = DumbRecorder(tape)
    recorder.say(("ETH_USDC", 1, 1))
    recorder.flush()
    recorder.say(("ETH_USDC", 2, 1))
    recorder.cut()
    journal = tape.journal(NAME)
    journal.write_bytes(journal.read_bytes()[:-2])
    sealed(tape)
    found = verify(tape)
    assert [finding.path for finding in found] == [MANIFEST, MANIFEST]
    assert found[0].problem == "the recorder ended without a stop after seq 2"
    assert "the file ends within a batch" in found[1].problem
    assert not any(finding.damage for finding in found)


def test_a_divergent_segment_is_a_finding(tape: Tape) -> None:
    recorder = DumbRecorder(tape)
    recorder.say(("ETH_USDC", 1, 1))
    recorder.stop()
    journal = tape.journal(NAME)
    seal(journal, tape, DumbEngine(wrong_at=2))
    (finding,) = verify(tape)
    assert finding.problem.startswith("divergent: rows after seq 0 up to seq 2 ")
    assert not finding.damage


def test_an_unsealed_journal_is_a_finding_unless_a_recorder_is_at_work(whole: Tape) -> None:
    recorder = DumbRecorder(whole, SegmentName("20261122T080000Z", 1))
    recorder.ts += 3_600 * SECOND
    recorder.cut()
    with lock(whole.root):
        assert verify(whole) == []
    (finding,) = verify(whole)
    assert finding.path == "journal/20261122T080000Z.00001.journal.zst"
    assert not finding.damage


def test_a_journal_that_could_not_be_read_is_remembered(whole: Tape) -> None:
    journal = whole.journal(SegmentName("20261122T080000Z", 1))
    journal.with_name(journal.name + ".damaged").write_bytes(b"?")
    (finding,) = verify(whole)
    assert finding.problem == "no frame of it could be read"
