"""Rows are made anew beside the old ones, from the same frames, and compared row by row."""

from pathlib import Path
from shutil import copytree, rmtree

import pytest

from market.engine import Engine
from replay.certificate import Outcome
from replay.certify import certify
from schemas.errors import TapeError, UsageError
from schemas.frames import Frame, Kind
from schemas.rows import Row
from tape.again import Again, seal_again
from tape.diff import Comparison, Difference, pairs
from tape.generations import all_generations
from tape.layout import Tape
from tape.manifest import Origin, Verdict, load
from tape.reader import segments
from tape.verify import verify
from tests.replay.eventful import eventful
from tests.tape.contents import contents, files_of, frames_of, hourly, seen_by_others
from tests.tape.cuts import every_cut
from tests.tape.dumb import NAME, DumbEngine, DumbRecorder, sealed


def again(tape: Tape, engine: type[DumbEngine] = DumbEngine) -> list[Again]:
    """All segments."""
    return [seal_again(tape, segment, engine()) for segment in all_generations(tape)]


def compared(tape: Tape, old: int | None = None, new: int | None = None) -> Comparison:
    """With everything gone through, and nothing found."""
    comparison = Comparison(tape, pairs(tape, old, new))
    assert list(comparison.differences()) == []
    return comparison


class NewCode(DumbEngine):
    """An engine of a later day: another price, one row more, one less."""

    def feed(self, frame: Frame) -> list[Row]:
        rows = list(super().feed(frame))
        if frame.seq == 2:
            rows[0].price += 1  # type: ignore[attr-defined]
        if frame.seq == 3:
            rows.append(rows[0])
        return rows[:-1] if frame.seq == 4 else rows


def test_the_same_code_makes_the_same_rows(whole: Tape) -> None:
    before, seen, files = contents(whole), seen_by_others(whole), files_of(whole)
    made = again(whole)
    assert [one.manifest.generation for one in made] == [1, 1]
    assert {one.manifest.origin for one in made} == {Origin.FRAMES}
    assert {one.manifest.verdict for one in made} == {Verdict.CERTIFIED}
    assert (contents(whole), contents(whole, 0), contents(whole, 1)) == (before, before, before)
    assert seen_by_others(whole) == seen
    assert files <= files_of(whole)
    assert {path.split("/")[0] for path in files_of(whole) - files} == {"manifest", "rows.g1"}
    assert sum(counts.same for counts in compared(whole).counts.values()) == 7
    assert verify(whole) == []


def test_what_this_code_has_made_is_not_made_again(whole: Tape) -> None:
    again(whole)
    files = files_of(whole)
    assert not any(one.made for one in again(whole))
    assert files_of(whole) == files


def test_rows_made_anew_are_certified(tmp_path: Path) -> None:
    tape = eventful(tmp_path / "tape", every=50).tape
    for segment in all_generations(tape):
        seal_again(tape, segment, Engine())
    assert [manifest.generation for manifest in segments(tape)] == [1, 1, 1, 1]
    assert certify(tape).outcome is Outcome.CERTIFIED
    compared(tape)


def test_other_rows_are_named_column_by_column(whole: Tape) -> None:
    first = again(whole, NewCode)[0].manifest
    assert first.verdict is Verdict.DIVERGENT
    assert first.divergence is not None
    assert "rows after seq 0 up to seq 4" in first.divergence
    comparison = Comparison(whole, pairs(whole, None, None))
    found = list(comparison.differences())
    changed = Difference(
        str(NAME), "depth", "ETH_USDC", 2, {"price": "123.45"}, {"price": "123.450000001"}
    )
    assert changed in found
    one_more = [one for one in found if one.seq == 3]
    assert [one.what for one in one_more] == ["only new"]
    assert one_more[0].new is not None
    assert one_more[0].new["action"] == "update"
    assert [(one.what, one.symbol) for one in found if one.seq == 4] == [("only old", "SOL_USDC")]
    counts = comparison.counts["depth"]
    assert (counts.changed, counts.only_old, counts.only_new) == (1, 0, 1)
    assert list(Comparison(whole, pairs(whole, None, None), "gap").differences()) == [
        one for one in found if one.table == "gap"
    ]


