"""The journal gives back what was written, whole batches of it, whatever happens to its bytes."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.frames import Frame, Kind
from tape.journal import JournalWriter
from tape.journal_batch import TORN, Batch, Unpacker
from tape.journal_file import BATCH_BYTES
from tape.journal_reader import read_journal
from tests.tape.dumb import any_frame

Batches = list[list[Frame]]


def write(path: Path, batches: Sequence[Sequence[Frame]]) -> list[int]:
    """A journal of these batches; where each ends."""
    writer, ends = JournalWriter(path), []
    for batch in batches:
        for frame in batch:
            writer.append(frame)
        writer.flush()
        ends.append(path.stat().st_size)
    writer.close()
    return ends


def batches_of(file: BinaryIO) -> Iterator[Batch]:
    """All batches, one behind the other."""
    unpacker, offset = Unpacker(file), 0
    while offset < unpacker.size:
        batch = unpacker.at(offset)
        yield batch
        offset = batch.end


def numbered(count: int, size: int = 40) -> list[Frame]:
    return [
        Frame(seq, seq * 10, seq, 1, Kind.DATA, "", f"{seq:>{size}}".encode())
        for seq in range(1, count + 1)
    ]


SEAL_BYTES = 24

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
    assert writer.held == 0
    for frame in numbered(3):
        writer.append(frame)
    assert writer.held > 100
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
    writer.close()
    with path.open("rb") as file:
        sizes = [len(batch.content) for batch in batches_of(file)]
    assert len(sizes) == 5
    assert max(sizes) <= BATCH_BYTES
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
        writer.flush()
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


def test_every_flipped_bit_is_found_and_costs_at_most_its_batch(tmp_path: Path) -> None:
    path = tmp_path / "a.00001.journal.zst"
    ends = write(path, SMALL)
    content = path.read_bytes()
    outcomes = set()
    for bit in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        hit = next(number for number, end in enumerate(ends) if bit // 8 < end)
        begin, end = [0, *ends][hit : hit + 2]
        reader = read_journal(path)
        frames = list(reader)
        (found,) = reader.damage + reader.flaws
        assert begin <= found.offset <= bit // 8 < found.offset + found.length <= end
        assert found.reason != TORN
        if reader.damage:
            others = [f for number, batch in enumerate(SMALL) if number != hit for f in batch]
            assert frames == others
            assert (found.until_seq is None) == (hit == len(SMALL) - 1)
        else:
            assert frames == [frame for batch in SMALL for frame in batch]
        outcomes.add((bool(reader.damage), bit // 8 - begin < SEAL_BYTES))
    assert outcomes == {(True, False), (False, True), (False, False)}


@given(st.binary(max_size=200), st.integers(0, 3))
def test_garbage_anywhere_is_stepped_over(garbage: bytes, place: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.00001.journal.zst"
        ends = [0, *write(path, SMALL)]
        content = path.read_bytes()
        path.write_bytes(content[: ends[place]] + garbage + content[ends[place] :])
        reader = read_journal(path)
        assert list(reader) == [frame for batch in SMALL for frame in batch]
        assert sum(bad.length for bad in (*reader.damage, *reader.flaws)) == len(garbage)
        assert len(reader.damage) == (place == 3 and len(garbage) > 0)


def test_what_a_damaged_batch_holds_is_not_taken_for_batches(tmp_path: Path) -> None:
    """The venue may send anything; random bytes go with it, so that zstd stores it as it is."""
    path = tmp_path / "a.00001.journal.zst"
    write(path, SMALL)
    inner = path.read_bytes()
    path.unlink()
    payload = os.urandom(100_000) + inner + os.urandom(100_000)
    outer = [Frame(seq, 1, 1, 1, Kind.BINARY, "", payload) for seq in (1, 2)]
    (end, _) = write(path, [outer[:1], outer[1:]])
    content = bytearray(path.read_bytes())
    assert inner in content
    content[50_000] ^= 1
    path.write_bytes(content)
    reader = read_journal(path)
    assert list(reader) == outer[1:]
    assert [(bad.offset, bad.length) for bad in reader.damage] == [(0, end)]


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
