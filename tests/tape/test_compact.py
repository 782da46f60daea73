"""Compaction changes where rows lie and nothing else, wherever it is cut off."""

from pathlib import Path
from shutil import copytree, rmtree

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.certificate import Outcome
from replay.certify import certify
from schemas.errors import TapeError
from tape.compact import Compacted, compact, finish
from tape.generations import all_generations
from tape.layout import SegmentName, Tape
from tape.lock import lock
from tape.manifest import Origin, Verdict, load
from tape.plan import plan
from tape.reader import read_rows, segments
from tape.verify import verify
from tests.effort import examples
from tests.replay.eventful import eventful
from tests.tape.contents import contents, files_of, frames_of, hourly, seen_by_others
from tests.tape.cuts import every_cut
from tests.tape.dumb import DAY, NAME, SECOND, START, DumbRecorder, sealed

FIRST_DAY = START // DAY


def compacted(tape: Tape) -> list[Compacted]:
    """As the command does it."""
    finish(tape)
    return list(compact(tape, plan(tape)))


def test_hourly_files_become_daily_ones(tape: Tape) -> None:
    hourly(tape)
    before, frames, seen = contents(tape), frames_of(tape), seen_by_others(tape)
    done = compacted(tape)
    assert [(one.date, one.segments) for one in done] == [("2026-11-22", 2), ("2026-11-23", 3)]
    assert (contents(tape), frames_of(tape), seen_by_others(tape)) == (before, frames, seen)
    assert verify(tape) == []
    eth = sorted(path.name for path in tape.root.glob("rows/depth/*/symbol=ETH_USDC/*"))
    assert eth == [
        f"{NAME.session}.00001-00002.g1.parquet",
        f"{NAME.session}.00002-00004.g2.parquet",
    ]
    assert [m.generation for m in segments(tape)] == [1, 2, 2, 2]
    assert {m.verdict for m in segments(tape)} == {Verdict.CERTIFIED}
    assert {m.origin for m in segments(tape)} == {Origin.COMPACTION}


def test_bytes_of_a_shared_file_are_counted_once(tape: Tape) -> None:
    hourly(tape)
    compacted(tape)
    files = list(tape.root.rglob("*.parquet"))
    stored = sum(manifest.stored_bytes() for manifest in segments(tape))
    assert stored == sum(path.stat().st_size for path in files)


def test_a_file_alone_stays_where_it_is(tape: Tape) -> None:
    hourly(tape)
    alone = tape.root / f"rows/depth/date=2026-11-22/symbol=ONLY_0/{NAME}.parquet"
    content = alone.read_bytes()
    compacted(tape)
    assert alone.read_bytes() == content


def test_compacting_again_does_nothing(tape: Tape) -> None:
    hourly(tape)
    compacted(tape)
    files = files_of(tape)
    assert (plan(tape), finish(tape), compacted(tape)) == ([], [], [])
    assert files_of(tape) == files


def test_what_is_recorded_later_is_added(tape: Tape) -> None:
    recorder = hourly(tape, hours=3)
    compacted(tape)
    recorder.name = SegmentName(NAME.session, 4)
    recorder.ts += SECOND
    recorder.begin()
    recorder.say(("ETH_USDC", 5, 5))
    recorder.stop()
    sealed(tape, recorder.name)
    before, seen = contents(tape), seen_by_others(tape)
    (done,) = compacted(tape)
    assert done.date == "2026-11-23"
    assert (contents(tape), seen_by_others(tape)) == (before, seen)
    assert verify(tape) == []


def test_a_day_that_goes_on_waits(tape: Tape) -> None:
    recorder = hourly(tape)
    DumbRecorder(tape, SegmentName(NAME.session, 9), recorder.ts).cut()  # its journal
    assert [day.date for day in plan(tape)] == ["2026-11-22"]
    assert [day.date for day in plan(tape, all_days=True)] == ["2026-11-22", "2026-11-23"]
    assert [day.date for day in plan(tape, day=FIRST_DAY)] == ["2026-11-22"]
    with lock(tape.root):  # a recorder at work is no obstacle
        compacted(tape)
    assert [day.date for day in plan(tape, all_days=True)] == ["2026-11-23"]


def test_sessions_have_files_of_their_own(tape: Tape) -> None:
    hourly(tape)
    other = SegmentName("20261123T120000Z", 1)
    recorder = DumbRecorder(tape, other, START + DAY)
    recorder.say(("ETH_USDC", 5, 5))
    recorder.stop()
    sealed(tape, other)
    before, seen = contents(tape), seen_by_others(tape)
    compacted(tape)
    assert (contents(tape), seen_by_others(tape)) == (before, seen)
    assert verify(tape) == []