def test_a_generation_can_be_asked_for(whole: Tape) -> None:
    before = contents(whole)
    again(whole, NewCode)
    again(whole)
    assert contents(whole) == contents(whole, 0) == before
    assert contents(whole, 1) != before
    assert contents(whole, 2) == {NAME: before[NAME]}  # of the other segment, 1 was right
    compared(whole, 0, 2)
    with pytest.raises(UsageError, match="no generation 7 here; there are: 0, 1, 2"):
        segments(whole, generation=7)
    with pytest.raises(UsageError, match=r"there are: 0, 1, 2\. bp-tape seal --again"):
        pairs(whole, 0, 7)


def test_rows_that_are_damaged_or_gone_come_back(whole: Tape) -> None:
    before = contents(whole)
    for number, path in enumerate(sorted(whole.root.glob("rows/*/*/*/*"))):
        path.write_bytes(b"spoilt") if number % 2 else path.unlink()
    again(whole)
    assert contents(whole) == before


def test_a_spoilt_generation_is_made_again(whole: Tape) -> None:
    before = contents(whole)
    again(whole)
    path = next(whole.root.glob("rows.g1/depth/*/*/*"))
    content = path.read_bytes()
    path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    assert [one.manifest.generation for one in again(whole)] in ([2, 1], [1, 2])
    assert contents(whole) == before


def test_frames_that_cannot_be_read_are_an_error(whole: Tape) -> None:
    next(whole.root.glob("frames/*/*/*.00001.parquet")).unlink()
    with pytest.raises(TapeError, match=r"00001\.parquet"):
        again(whole)
    assert not list(whole.root.glob("rows.g*/*/*/*/*"))


def test_the_highest_manifest_that_can_be_read_counts(whole: Tape) -> None:
    again(whole, NewCode)
    whole.manifest(NAME, 1).write_bytes(b"{")
    assert [manifest.generation for manifest in segments(whole)] == [0, 1]
    assert load(whole.manifests()[1]).generation == 1


def test_damage_of_the_journal_stays_known(tape: Tape) -> None:
    recorder = hourly(tape, hours=1)
    recorder.name = recorder.name._replace(number=2)
    recorder.begin()
    recorder.say(("ETH_USDC", 1, 1))
    recorder.flush()
    recorder.frames.append(recorder.frames[-1])  # takes a seq, is never written
    recorder.say(("ETH_USDC", 2, 1))
    recorder.stop()
    first = sealed(tape, recorder.name)
    remade = again(tape)[1].manifest
    assert (remade.verdict, remade.damage) == (Verdict.RECOVERED, first.damage)
    (loss,) = [frame for frame in frames_of(tape)[recorder.name] if frame.kind is Kind.LOSS]
    assert [(d.after_seq, d.until_seq) for d in remade.damage] == [(loss.seq - 1, loss.seq + 1)]
    assert remade.frames_digest == first.frames_digest


def test_sealing_again_may_be_cut_off_at_every_change(tape: Tape, tmp_path: Path) -> None:
    recorder = DumbRecorder(tape)
    recorder.say(("ETH_USDC", 1, 1), ("SOL_USDC", 1, -1))
    recorder.stop()
    sealed(tape)
    before, seen = contents(tape), seen_by_others(tape)
    work = Tape(tmp_path / "work")

    def fresh() -> None:
        rmtree(work.root, ignore_errors=True)
        copytree(tape.root, work.root)

    cuts = 0
    for _ in every_cut(fresh, lambda: again(work)):
        cuts += 1
        assert (contents(work), contents(work, 0)) == (before, before)
        assert seen_by_others(work) == seen
        again(work)
        assert contents(work, 1) == before
        assert verify(work) == []
    assert cuts > 10
