"""What is pruned is what a loop over tuples says, and nothing but the log is told of it."""

import os
from hashlib import sha256
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ConfigError
from tape.compact import compact, finish
from tape.keep import Keep
from tape.layout import Tape
from tape.plan import plan
from tape.prune import Gone, Order, prune
from tape.prunings import What, prunings
from tape.retention import Aim, choose, take_stock
from tape.verify import verify
from tests.tape.dumb import HOUR, START
from tests.tape.keeping import Say, expected, parquet, plain, recorded

SOAK = bool(os.environ.get("SOAK"))
MANY = [(3, True), (1, True), (9, True), (2, False), (1, True)]


def pruned_to(tape: Tape, aim: Aim) -> tuple[list[Gone], list[str]]:
    """What was done, and who is spared."""
    stock = take_stock(tape, aim.what)
    assert stock.bytes == sum((tape.root / path).stat().st_size for path in parquet(tape.root))
    choice = choose(stock, aim)
    done = list(prune(tape, stock, choice.going, Order(aim.what, "a test", aim.keep.told)))
    left = sum((tape.root / path).stat().st_size for path in parquet(tape.root))
    assert left == choice.bytes
    assert sum(gone.bytes for gone in done) == stock.bytes - left == sum(choice.freed)
    return done, [str(holding.name) for holding in choice.spared]


def compacted(tape: Tape) -> None:
    finish(tape)
    list(compact(tape, plan(tape, all_days=True)))


says: st.SearchStrategy[list[Say]] = st.lists(
    st.tuples(st.sampled_from([0, 1, 3, 30]), st.sampled_from([True, True, True, False])),
    min_size=1,
    max_size=6,
)
aims: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    hours=st.none() | st.integers(0, 6),
    share=st.none() | st.floats(0, 1.1),
    what=st.sampled_from(What),
    force=st.booleans(),
)


@settings(max_examples=150 if SOAK else 4, deadline=None)
@given(says, st.lists(aims, min_size=1, max_size=3), st.sampled_from([None, 0, 1]))
def test_what_stays_is_what_a_loop_over_tuples_says(
    tmp_path_factory: pytest.TempPathFactory,
    segments: list[Say],
    asked: list[dict[str, Any]],
    compact_before: int | None,
) -> None:
    """Once or several times, whatever of them, with compaction before or in between."""
    tape = Tape(tmp_path_factory.mktemp("kept") / "tape")
    recorded(tape, segments)
    for number, aim in enumerate(asked):
        if compact_before == number:
            compacted(tape)
        before = {path: (tape.root / path).read_bytes() for path in parquet(tape.root)}
        now = START + len(segments) * HOUR
        age = None if aim["hours"] is None else aim["hours"] * HOUR + HOUR // 2
        size = None if aim["share"] is None else int(sum(map(len, before.values())) * aim["share"])
        oldest = None if age is None else now - age
        model = expected(tape.root, aim["what"], oldest, size, aim["force"])
        done, spared = pruned_to(tape, Aim(Keep(age, size), now, aim["what"], aim["force"]))
        assert parquet(tape.root) == model.files
        there = {f"{m['session']}.{m['number']:05d}" for m in plain(tape.root)}
        assert (sorted(there), spared) == (model.segments, model.spared)
        logged = {file.path: file for pruning in prunings(tape) for file in pruning.files}
        for path in before.keys() - model.files:
            assert logged[path].bytes == len(before[path])
            assert logged[path].sha256 == sha256(before[path]).hexdigest()
        assert all((tape.root / path).read_bytes() == before[path] for path in model.files)
        assert not [found for found in verify(tape) if found.damage]
        assert sum(gone.files for gone in done) == len(before) - len(model.files)


def test_the_same_again_does_nothing(tape: Tape) -> None:
    recorded(tape, MANY)
    compacted(tape)
    for what in (What.ROWS, What.FRAMES, What.ALL):
        aim = Aim(Keep(2 * HOUR), START + 5 * HOUR, what)
        assert pruned_to(tape, aim)[0]
        assert pruned_to(tape, aim)[0] == []


def test_no_empty_folders_are_left(tape: Tape) -> None:
    recorded(tape, MANY)
    pruned_to(tape, Aim(Keep(0), START + 99 * HOUR, force=True))
    for folder in ("frames", "rows"):
        leaves = [path for path in (tape.root / folder).glob("**/*=*") if path.is_dir()]
        assert leaves
        assert all(any(path.iterdir()) for path in leaves)


def test_the_newest_stays_and_what_a_journal_continues(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "tape")
    recorded(tape, [(1, True)] * 4)
    _, second, third, fourth = [path.name for path in tape.manifests()]
    journal = tape.journal_folder / third.replace(".json", ".journal.zst")
    work = Tape(tmp_path / "work")
    for waiting, stay in ((False, [fourth]), (True, [second, fourth])):
        rmtree(work.root, ignore_errors=True)
        copytree(tape.root, work.root)
        if waiting:
            (work.journal_folder / journal.name).touch()
        pruned_to(work, Aim(Keep(0), START + 99 * HOUR))
        assert [path.name for path in work.manifests()] == stay


@pytest.mark.parametrize("text", ["90", "90y", "lots", "-5d", "0d", "0GB", "", "5 m B"])
def test_what_is_neither_an_age_nor_a_size(text: str) -> None:
    with pytest.raises(ConfigError, match="neither an age nor a size"):
        Keep.parse([text])


def test_the_least_of_each_kind_counts() -> None:
    keep = Keep.parse(["2d", "12h", "3GB", "500kb"])
    assert (keep.age, keep.size) == (12 * HOUR, 500_000)
    assert keep.told == "--keep 2d --keep 12h --keep 3GB --keep 500kb"
