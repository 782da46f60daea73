"""Every command of bp-tape does something sensible with a folder of shards, and none does half."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from market.engine import Engine
from tape.cli import cli
from tape.cli_shards import EachShard
from tape.keep import Keep
from tape.layout import SegmentName, Tape
from tape.lock import lock
from tape.reader import segments
from tape.retention import Aim, Holding, Stock, choose, within
from tests.shards import record
from tests.simulate import Plan
from tests.tapes import Recording, Setting

AS_ONE = {"ls", "info", "verify", "ids", "export", "union"}
SOAK = bool(os.environ.get("SOAK"))
IN_TURN = (
    *[("seal",), ("recover", "--dry-run"), ("compact", "--all", "--dry-run")] * SOAK,
    ("seal", "--again"),
    ("diff",),
    ("compact", "--all"),
    *[("prune", "--keep", "1s", "--dry-run")] * SOAK,
    ("recover",),
    ("heal", "--dry-run"),
    ("prune", "--keep", "1s"),
)
NAMES = ["shard-1-of-2", "shard-2-of-2"]


def bp_tape(*words: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, words)], obj=Engine)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    root = tmp_path_factory.mktemp("made")
    record(root, Plan(seconds=1), 2, rolls=1)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "data")


def test_no_command_is_forgotten() -> None:
    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    in_turn = {name for name, command in commands.items() if isinstance(command, EachShard)}
    assert {name for name, *_ in IN_TURN} == in_turn
    assert commands.keys() == in_turn | AS_ONE


def test_of_each_comes_what_it_says_alone(root: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(root, tmp_path / "alone")
    for name, *words in IN_TURN:
        told = bp_tape(name, *words, "--json", root)
        each = [bp_tape(name, *words, "--json", alone / shard) for shard in NAMES]
        found: dict[str, Any] = json.loads(told.stdout)
        assert list(found) == NAMES
        for one, said in zip(each, found.values(), strict=True):
            assert _steady(json.loads(one.stdout)) == _steady(said), (name, words)
        assert told.exit_code == max(one.exit_code for one in each)
    assert [bp_tape("verify", folder).exit_code for folder in (root, alone)] == [0, 0]
    text = bp_tape("seal", root).stdout
    assert text.splitlines() == [
        f"{NAMES[0]}:",
        "nothing to seal",
        f"{NAMES[1]}:",
        "nothing to seal",
    ]


def _steady(document: Any) -> Any:
    """Without sizes of files, as times of writing are in them."""
    if isinstance(document, list):
        return [{k: v for k, v in line.items() if "bytes" not in k} for line in document]
    return document


def test_one_that_fails_keeps_no_other_from_it(root: Path) -> None:
    with lock(root / NAMES[0]):
        told = bp_tape("recover", root)
    assert told.exit_code == 1
    assert f"error: {NAMES[0]}: " in told.stderr
    assert "is being written by process" in told.stderr
    assert [line.partition(":")[0] for line in told.stdout.splitlines()] == [
        *NAMES,
        "nothing to recover",
    ]
    [segment, _] = segments(Tape(root / NAMES[1]))
    again = bp_tape("seal", "--again", "--segment", segment.name, root)
    assert (again.exit_code, str(segment.name) in again.stdout) == (0, True)
    assert bp_tape("seal", "--again", "--segment", "20200101T000000Z.00001", root).exit_code == 2


def test_a_recording_beside_shards_is_one_of_them(root: Path) -> None:
    recording = Recording(root, Setting("20260903T164310Z"))
    recording.begin()
    recording.stop()
    found = json.loads(bp_tape("seal", "--again", "--json", root).stdout)
    assert list(found) == [str(root), *NAMES]
    assert json.loads(bp_tape("info", "--json", root).stdout)["segments"] == 5


def test_one_without_its_manifests_is_not_left_out(root: Path) -> None:
    """Whoever reads is told what to do, and recovery finds it."""
    for path in (root / NAMES[1] / "manifest").iterdir():
        path.unlink()
    for command in ("ls", "info", "verify", "ids", "export"):
        more = [root.parent / "out"] if command == "export" else []
        told = bp_tape(command, root, *more)
        assert (told.exit_code, "bp-tape recover" in told.stderr) == (2, True), command
    assert bp_tape("recover", root).exit_code in (0, 3)
    assert json.loads(bp_tape("info", "--json", root).stdout)["segments"] == 4


def test_shards_that_are_missing_are_named(root: Path) -> None:
    shutil.rmtree(root / NAMES[0])
    for command in ("ls", "info", "verify", "ids", "seal", "compact"):
        told = bp_tape(command, root)
        assert "1 of 2 shards are here, without 1/2" in told.stderr, command


HOLDINGS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=6)


@given(
    st.lists(HOLDINGS, min_size=2, max_size=3), st.integers(0, 500), st.none() | st.integers(0, 70)
)
def test_a_size_is_of_all_shards_together(
    sizes: Sequence[Sequence[tuple[int, int]]], size: int, age: int | None
) -> None:
    """What is oldest of all goes first, but for the newest of each."""
    now, stocks, model = 70 * len(sizes), [], []
    for number, some in enumerate(sizes):
        times = {time * len(sizes) + number: size for time, size in some}  # none is of two
        found = [
            Holding(SegmentName(f"{number}", at), ts, "", True, times[ts], ())
            for at, ts in enumerate(sorted(times))
        ]
        staying = frozenset(each.name for each in found[-1:])
        stocks.append(Stock([], found, staying, {}, sum(times.values())))
        model += [each for each in found if each.name not in staying]
    left = sum(stock.bytes for stock in stocks)
    expected = set()
    for holding in sorted(model, key=lambda each: each.last_ts):
        if left > size or (age is not None and holding.last_ts < now - age):
            expected.add(holding.name)
            left -= holding.bytes
    aim = within(stocks, Aim(Keep(age, size), now))
    assert {each.name for stock in stocks for each in choose(stock, aim).going} == expected
