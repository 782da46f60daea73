"""The writer on a disk that refuses: nothing is lost, and all goes on where it was safe."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.frames import Frame, Kind
from tape.journal import JournalWriter
from tape.journal_file import BATCH_BYTES, JournalGone, WholeFile
from tape.journal_reader import read_journal


def frame(seq: int, size: int = 100) -> Frame:
    """Of a size that compression cannot change."""
    return Frame(seq, seq * 10, seq, 1, Kind.DATA, "", os.urandom(size))


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file can grow beyond this: the kernel writes what fits, then refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def whole(path: Path) -> list[Frame]:
    """All frames of a journal that has no damage."""
    reader = read_journal(path)
    frames = list(reader)
    assert (reader.damage, reader.flaws) == ([], [])
    return frames


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tape" / "journal" / "a.00001.journal.zst"


def refused(path: Path) -> tuple[JournalWriter, list[Frame]]:
    """A writer with two frames on the disk and two that it did not take, except for a part."""
    writer, frames = JournalWriter(path), [frame(seq) for seq in range(1, 5)]
    for one in frames[:2]:
        writer.append(one)
    writer.flush()
    assert writer.held == 0
    for one in frames[2:]:
        writer.append(one)
    with disk_of(path.stat().st_size + 50), pytest.raises(OSError, match="too large") as caught:
        writer.flush()
    assert caught.value.errno == errno.EFBIG
    assert writer.held > 200
    return writer, frames


def test_what_the_disk_refused_is_written_when_it_has_room(path: Path) -> None:
    writer, frames = refused(path)
    for seq in (5, 6):
        frames.append(frame(seq))
        writer.append(frames[-1])
    writer.flush()
    assert writer.held == 0
    assert whole(path) == frames
    writer.close()


def test_closing_may_be_tried_again(path: Path) -> None:
    writer, frames = refused(path)
    with disk_of(1), pytest.raises(OSError, match="too large"):
        writer.close()
    assert writer.held > 200
    writer.close()
    writer.close()
    assert whole(path) == frames


def test_what_lies_behind_the_last_sync_is_written_again(path: Path) -> None:
    """A failed fsync may have lost any of it: here, bytes that were in the file have changed."""
    writer, frames = refused(path)
    with path.open("rb+") as file:
        file.seek(-40, os.SEEK_END)
        file.write(bytes(40))
        file.write(b"and more than there ever was" * 100)
    writer.close()
    assert whole(path) == frames


def test_a_mount_that_vanished_is_not_written_beside(path: Path) -> None:
    writer, frames = refused(path)
    away = path.parents[1].rename(path.parents[2] / "away")
    path.parent.mkdir(parents=True)  # the folder beneath the mount
    for _ in range(2):
        with pytest.raises(JournalGone, match="is not there any more"):
            writer.flush()
    assert writer.gone
    assert list(path.parent.iterdir()) == []
    path.parent.rmdir()
    path.parents[1].rmdir()
    away.rename(path.parents[1])
    writer.flush()
    assert whole(path) == frames
    assert not writer.gone
    writer.close()


def test_a_file_that_lost_what_was_safe_is_not_written_to(path: Path) -> None:
    writer, _ = refused(path)
    held = writer.held
    with path.open("rb+") as file:
        file.truncate(100)
    with pytest.raises(JournalGone, match=r"has 100 bytes, \d+ were written and synced"):
        writer.flush()
    assert (writer.gone, writer.held) == (True, held)
    assert (writer.written_frames, writer.held_frames) == (2, 2)
    assert path.stat().st_size == 100
    writer.abandon()


def at_work(path: Path) -> tuple[JournalWriter, list[Frame]]:
    """A writer with two frames on the disk and two in memory, on a disk that is well."""
    writer, frames = JournalWriter(path), [frame(seq) for seq in range(1, 5)]
    for one in frames[:2]:
        writer.append(one)
    writer.flush()
    for one in frames[2:]:
        writer.append(one)
    return writer, frames


def test_what_is_written_into_a_removed_file_stays_in_memory(path: Path) -> None:
    """The kernel takes writes and syncs of a file without a name, and nobody can read them."""
    writer, frames = at_work(path)
    copy = path.read_bytes()
    path.unlink()
    for refuses in (writer.flush, writer.check, writer.close):
        with pytest.raises(JournalGone, match="is not there any more"):
            refuses()
        assert (writer.gone, writer.held_frames, writer.written_frames) == (True, 2, 2)
    path.write_bytes(copy)
    writer.close()
    assert (writer.gone, writer.held_frames, writer.written_frames) == (False, 0, 4)
    assert whole(path) == frames


def test_a_journal_with_nothing_to_write_is_looked_at(path: Path) -> None:
    writer, frames = at_work(path)
    writer.flush()
    writer.check()
    path.rename(path.with_suffix(".away"))
    with pytest.raises(JournalGone):
        writer.check()
    path.with_suffix(".away").rename(path)
    writer.check()
    writer.close()
    assert whole(path) == frames


def test_a_copy_in_its_place_is_written_on(path: Path) -> None:
    """It is another file, with all that was written."""
    writer, frames = at_work(path)
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    with pytest.raises(JournalGone, match="is another file than the one that is written"):
        writer.flush()
    assert writer.held_frames == 2
    writer.flush()
    writer.close()
    assert whole(path) == frames


def test_another_file_in_its_place_is_left_alone(path: Path) -> None:
    """As long as it may be, it does not begin with what was written."""
    writer, _ = at_work(path)
    content = bytearray(path.read_bytes() * 2)
    content[30] ^= 1
    other = path.with_suffix(".other")
    other.write_bytes(content)
    other.replace(path)
    for problem in ("is another file", "is not the one that was written", "is not the one"):
        with pytest.raises(JournalGone, match=problem):
            writer.flush()
    assert writer.held_frames == 2
    assert path.read_bytes() == content
    writer.abandon()


def test_abandoning_forgets(path: Path) -> None:
    writer, frames = refused(path)
    writer.abandon()
    assert writer.held == 0
    writer.close()
    reader = read_journal(path)
    assert list(reader) == frames[:2]


def test_a_journal_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"")  # a file where a folder should be
    with pytest.raises(OSError, match="exists"):
        JournalWriter(tmp_path / "journal" / "a.00001.journal.zst")


def test_held_counts_what_is_in_memory(path: Path) -> None:
    writer = JournalWriter(path)
    assert writer.held == 0
    sizes = [100, BATCH_BYTES, 10, 3 * BATCH_BYTES, 0]
    for seq, size in enumerate(sizes, 1):
        writer.append(frame(seq, size))
    assert 0 < writer.held - sum(sizes) < 40 * len(sizes)
    before = writer.held
    with disk_of(10), pytest.raises(OSError, match="too large"):
        writer.flush()
    assert abs(writer.held - before) < 1_000  # the same, compressed
    writer.flush()
    assert writer.held == 0
    writer.close()


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 600)), max_size=12))
def test_whatever_the_disk_does_no_frame_is_lost_and_none_comes_twice(
    steps: list[tuple[int, int | None]],
) -> None:
    """Each step: frames arrive, then a flush on a disk of so many bytes, or one with room."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.00001.journal.zst"
        writer, safe = JournalWriter(path), 0
        frames: list[Frame] = []
        for count, room in steps:
            for _ in range(count):
                frames.append(frame(len(frames) + 1, 60))
                writer.append(frames[-1])
            try:
                with disk_of(1 << 30 if room is None else room):
                    writer.flush()
                safe = len(frames)
            except OSError:
                assert writer.held > 0
            there = list(read_journal(path))
            assert there == frames[: len(there)]
            assert len(there) >= safe
        writer.close()
        assert whole(path) == frames


