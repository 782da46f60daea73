"""Segments are read in order, in part, and never in part by accident."""

from pathlib import Path

import pytest

from schemas.errors import NotARecording, TapeError, UsageError
from schemas.frames import Frame
from tape.layout import SegmentName, Tape
from tape.manifest import load
from tape.reader import holes, read_frames, read_rows, segments
from tests.tape.dumb import NAME, SECOND, START, DumbRecorder, sealed


def frames(tape: Tape) -> list[Frame]:
    return [frame for manifest in segments(tape) for frame in read_frames(tape, manifest)]


def record(tape: Tape, name: SegmentName, start: int) -> None:
    recorder = DumbRecorder(tape, name, start)
    recorder.say(("ETH_USDC", 1, 1))
    recorder.ts += 10 * SECOND
    recorder.stop()
    sealed(tape, name)


def test_frames_come_in_order_over_all_segments(whole: Tape) -> None:
    assert [frame.seq for frame in frames(whole)] == list(range(1, 10))


@pytest.mark.parametrize("from_seq", range(1, 8))
def test_a_segment_can_be_read_from_any_seq(whole: Tape, from_seq: int) -> None:
    first = segments(whole)[0]
    found = [frame.seq for frame in read_frames(whole, first, from_seq)]
    assert found == list(range(from_seq, 6))


def test_many_row_groups_are_read_from_any_seq(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tape.segment._GROUP_BYTES", 500)
    recorder = DumbRecorder(tape)
    for number in range(50):
        recorder.say(("ETH_USDC", number, 1))
    recorder.stop()
    manifest = sealed(tape)
    for from_seq in range(1, 53):
        found = list(read_frames(tape, manifest, from_seq))
        assert found == recorder.frames[from_seq - 1 :]


def test_many_rows_of_many_parts_come_back(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tape.spool._MEMORY_BYTES", 5_000)
    monkeypatch.setattr("tape.spool._PILE_BYTES", 700)
    monkeypatch.setattr("tape.segment._GROUP_ROWS", 20)
    recorder = DumbRecorder(tape)
    for number in range(600):
        recorder.say((f"S{number * number % 13}", number, 1), ("ETH_USDC", number, 2))
    recorder.stop()
    found: dict[str | None, list[int]] = {}
    for entry in sealed(tape).files_of("depth"):
        prices = [getattr(row, "price") for rows in read_rows(tape, entry) for row in rows]  # noqa: B009
        found[entry.symbol] = prices
    assert found.pop("ETH_USDC") == list(range(600))
    assert found == {
        f"S{rest}": [number for number in range(600) if number * number % 13 == rest]
        for rest in {number * number % 13 for number in range(13)}
    }


def test_sessions_come_one_after_another(tape: Tape) -> None:
    record(tape, SegmentName("b", 1), START + 20 * SECOND)
    record(tape, SegmentName("a", 1), START)
    assert [manifest.session for manifest in segments(tape)] == ["a", "b"]
    assert [manifest.session for manifest in segments(tape, sessions=["b"])] == ["b"]


def test_sessions_that_overlap_must_be_asked_for(tape: Tape) -> None:
    record(tape, SegmentName("a", 1), START)
    record(tape, SegmentName("b", 1), START + 7 * SECOND)
    with pytest.raises(TapeError, match=r"sessions a and b overlap in time by 3\.0 s"):
        segments(tape)
    assert len(segments(tape, merge=True)) == 2
    assert len(segments(tape, sessions=["a"])) == 1


def test_a_session_that_is_not_there_is_named(whole: Tape) -> None:
    with pytest.raises(UsageError, match="no session 'x' here; there are: 20261122T070000Z"):
        segments(whole, sessions=["x"])


def test_missing_segments_are_named(tape: Tape) -> None:
    recorder = DumbRecorder(tape)
    for _ in range(4):
        recorder.roll()
    recorder.stop()
    for path in tape.journals():
        sealed(tape, SegmentName.of(path))
    for number in (2, 4):
        tape.manifest(SegmentName(NAME.session, number)).unlink()
    assert holes(segments(tape)) == [SegmentName(NAME.session, 2), SegmentName(NAME.session, 4)]


def test_damaged_parquet_is_named_with_its_place(tape: Tape) -> None:
    recorder = DumbRecorder(tape)
    for number in range(2_000):
        recorder.say(("ETH_USDC", number * 7919 % 1_000, 1))
    recorder.stop()
    manifest = sealed(tape)
    (entry,) = manifest.files_of("frames")
    path = tape.root / entry.path
    content = path.read_bytes()
    flipped = content[:1_000] + bytes([content[1_000] ^ 255]) + content[1_001:]
    cut = content[: len(content) // 2]
    for damaged, said in [
        (flipped, "row group 1 of 1 (seq 1 to 2002) cannot be read"),
        (cut, f"has {len(cut)} bytes, was sealed with {len(content)}"),
        (content[:-200] + bytes(192) + content[-8:], "its footer is damaged"),
        (b"", f"has 0 bytes, was sealed with {len(content)}"),
    ]:
        path.write_bytes(damaged)
        with pytest.raises(TapeError) as caught:
            list(read_frames(tape, manifest))
        assert said in str(caught.value)
        assert f"{path} (seq 1 to 2002)" in str(caught.value)
    path.unlink()
    with pytest.raises(TapeError, match="No such file"):
        list(read_frames(tape, manifest))


def test_no_flipped_byte_of_parquet_goes_unnoticed_or_ends_the_process(whole: Tape) -> None:
    manifest = segments(whole)[0]
    expected = list(read_frames(whole, manifest))
    path = whole.root / manifest.files_of("frames")[0].path
    content = path.read_bytes()
    seen = 0
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 0x80 if position % 2 else 0xFF
        path.write_bytes(flipped)
        try:
            assert list(read_frames(whole, manifest)) == expected  # a byte that means nothing
        except TapeError:
            seen += 1
    assert seen > len(content) * 0.8


def test_a_folder_without_a_recording_is_refused_with_advice(tmp_path: Path, whole: Tape) -> None:
    with pytest.raises(NotARecording, match="no folder"):
        Tape.open(tmp_path / "nowhere")
    with pytest.raises(NotARecording, match="holds no recording"):
        Tape.open(tmp_path)
    assert Tape.open(str(whole.root)) == whole


@pytest.mark.parametrize("text", ["", "x", "x.1", "x.0000a", "a/b.00001", ".00001"])
def test_what_is_not_a_segments_name(text: str) -> None:
    with pytest.raises(TapeError, match="is not a segment's name"):
        SegmentName.parse(text)


def test_a_strange_name_among_the_manifests_is_named(whole: Tape) -> None:
    (whole.manifest_folder / "notes.json").write_bytes(b"{}")
    with pytest.raises(TapeError, match=r"manifest/notes\.json is not a file of a recording"):
        segments(whole)


def test_segment_names_sort_and_come_back(whole: Tape) -> None:
    name = SegmentName("20261122T070000Z.night", 12)
    assert SegmentName.parse(str(name)) == name
    assert SegmentName.of(whole.journal(name)) == name
    assert load(whole.manifest(NAME)).name == NAME
