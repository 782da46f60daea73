"""Certificates of what is whole, what is missing, and what a crash left."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from market.engine import Engine
from replay import Replay
from replay.certificate import Outcome
from replay.certify import certify
from replay.report import Report
from schemas.digest import MEMORY
from schemas.errors import NotARecording
from schemas.frames import Checkpoint, Kind, to_json
from tape.again import seal_again
from tape.generations import all_generations
from tape.journal import JournalWriter
from tape.layout import SegmentName, Tape
from tape.manifest import load, save
from tape.reader import segments
from tape.summary import summarize
from tape.verify import verify
from tape.version import code_version
from tests.replay.conftest import EVERY
from tests.replay.tampering import change_frame, entries_of, findings_of, flip_byte, partings_of
from tests.tapes import Recording, Setting


def test_a_whole_recording_is_certified(any_recording: Recording) -> None:
    told: list[tuple[float, float]] = []
    certificate = certify(any_recording.tape.root, lambda *words: told.append(words))
    assert certificate.outcome is Outcome.CERTIFIED
    assert findings_of(certificate) == []
    assert sum(segment.frames for segment in certificate.segments) == len(any_recording.frames)
    for segment, manifest in zip(certificate.segments, segments(any_recording.tape), strict=True):
        assert segment.until_seq == manifest.last_seq
        assert segment.checkpoints == manifest.kinds["checkpoint"] >= manifest.frames // EVERY
        assert segment.notes == ()
    assert str(certificate).endswith("replay exactly as they happened live")
    assert all(done <= total == len(any_recording.frames) for done, total in told)
    assert bool(told) == (len(any_recording.frames) > 1_024)


@pytest.mark.parametrize("table", ["frames", "depth", "session"])
def test_a_missing_file_is_named(copy: Tape, table: str) -> None:
    _, entry = entries_of(copy, table)[0]
    (copy.root / entry.path).unlink()
    [finding] = findings_of(certify(copy))
    assert entry.path in finding.problem
    assert (finding.first_seq, finding.last_seq) == (entry.first_seq, entry.last_seq)


def test_a_file_without_its_last_lines_is_named(copy: Tape) -> None:
    _, entry = entries_of(copy, "depth")[0]
    path = copy.root / entry.path
    pq.write_table(pq.ParquetFile(path).read().slice(0, entry.rows - 2), path)
    [finding] = findings_of(certify(copy))
    assert entry.path in finding.problem


def test_a_missing_segment_is_named(copy: Tape) -> None:
    first, second, third = copy.manifests()
    second.unlink()
    third.write_bytes(third.read_bytes()[:-9])
    certificate = certify(copy)
    assert certificate.outcome is Outcome.FAILED
    assert str(third) in str(certificate)
    assert len(certificate.segments) == 1
    assert f"{load(first).name}: certified" in str(certificate)


def test_a_hole_between_segments_is_named(copy: Tape) -> None:
    copy.manifests()[1].unlink()
    certificate = certify(copy)
    assert certificate.outcome is Outcome.FAILED
    assert certificate.missing == ("segment 20260902T164310Z.00002",)
    assert str(certificate).endswith("NOT CERTIFIED: 0 of 2 segments failed, 1 are missing")


def test_a_last_segment_that_is_gone_is_lost(copy: Tape) -> None:
    copy.manifests()[-1].unlink()
    certificate = certify(copy)
    assert certificate.outcome is Outcome.RECOVERED
    assert "lost: 20260902T164310Z.00002 was to be continued by" in str(certificate)
    assert str(certificate).endswith("AS FAR AS IT GOES: not all of every session is there")
    assert all(segment.outcome is Outcome.CERTIFIED for segment in certificate.segments)


@pytest.mark.parametrize("gone", [1, 2])
def test_first_segments_that_are_gone_are_lost(copy: Tape, gone: int) -> None:
    names = [load(path).name for path in copy.manifests()]
    for path in copy.manifests()[:gone]:
        remove_segment(copy, load(path).name)
    certificate = certify(copy)
    assert certificate.outcome is Outcome.RECOVERED
    [sentence] = certificate.lost
    assert sentence.startswith(f"{names[gone]} is not where its session began")
    assert [(f.path, f.damage) for f in verify(copy)] == [(f"manifest/{names[gone]}.json", False)]
    assert str(names[gone]) in summarize(copy, segments(copy)).losses[0]
    replay = Replay(copy.root)
    assert any("session began" in loss for loss in Report(replay).losses())
    later = Replay(copy.root, start=replay.segments[-1].last_ts)
    assert Report(later).losses() == []


def test_a_damaged_generation_is_not_passed_over(copy: Tape) -> None:
    """The one before, which is whole, is not the one that counted."""
    segment = all_generations(copy)[0]
    seal_again(copy, segment, Engine())
    assert certify(copy).outcome is Outcome.CERTIFIED
    latest = copy.manifest(segment.name, 1)
    flip_byte(latest, 300)
    certificate = certify(copy)
    assert certificate.outcome is Outcome.FAILED
    assert f"damaged: {latest} cannot be read" in str(certificate)
    assert str(certificate).endswith("0 of 3 segments failed, 1 manifests are damaged")


def test_a_footer_longer_than_its_file_is_a_finding(copy: Tape) -> None:
    _, entry = entries_of(copy, "depth")[0]
    path = copy.root / entry.path
    path.write_bytes(path.read_bytes() + b"\xff\xff\xff\x7fPAR1")
    [finding] = findings_of(certify(copy))
    assert f"{entry.path} (seq" in finding.problem
    assert f"has {entry.bytes + 8} bytes, was sealed with {entry.bytes}" in finding.problem


def remove_segment(tape: Tape, name: SegmentName) -> None:
    for path in [*tape.root.rglob(f"{name}.parquet"), tape.manifest(name)]:
        path.unlink()


def test_another_digest_in_the_manifest_is_a_finding(copy: Tape) -> None:
    for field in ("frames_digest", "rows_digest"):
        path = copy.manifests()[0]
        before = path.read_bytes()
        save(replace(load(path), **{field: "0" * 64}), copy)
        [finding] = findings_of(certify(copy))
        assert finding.last_seq == load(path).last_seq
        path.write_bytes(before)


def beats(recording: Recording, count: int) -> None:
    for number in range(count):
        recording.data(f'{{"stream":"trade.X_USDC","data":{_trade(number)}}}')
        recording.pass_(1_000_000)


def _trade(number: int) -> str:
    return (
        f'{{"e":"trade","s":"X_USDC","E":{1788367390000000 + number},"T":1788367390000000,'
        f'"t":{number + 1},"p":"1.5","q":"2","m":true,"a":"1","b":"2"}}'
    )


def test_a_crash_is_certified_up_to_the_last_checkpoint(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape", Setting(every=10))
    recording.begin()
    beats(recording, 35)
    recording.crash()
    certificate = certify(tmp_path / "tape")
    [segment] = certificate.segments
    assert certificate.outcome is Outcome.RECOVERED
    agreed = [f.seq for f in recording.frames if f.kind is Kind.CHECKPOINT][-1]
    assert segment.until_seq == agreed == 31
    assert (
        f"certified up to seq {agreed}; the {len(recording.frames) - agreed} frames after"
        in str(certificate)
    )


def test_a_crash_does_not_excuse_a_change(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape", Setting(every=10))
    recording.begin()
    beats(recording, 35)
    recording.crash()
    last = recording.frames[-1]  # after the last checkpoint: only sealing saw it
    change_frame(recording.tape, last.seq, "payload", lambda p: p.replace(b'"1.5"', b'"1.6"'))
    certificate = certify(tmp_path / "tape")
    assert certificate.outcome is Outcome.FAILED
    assert partings_of(certificate)[0].first_seq == last.seq


def test_a_hole_in_the_journal_is_certified_up_to_it(tmp_path: Path) -> None:
    sizes: list[int] = []
    recording = Recording(tmp_path / "tape", Setting(every=10))
    recording.begin()
    journal = next((tmp_path / "tape" / "journal").iterdir())
    for _ in range(4):
        beats(recording, 15)
        recording.flush()
        sizes.append(journal.stat().st_size)
    recording.crash(lambda path: flip_byte(path, (sizes[1] + sizes[2]) // 2))
    certificate = certify(tmp_path / "tape")
    assert certificate.outcome is Outcome.RECOVERED
    assert certificate.segments[0].until_seq == 31
    assert "the journal was damaged" in str(certificate)


def test_what_diverged_when_it_was_sealed_still_does(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape")
    recording.begin()
    beats(recording, 5)
    recording.take(Kind.CHECKPOINT, to_json(Checkpoint("0" * 64, "0" * 64, "stop")))
    recording.crash()
    certificate = certify(tmp_path / "tape")
    assert certificate.outcome is Outcome.FAILED
    [finding] = findings_of(certificate)
    assert (finding.first_seq, finding.last_seq) == (1, 7)
    assert "which was so when they were sealed" in finding.problem


def test_other_things_remembered_than_live_are_a_finding(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape")
    recording.begin()
    beats(recording, 5)
    recording.stop(state=f"{MEMORY}:of something else")
    certificate = certify(tmp_path / "tape")
    assert certificate.outcome is Outcome.FAILED
    [finding] = findings_of(certificate)
    assert "makes the same rows, but remembers other things at the end" in finding.problem


def test_another_version_that_recorded_is_named(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape", Setting(code="0.0.9"))
    recording.begin()
    recording.stop()
    certificate = certify(tmp_path / "tape")
    assert certificate.outcome is Outcome.CERTIFIED
    ours = code_version()
    assert f"recorded by version 0.0.9, sealed by {ours}, certified by {ours}" in str(certificate)


def test_journals_are_not_overlooked(copy: Tape) -> None:
    (copy.root / "journal").mkdir(exist_ok=True)
    (copy.root / "journal" / "20260902T164310Z.00004.journal.zst").touch()
    certificate = certify(copy)
    assert certificate.outcome is Outcome.CERTIFIED
    assert "journals that are not sealed were not looked at: 1" in str(certificate)


def test_only_a_recording_can_be_certified(tmp_path: Path) -> None:
    with pytest.raises(NotARecording, match="holds no recording"):
        certify(tmp_path)
    JournalWriter(Tape(tmp_path).journal(SegmentName("20260902T164310Z", 1))).close()
    with pytest.raises(NotARecording, match="nothing is sealed yet"):
        certify(tmp_path)