def test_row_groups_are_large_again(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tape.segment._GROUP_ROWS", 25)
    monkeypatch.setattr("tape.batches._BATCH_ROWS", 7)
    recorder = DumbRecorder(tape)
    for number in range(90):
        if number % 30 == 29:
            recorder.roll()
        recorder.say(("ETH_USDC", number, 1))
    recorder.stop()
    for journal in tape.journals():
        sealed(tape, SegmentName.of(journal))
    before = contents(tape)
    compacted(tape)
    assert contents(tape) == before
    (path,) = tape.root.glob("rows/depth/*/*/*")
    groups = pq.read_metadata(path)
    sizes = [groups.row_group(n).num_rows for n in range(groups.num_row_groups)]
    assert sum(sizes) == 90
    assert min(sizes[:-1]) >= 25


def test_a_damaged_file_stops_compaction_and_nothing_is_lost(tape: Tape) -> None:
    hourly(tape)
    path = next(tape.root.glob("rows/depth/*/symbol=ETH_USDC/*.00003.parquet"))
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes([content[60] ^ 1]) + content[61:])
    with pytest.raises(TapeError, match=r"00003\.parquet"):
        compacted(tape)
    assert not list(tape.root.rglob("*.tmp"))
    path.write_bytes(content)
    compacted(tape)
    assert verify(tape) == []


def test_compaction_may_be_cut_off_at_every_change(tape: Tape, tmp_path: Path) -> None:
    hourly(tape, hours=3)
    before, frames, seen = contents(tape), frames_of(tape), seen_by_others(tape)
    work = Tape(tmp_path / "work")

    def fresh() -> None:
        rmtree(work.root, ignore_errors=True)
        copytree(tape.root, work.root)

    cuts = 0
    for _ in every_cut(fresh, lambda: compacted(work)):
        cuts += 1
        assert (contents(work), frames_of(work)) == (before, frames)
        compacted(work)
        assert (contents(work), frames_of(work), seen_by_others(work)) == (before, frames, seen)
        assert verify(work) == []
        assert all(len(one.readable) == 1 for one in all_generations(work))
    assert cuts > 30


def test_certificates_hold(tmp_path: Path) -> None:
    tape = eventful(tmp_path / "tape", every=50).tape
    before, seen = contents(tape), seen_by_others(tape)
    assert compacted(tape)
    assert (contents(tape), seen_by_others(tape)) == (before, seen)
    certificate = certify(tape)
    assert certificate.outcome is Outcome.CERTIFIED
    assert [segment.notes for segment in certificate.segments] == [()] * 4
    path = next(tape.root.glob("rows/trade/*/*/*.parquet"))
    path.unlink()
    assert certify(tape).outcome is Outcome.FAILED


saying = st.tuples(
    st.lists(st.tuples(st.sampled_from(["A", "B", None]), st.integers(0, 9), st.integers(-1, 1))),
    st.sampled_from([0, SECOND, DAY // 24, DAY // 2, -DAY // 3]),
    st.sampled_from(["say", "say", "say", "roll"]),
)


@settings(max_examples=examples(8), deadline=None)
@given(st.lists(saying, max_size=25))
def test_any_recording_is_the_same_after(
    tmp_path_factory: pytest.TempPathFactory,
    sayings: list[tuple[list[tuple[str, int, int]], int, str]],
) -> None:
    tape = Tape(tmp_path_factory.mktemp("any") / "tape")
    recorder = DumbRecorder(tape)
    for levels, wait, what in sayings:
        recorder.say(*levels)
        recorder.ts += wait
        if what == "roll":
            recorder.roll()
    recorder.stop()
    for journal in tape.journals():
        sealed(tape, SegmentName.of(journal))
    (tape.root / "rows").mkdir(exist_ok=True)
    before, frames, seen = contents(tape), frames_of(tape), seen_by_others(tape)
    compacted(tape)
    assert (contents(tape), frames_of(tape), seen_by_others(tape)) == (before, frames, seen)
    assert verify(tape) == []
    paths = [path.parent for path in tape.root.glob("rows/*/*/*/*")]
    assert len(paths) == len(set(paths))


def test_a_reader_who_is_overtaken_is_told_to_begin_again(tape: Tape) -> None:
    hourly(tape)
    before = load(tape.manifests()[0])
    entry = before.files_of("depth")[0]
    compacted(tape)
    with pytest.raises(TapeError, match="was put into another file meanwhile: run this again"):
        list(read_rows(tape, entry))
    merged = load(tape.manifests()[0]).files_of("depth")[0]
    (tape.root / merged.path).unlink()
    with pytest.raises(TapeError, match="No such file"):
        list(read_rows(tape, merged))
