"""The journal gives back what was written, whole batches of it, whatever happens to its bytes."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.frames import Frame, Kind
from tape.journal import BATCH_BYTES, TORN, JournalWriter, read_journal
from tests.tape.dumb import any_frame

Batches = list[list[Frame]]


def write(path: Path, batches: Sequence[Sequence[Frame]]) -> list[int]:
    """A journal of these batches; where each ends."""
    writer, ends = JournalWriter(path), []
    for batch in batches:
        for frame in batch:
            writer.append(frame)
        writer.write(writer.take())
        ends.append(path.stat().st_size)
    writer.close()
    return ends


def numbered(count: int, size: int = 40) -> list[Frame]:
    return [
        Frame(seq, seq * 10, seq, 1, Kind.DATA, "", f"{seq:>{size}}".encode())
        for seq in range(1, count + 1)
    ]


SMALL = [numbered(9)[:3], numbered(9)[3:4], numbered(9)[4:]]


@given(st.lists(st.lists(any_frame, max_size=8), max_size=5))
def test_any_frames_in_any_batches_come_back(batches: Batches) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.00001.journal.zst"
        write(path, batches)
        reader = read_journal(path)
        assert list(reader) == [frame for batch in batches for frame in batch]
        assert reader.damage == []


def test_pending_frames_are_written_on_close(tmp_path: Path) -> None:
    path = tmp_path / "a.00001.journal.zst"
    writer = JournalWriter(path)
    assert writer.pending == 0
    for frame in numbered(3):
        writer.append(frame)
    assert writer.pending > 100
    writer.close()
    writer.close()
    assert list(read_journal(path)) == numbered(3)


def test_a_journal_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.00001.journal.zst"
    write(path, SMALL)
    with pytest.raises(FileExistsError):
        JournalWriter(path)


def test_large_batches_are_split_so_that_readers_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.00001.journal.zst"
    frames = numbered(10, size=BATCH_BYTES // 3)
    writer = JournalWriter(path)
    for frame in frames:
        writer.append(frame)
    batches = writer.take()
    assert len(batches) == 4
    assert max(map(len, batches)) < BATCH_BYTES * 2
    writer.write(batches)
    writer.close()
    assert list(read_journal(path)) == frames


def test_frames_may_be_appended_while_others_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.00001.journal.zst"
    frames = numbered(50_000)
    writer = JournalWriter(path)

    def append() -> None:
        for frame in frames:
            writer.append(frame)

    receiver = Thread(target=append)
    receiver.start()
    while receiver.is_alive():
        writer.write(writer.take())
    writer.close()
    assert list(read_journal(path)) == frames


def test_truncation_at_any_byte_leaves_the_whole_batches(tmp_path: Path) -> None:
    path = tmp_path / "a.00001.journal.zst"
    ends = write(path, SMALL)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        whole = [batch for batch, end in zip(SMALL, ends, strict=True) if end <= length]
        reader = read_journal(path)
        assert list(reader) == [frame for batch in whole for frame in batch]
        good = max((end for end in ends if end <= length), default=0)
        if good == length:
            assert reader.tail is None
        else:
            assert reader.tail is not None
            assert (reader.tail.offset, reader.tail.length) == (good, length - good)
            assert reader.tail.reason == TORN
            assert reader.tail.after_seq == reader.last_seq


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_costs_at_most_its_batch(tmp_path: Path, mask: int) -> None:
    path = tmp_path / "a.00001.journal.zst"
    ends = write(path, SMALL)
    content = path.read_bytes()
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= mask
        path.write_bytes(flipped)
        hit = next(number for number, end in enumerate(ends) if position < end)
        others = [f for number, batch in enumerate(SMALL) if number != hit for f in batch]
        reader = read_journal(path)
        frames = list(reader)
        if reader.damage:
            assert frames == others
            (damage,) = reader.damage
            assert damage.offset == ([0, *ends])[hit]
            assert damage.offset + damage.length == ends[hit]
            assert (damage.until_seq is None) == (hit == len(SMALL) - 1)
        else:  # a bit of the header that means nothing
            assert frames == [frame for batch in SMALL for frame in batch]


@given(st.binary(max_size=200), st.integers(0, 3))
def test_garbage_anywhere_is_stepped_over(garbage: bytes, place: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.00001.journal.zst"
        ends = [0, *write(path, SMALL)]
        content = path.read_bytes()
        path.write_bytes(content[: ends[place]] + garbage + content[ends[place] :])
        reader = read_journal(path)
        assert list(reader) == [frame for batch in SMALL for frame in batch]
        assert sum(damage.length for damage in reader.damage) == len(garbage)


def test_a_header_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.00001.journal.zst"
    huge = (1 << 40).to_bytes(8, "little")
    path.write_bytes(b"\x28\xb5\x2f\xfd\xe4" + huge + b"\x01\x00\x00" * 100)
    reader = read_journal(path)
    assert list(reader) == []
    assert [damage.reason for damage in reader.damage] == ["a batch whose header is damaged"]


def test_zeros_of_a_power_cut_are_read_past_quickly(tmp_path: Path) -> None:
    path = tmp_path / "a.00001.journal.zst"
    (end, *_) = write(path, SMALL)
    path.write_bytes(path.read_bytes()[: end + 12] + bytes(5_000_000))
    reader = read_journal(path)
    assert list(reader) == SMALL[0]
    assert reader.tail is not None
    assert reader.tail.offset == end


@pytest.mark.skipif(shutil.which("zstd") is None, reason="no zstd here")
def test_zstd_can_check_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.00001.journal.zst"
    write(path, SMALL)
    assert subprocess.run(["zstd", "-tq", path], check=False).returncode == 0
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert subprocess.run(["zstd", "-tq", path], check=False).returncode != 0
