"""What is kept of manifests and of the log of prunings is what reading them would tell."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import time_ns
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tape import kept
from tape.ends import Ends
from tape.gist import gist
from tape.glance import Shelf
from tape.layout import SegmentName, Tape
from tape.manifest import Manifest, load, outline, save
from tape.outlines import Outlines
from tape.pool import Counts, Pool
from tape.prunings import PrunedEntry, Pruning, What, append, log_path, newest, prunings
from tape.recorded import recorded_topics, symbols_in
from tests.tape.dumb import NAME

_counts = st.dictionaries(st.text(max_size=3), st.integers(0, 2**53), max_size=5)


def later() -> int:
    """When files of now are old."""
    return time_ns() + 60_000_000_000


@pytest.fixture
def three(whole: Tape) -> Tape:
    """The recording, with manifests of three segments; only those are looked at here."""
    first = load(whole.manifest(NAME))
    for number in (2, 300):
        files = [
            replace(entry, path=entry.path.replace(str(NAME), f"{NAME.session}.{number:05d}"))
            for entry in first.files
        ]
        topics = {f"trade.M{number}": number}
        save(replace(first, number=number, topics=topics, files=files), whole)
    return whole


def read(tape: Tape) -> list[Manifest]:
    """All outlines, by way of what is kept."""
    outlines = Outlines(tape, worth=1, clock=later)
    found = [outlines.read(path) for path in tape.manifests()]
    outlines.keep()
    return found


def change_kept(tape: Tape) -> None:
    """Say of all segments that they end otherwise, as no manifest does."""
    for path in (tape.root / kept.FOLDER).iterdir():
        block = msgspec.msgpack.decode(path.read_bytes()[32:])
        for line in block[2].values():
            line[1]["end"] = "as it was kept"
        content = msgspec.msgpack.encode(block)
        path.write_bytes(sha256(content).digest() + content)


def ends(manifests: list[Manifest]) -> list[str | None]:
    return [manifest.end for manifest in manifests]


def test_what_is_kept_is_what_the_manifests_say(three: Tape) -> None:
    true = [load(path) for path in three.manifests()]
    for _ in range(2):
        found = read(three)
        assert found == true
        assert recorded_topics(found) == recorded_topics(true)
        for one, manifest in zip(found, true, strict=True):
            left = outline(three.manifest(manifest.name))
            assert isinstance(one.files, Shelf)
            assert isinstance(left.files, Shelf)
            assert one.files.glance.sizes == left.files.glance.sizes
            assert list(one.files.glance.kinds) == list(left.files.glance.kinds)
            symbols = {e.symbol for e in manifest.files if e.table == "depth"} - {None}
            assert symbols_in([one], "depth") == symbols_in([manifest], "depth") == symbols
            for table, symbol in {(e.table, e.symbol) for e in manifest.files}:
                assert one.has_files(table, symbol)
            assert not one.has_files("depth", "NONE")


def test_it_is_taken_for_the_very_file_that_it_was_made_of(three: Tape) -> None:
    read(three)
    change_kept(three)
    assert ends(read(three)) == ["as it was kept"] * 3
    second = three.manifest(SegmentName(NAME.session, 2))
    second.write_bytes(second.read_bytes())
    true = load(second).end
    assert ends(read(three)) == ["as it was kept", true, "as it was kept"]
    assert true != "as it was kept"


def test_what_is_torn_or_of_another_version_is_made_anew(three: Tape) -> None:
    true = read(three)
    change_kept(three)
    for path in (three.root / kept.FOLDER).iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert read(three) == true
    for path in (three.root / kept.FOLDER).iterdir():
        block = msgspec.msgpack.decode(path.read_bytes()[32:])
        content = msgspec.msgpack.encode(["0.0 of another", *block[1:]])
        path.write_bytes(sha256(content).digest() + content)
    change_kept(three)
    assert read(three) == true


def test_only_who_may_read_manifests_may_read_what_is_kept(three: Tape) -> None:
    three.manifest_folder.chmod(0o700)
    read(three)
    assert (three.root / kept.FOLDER).stat().st_mode & 0o777 == 0o700


def test_nothing_is_kept_of_a_file_that_may_just_be_written(three: Tape) -> None:
    outlines = Outlines(three, worth=1, clock=time_ns)
    path = three.manifest(NAME)
    path.write_bytes(path.read_bytes())
    outlines.read(path)
    outlines.keep()
    assert not (three.root / kept.FOLDER).exists()


def test_what_is_gone_is_kept_no_longer(three: Tape) -> None:
    read(three)
    files = {path.name for path in (three.root / kept.FOLDER).iterdir()}
    assert files == {f"{NAME.session}.0", f"{NAME.session}.1"}
    three.manifest(SegmentName(NAME.session, 300)).unlink()
    first = three.manifest(NAME)
    first.write_bytes(first.read_bytes())
    read(three)
    assert {path.name for path in (three.root / kept.FOLDER).iterdir()} == {f"{NAME.session}.0"}


@given(st.lists(_counts, max_size=4))
def test_packed_counts_are_the_same(several: list[dict[str, int]]) -> None:
    pool = Pool()
    packed = [Counts.of(counts, pool) for counts in several]
    again = Pool(pool.words)
    for counts, one in zip(several, packed, strict=True):
        names, numbers = one.packed
        for found in (one, Counts(again.read(names), numbers)):
            assert found == counts
            assert (list(found), len(found)) == (list(counts), len(counts))
            assert [found[name] for name in counts] == [*counts.values()]
            assert "none of them" not in found


def pruning(number: int, files: int, topics: tuple[str, ...] = ("trade.A",)) -> Pruning:
    names = [f"rows/trade/date=2026-11-22/symbol=A/{number}-{n}.parquet" for n in range(files)]
    return Pruning(
        at=datetime(2026, 11, 22, tzinfo=UTC),
        by="test",
        code="0",
        why="--keep 1d",
        what=What.ALL,
        segment=f"{NAME.session}.{number:05d}",
        generations={},
        verdict="certified",
        end="roll",
        first_seq=1,
        last_seq=2,
        first_ts=1,
        last_ts=2,
        frames=2,
        ends=Ends("segment", topics, 1, 2),
        files=[PrunedEntry(name, 1, sha256(name.encode()).hexdigest()) for name in names],
    )


def bare(found: Pruning | None) -> Any:
    return found and replace(found, files=found.files[:1])


def check_gist(tape: Tape) -> None:
    """That it is what the log says."""
    every = list(prunings(tape))
    assert list(gist(tape, log_path(tape))) == [bare(one) for one in every]
    assert newest(tape) == (every[-1] if every else None)


def test_the_gist_of_the_log_is_what_it_says(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    check_gist(tape)
    for number in range(3):
        append(tape, pruning(number, 4_000, ("trade.A", "trade.B")[: 1 + number % 2]))
        check_gist(tape)
    at = (tmp_path / kept.FOLDER / "log").stat().st_size
    assert 0 < at < 10_000 < log_path(tape).stat().st_size
    whole = log_path(tape).read_bytes()
    log_path(tape).write_bytes(whole + whole[:500])  # a crash
    check_gist(tape)
    append(tape, pruning(3, 1))
    check_gist(tape)
    log_path(tape).write_bytes(log_path(tape).read_bytes().removesuffix(b"\n"))
    check_gist(tape)
    log_path(tape).write_bytes(whole.replace(b"certified", b"certainly", 1))
    (tmp_path / kept.FOLDER / "log").unlink()
    assert len(list(gist(tape, log_path(tape)))) == 2  # a line is damaged
    check_gist(tape)


def test_of_another_log_nothing_is_kept(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    for number in range(3):
        append(tape, pruning(number, 4_000))
    check_gist(tape)
    log_path(tape).unlink()
    append(tape, pruning(7, 1))
    check_gist(tape)
    for number in range(3):
        append(tape, pruning(10 + number, 4_000))
        check_gist(tape)
