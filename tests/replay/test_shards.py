"""A data set of several shards is what one recorder of all topics would have recorded."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from market.engine import Engine
from tape.cli import cli
from tests.shards import record
from tests.simulate import Plan

SOAK = bool(os.environ.get("SOAK"))
HOUR_NS = 3_600 * 10**9
PLANS = (Plan(seconds=2), Plan(seed=2, seconds=2, start_ns=Plan().start_ns + HOUR_NS))
# Of each recorder's own: its connections and requests, and how it numbers frames.
OWN = ("session", "clock")
OWN_COLUMNS = ("seq", "conn")


@pytest.fixture(scope="module", params=[(2, 3), *[(3, 2)] * SOAK], ids=str)
def roots(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """What one has recorded in two sessions, and what several have, of whom there were more or
    fewer in the next one."""
    root = tmp_path_factory.mktemp("shards")
    for plan, of in zip(PLANS, request.param, strict=True):
        record(root / "one", plan, 1, rolls=1)
        record(root / "many", plan, of, rolls=1)
    return root / "one", root / "many"


def bp_tape(*words: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, words)], obj=Engine)


def exported(root: Path, out: Path) -> dict[str, list[dict[str, Any]]]:
    """Lines by table, without what is each recorder's own; those of one time by market."""
    told = bp_tape("export", "--format", "jsonl", "--json", root, out)
    assert told.exit_code == 0, told.output
    found = {}
    for file in json.loads(told.stdout):
        lines = [json.loads(line) for line in Path(file["file"]).read_text().splitlines()]
        assert [line["ts_recv"] for line in lines] == sorted(line["ts_recv"] for line in lines)
        for line in lines:
            for name in OWN_COLUMNS:
                line.pop(name, None)
        found[file["table"]] = sorted(
            lines, key=lambda line: (line["ts_recv"], line["symbol"] or "")
        )
    return found


def test_an_export_has_the_same_rows_in_the_same_order(
    roots: tuple[Path, Path], tmp_path: Path
) -> None:
    one, many = (exported(root, tmp_path / root.name) for root in roots)
    assert one.keys() == many.keys() >= {"depth", "trade", "book_ticker", "ticker", "market"}
    for table in one.keys() - {*OWN, "market"}:
        assert many[table] == one[table], table
    symbols = [{line["symbol"] for line in each["market"]} for each in (one, many)]
    assert symbols[0] == symbols[1]


def test_an_export_may_be_of_some_of_it(roots: tuple[Path, Path], tmp_path: Path) -> None:
    counts = []
    for root in roots:
        words = ("--topics", "depth.*", "--symbol", "*_USDC", "--start", "16:43:11", "--json")
        told = bp_tape("export", *words, root, tmp_path / f"some-{root.name}")
        made = json.loads(told.stdout)
        counts.append({file["table"]: file["rows"] for file in made if file["table"] not in OWN})
    assert counts[0] == counts[1]
    assert counts[0]["depth"]


def test_ids_and_coverage_are_those_of_all(roots: tuple[Path, Path]) -> None:
    """Also of a market that moved from one to another."""
    for command in (("ids",), ("ls", "--coverage")):
        one, many = (json.loads(bp_tape(*command, "--json", root).stdout) for root in roots)
        assert one == many
        assert len(one) > 1
    told = [bp_tape("info", "--json", root).stdout for root in roots]
    assert json.loads(told[0])["topics"] == json.loads(told[1])["topics"]


def test_a_union_of_them_is_one_recording(roots: tuple[Path, Path], tmp_path: Path) -> None:
    _, many = roots
    assert bp_tape("union", many, "--out", tmp_path / "whole").exit_code == 0
    topics = [
        json.loads(bp_tape("info", "--json", root).stdout)["topics"]
        for root in (many, tmp_path / "whole")
    ]
    assert topics[0] == topics[1]


def test_a_union_that_fails_leaves_nothing(roots: tuple[Path, Path], tmp_path: Path) -> None:
    """Also where a segment was on its way to be sealed by then."""
    many = shutil.copytree(roots[1], tmp_path / "many")
    newest = max((many / "shard-1-of-2" / "frames").rglob("*.parquet"), key=str)
    newest.write_bytes(b"x" * newest.stat().st_size)
    told = bp_tape("union", many, "--out", tmp_path / "whole")
    assert (told.exit_code, newest.name in told.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["many"]
