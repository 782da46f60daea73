"""Whatever is changed in a sealed recording, its certificate names the frame."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.engine import Engine
from replay.certificate import Outcome, Parting
from replay.certify import certify
from schemas.frames import Frame, Kind
from tape.layout import Tape
from tape.reader import segments
from tests.effort import examples
from tests.replay.conftest import EVERY
from tests.replay.tampering import (
    change_frame,
    change_value,
    entries_of,
    findings_of,
    flip_byte,
    flipped,
    partings_of,
)
from tests.tapes import Recording

spoiling = settings(
    max_examples=examples(5),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
flips = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
CopyOf = Callable[[Recording], Tape]


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


@pytest.mark.parametrize(
    ("seq", "column", "value"),
    [
        (200, "kind", "wonder"),
        (200, "kind", None),
        (200, "payload", None),
        (200, "ts_recv", None),
        (1, "topic", None),
    ],
)
def test_what_is_no_frame_is_damage_with_a_name(
    copy: Tape, seq: int, column: str, value: object
) -> None:
    change_frame(copy, seq, column, lambda _: value)
    [finding] = findings_of(certify(copy))
    assert finding.first_seq <= seq <= finding.last_seq
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
