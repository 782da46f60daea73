"""A certificate for what is whole, and the name of the frame where anything was changed."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.engine import Engine
from replay.certificate import Certificate, Finding, Outcome, Parting
from replay.certify import certify
from schemas.errors import NotARecording
from schemas.frames import Checkpoint, Frame, Kind, to_json
from tape.layout import Tape
from tape.manifest import load
from tape.reader import segments
from tape.version import code_version
from tests.replay.conftest import EVERY
from tests.replay.tampering import change_frame, change_value, entries_of, flip_byte, flipped
from tests.tapes import Recording, Setting

spoiling = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
flips = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
CopyOf = Callable[[Recording], Tape]


def findings_of(certificate: Certificate) -> list[Finding]:
    return [finding for segment in certificate.segments for finding in segment.findings]


def partings_of(certificate: Certificate) -> list[Parting]:
    return [f for f in findings_of(certificate) if isinstance(f, Parting)]


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


def first_difference(frames: list[Frame], others: list[Frame]) -> int | None:
    """Seq of the first frame from which two tellings of a segment make different rows."""
    one, other = Engine(), Engine()
    for frame, again in zip(frames, others, strict=True):
        if one.feed(frame) != other.feed(again):
            return frame.seq
    return None


def segment_of(recording: Recording, seq: int) -> list[Frame]:
    [manifest] = [m for m in segments(recording.tape) if m.first_seq <= seq <= m.last_seq]
    return recording.frames[manifest.first_seq - 1 : manifest.last_seq]


@spoiling
@given(place=st.floats(0, 1, exclude_max=True), flip=flips, control=st.booleans())
def test_a_changed_payload_is_never_certified_and_its_frame_is_named(
    eventful_recording: Recording,
    copy_of: CopyOf,
    place: float,
    flip: tuple[float, int],
    control: bool,
) -> None:
    frames = [
        f for f in eventful_recording.frames if f.payload and (f.kind is not Kind.DATA) == control
    ]
    frame = frames[int(place * len(frames))]
    payload = flipped(frame.payload, int(flip[0] * len(frame.payload)), flip[1])
    tape = copy_of(eventful_recording)
    change_frame(tape, frame.seq, "payload", lambda _: payload)

    certificate = certify(tape)
    assert certificate.outcome is Outcome.FAILED
    spans = [(f.first_seq, f.last_seq) for f in findings_of(certificate)]
    assert any(first <= frame.seq <= last for first, last in spans)
    _, narrow = min((last - first, (first, last)) for first, last in spans)
    assert narrow[1] - narrow[0] <= EVERY + 1

    frames = segment_of(eventful_recording, frame.seq)
    changed = msgspec.structs.replace(frame, payload=payload)
    others = [changed if f.seq == frame.seq else f for f in frames]
    seqs = [parting.first_seq for parting in partings_of(certificate)]
    assert min(seqs, default=None) == first_difference(frames, others)


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("conn", lambda conn: conn + 1),
        ("ts_mono", lambda ts: ts + 1),
        ("kind", lambda _: "binary"),
    ],
)
def test_a_changed_stamp_is_no_less_a_change(
    recording: Recording, copy: Tape, column: str, change: Callable[[object], object]
) -> None:
    frame = next(f for f in recording.frames[200:] if b'"e":"depth"' in f.payload)
    change_frame(copy, frame.seq, column, change)
    certificate = certify(copy)
    assert certificate.outcome is Outcome.FAILED
    assert any(f.first_seq <= frame.seq <= f.last_seq for f in findings_of(certificate))


def test_a_kind_nobody_knows_is_damage_with_a_name(recording: Recording, copy: Tape) -> None:
    change_frame(copy, 200, "kind", lambda _: "wonder")
    [finding] = findings_of(certify(copy))
    assert finding.first_seq <= 200 <= finding.last_seq
    assert ".parquet" in finding.problem


@spoiling
@given(
    file=st.floats(0, 1, exclude_max=True),
    place=st.floats(0, 1, exclude_max=True),
    by=st.integers(1, 10**6),
    column=st.sampled_from(["price", "qty"]),
)
def test_a_changed_number_in_the_rows_is_named(
    eventful_recording: Recording, copy_of: CopyOf, file: float, place: float, by: int, column: str
) -> None:
    tape = copy_of(eventful_recording)
    entries = entries_of(tape, "depth", "trade")
    segment, entry = entries[int(file * len(entries))]
    lines = pq.ParquetFile(tape.root / entry.path).read(columns=["seq", column]).to_pylist()
    written = [(line, row) for line, row in enumerate(lines) if row[column] is not None]
    line, row = written[int(place * len(written))]
    changed = row[column] + Decimal(by).scaleb(-6)
    change_value(tape.root / entry.path, line, column, lambda _: changed)

    [finding] = findings_of(certify(tape))
    assert isinstance(finding, Parting)
    frame = eventful_recording.frames[row["seq"] - 1]
    assert (finding.first_seq, finding.last_seq) == (frame.seq, frame.seq)
    assert finding.ts_recv == frame.ts_recv
    assert (finding.table, finding.column) == (entry.table, column)
    assert finding.recorded is not None
    assert finding.replayed is not None
    assert Decimal(finding.recorded.strip('"')) == changed
    assert Decimal(finding.replayed.strip('"')) == row[column]
    assert finding.file == entry.path
    if frame.kind is Kind.DATA:
        assert finding.topic in segment.topics


def test_the_text_says_which_frame_and_both_values(recording: Recording, copy: Tape) -> None:
    _, entry = entries_of(copy, "trade")[0]
    row = pq.ParquetFile(copy.root / entry.path).read().to_pylist()[2]
    change_value(copy.root / entry.path, 2, "qty", lambda qty: qty + 7)
    text = str(certify(copy))
    frame = recording.frames[row["seq"] - 1]
    assert f"frame {frame.seq} (2026-09-02T16:43:1" in text
    assert f"Z, trade.{entry.symbol}): trade.qty: recorded" in text
    assert f'"{row["qty"] + 7:f}"'.rstrip('0"') in text
    assert "NOT CERTIFIED: 1 of 3 segments failed" in text


@spoiling
@given(file=st.floats(0, 1, exclude_max=True), flip=flips)
def test_a_flipped_byte_of_a_file_is_found_or_changes_nothing(
    eventful_recording: Recording, copy_of: CopyOf, file: float, flip: tuple[float, int]
) -> None:
    tape = copy_of(eventful_recording)
    files = sorted(tape.root.rglob("*.parquet"))
    path = files[int(file * len(files))]
    flip_byte(path, int(flip[0] * path.stat().st_size), flip[1])
    certificate = certify(tape)
    name = path.relative_to(tape.root).as_posix()
    if certificate.outcome is not Outcome.CERTIFIED:
        findings = findings_of(certificate)
        [entry] = [e for m in segments(tape) for e in m.files if e.path == name]
        assert name in str(certificate) or entry.table == "frames"
        assert any(
            f.first_seq <= entry.last_seq and f.last_seq >= entry.first_seq for f in findings
        )


def test_a_flipped_byte_within_a_page_names_the_file_and_its_frames(copy: Tape) -> None:
    segment, entry = entries_of(copy, "frames")[1]
    flip_byte(copy.root / entry.path, entry.bytes // 2)
    certificate = certify(copy)
    assert [s.outcome for s in certificate.segments] == ["certified", "failed", "certified"]
    [finding] = findings_of(certificate)
    assert entry.path in finding.problem
    assert (finding.first_seq, finding.last_seq) == (segment.first_seq, segment.last_seq)
    assert "stored rows were not compared" in str(certificate)


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


def test_a_last_segment_that_was_to_go_on_is_noted(copy: Tape) -> None:
    copy.manifests()[-1].unlink()
    certificate = certify(copy)
    assert certificate.outcome is Outcome.CERTIFIED
    assert "was to be continued by 20260902T164310Z.00003" in str(certificate)


def test_another_digest_in_the_manifest_is_a_finding(copy: Tape) -> None:
    for field in ("frames_digest", "rows_digest"):
        path = copy.manifests()[0]
        before = path.read_bytes()
        value = getattr(load(path), field).encode()
        path.write_bytes(before.replace(value, b"0" * 64))
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
    assert "1 journals are not sealed" in str(certificate)


def test_only_a_recording_can_be_certified(tmp_path: Path) -> None:
    with pytest.raises(NotARecording):
        certify(tmp_path)
