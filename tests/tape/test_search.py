"""Looking for the next batch takes time that grows with the journal, not with its square."""

import io

import pytest

from schemas.frames import Frame, Kind, to_json
from tape.journal_batch import Packer, Unpacker, Unreadable

ZSTD = b"\x28\xb5\x2f\xfd"
SEAL = b"\x50\x2a\x4d\x18\x10\x00\x00\x00"


class CountingFile(io.BytesIO):
    """Counts the bytes that are read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.taken += len(content)
        return content


def candidates(file: CountingFile) -> list[int]:
    """All places to which a reader comes that finds no batch at any."""
    unpacker = Unpacker(file)
    found = [unpacker.search(0)]
    while found[-1] < unpacker.size:
        with pytest.raises(Unreadable):
            unpacker.at(found[-1])
        found.append(unpacker.search(found[-1] + 1))
    return found


@pytest.mark.parametrize("beginning", [ZSTD, SEAL])
@pytest.mark.parametrize("count", [1_000, 20_000])
def test_what_only_begins_like_a_batch_is_read_once(beginning: bytes, count: int) -> None:
    file = CountingFile(beginning * count)
    assert candidates(file) == [*range(0, count * len(beginning), len(beginning)), file.tell()]
    assert file.taken < 100 * count  # some headers at each, and the whole once


def test_beginnings_are_found_across_windows() -> None:
    """Of 1 MiB each; at all offsets around the end of one."""
    for shift in range(-9, 2):
        at = (1 << 20) + shift
        content = b"." * at + SEAL + b"." * 20 + ZSTD + b"." * 5
        assert candidates(CountingFile(content)) == [at, at + 28, len(content)]


def test_a_file_that_became_shorter_is_searched_to_its_end() -> None:
    file = CountingFile(b"." * 3_000_000)
    unpacker = Unpacker(file)
    file.truncate(1_500_000)
    assert unpacker.search(0) == 3_000_000


def test_the_batch_behind_them_is_found() -> None:
    batch = Packer(1).pack(to_json(Frame(1, 1, 1, 1, Kind.DATA, "", b"")))
    file = CountingFile(ZSTD * 9_999 + batch)
    unpacker = Unpacker(file)
    assert candidates(CountingFile(ZSTD * 9_999))[-1] == unpacker.search(4 * 9_999 - 3)
    assert unpacker.at(4 * 9_999).end == len(file.getvalue())