@given(st.lists(st.tuples(st.integers(0, 9_000), st.booleans()), min_size=1, max_size=20))
def test_a_file_written_at_once_is_whole_or_not_there(steps: list[tuple[int, bool]]) -> None:
    """Each step: a frame of some size, after which perhaps all is compressed. Then the disk has no
    room, and then it has."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.00001.journal.zst")
        writer, frames = JournalWriter(path, sink=WholeFile(path)), list[Frame]()
        for seq, (size, pack) in enumerate(steps, 1):
            frames.append(frame(seq, size))
            writer.append(frames[-1])
            if pack:
                writer.pack()
        assert os.listdir(folder) == []
        with disk_of(10), pytest.raises(OSError, match="too large"):
            writer.close()
        assert (os.listdir(folder), writer.held_frames) == ([], len(frames))
        assert writer.held > sum(size for size, _ in steps)
        writer.close()
        assert whole(path) == frames
        assert os.listdir(folder) == [path.name]
        assert (writer.held, writer.written_frames) == (0, len(frames))


def test_a_file_written_at_once_waits_for_its_folder(tmp_path: Path) -> None:
    """One made where a mount is gone would be out of sight once it is back."""
    path = tmp_path / "journal" / "a.00001.journal.zst"
    writer = JournalWriter(path, sink=WholeFile(path))
    writer.append(frame(1))
    with pytest.raises(JournalGone, match="unmounted"):
        writer.close()
    assert not path.parent.exists()
    path.parent.mkdir()
    writer.close()
    assert len(whole(path)) == 1
