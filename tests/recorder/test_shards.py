"""Two recorders that share the markets of one venue out, and what both recorded, read as one."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from market.engine import Engine
from recorder.options import settings_of
from recorder.status import status
from replay import Replay
from replay.cli import replay as bp_replay
from replay.report import Report
from schemas.errors import ConfigError, NotARecording
from schemas.frames import Kind
from schemas.rows import Row, Trade
from schemas.shard import Shard
from tape.cli import cli
from tape.layout import Tape
from tape.reader import segments
from tape.union import sides, union
from tests.recorder.market import trade
from tests.recorder.runs import Run, running
from tests.venue import Venue
from tests.venue.catalogue import Listing, markets_body
from tests.venue.link import cue_of

OURS, THEIRS, LATER = "SOL_USDC", "ETH_USDC", "XYZ_USDC"  # of shards 2, 1 and 1 of two
SOON = 0.02


def listings(*symbols: str) -> list[Listing]:
    return [Listing(symbol, "0.01", "0.01") for symbol in symbols]


async def share_out(root: Path) -> dict[str, Run]:
    """Both record trades of all markets, of which one is listed later; who asks for a topic of the
    other shard gets none."""
    runs = {}
    async with Venue([], markets=markets_body(listings(OURS, THEIRS))) as far_end:
        first, second = Shard(1, 2), Shard(2, 2)
        one = running(far_end, root / first.folder, "trade.*", shard=first, markets_every=SOON)
        other = running(far_end, root / second.folder, "trade.*", shard=second, markets_every=SOON)
        async with one as runs["1/2"], other as runs["2/2"]:
            await far_end.until(lambda: len(far_end.connections) == 2)
            await far_end.until(lambda: all(c.topics for c in far_end.connections))
            far_end.relist(*listings(OURS, THEIRS, LATER))
            await runs["1/2"].until(lambda: runs["1/2"].said(f"listed: {LATER}"))
            assert await runs["2/2"].recorder.subscribe([f"depth.{THEIRS}"]) == []
            for number in range(3):
                far_end.post([cue_of(trade(7 + number, s)) for s in (OURS, THEIRS, LATER)])
            await runs["1/2"].heard(6)
            await runs["2/2"].heard(3)
            assert (await status(runs["2/2"].recorder)).shard == "2/2"
    return runs


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Run]]:
    root = tmp_path_factory.mktemp("shards")
    return root, asyncio.run(share_out(root))


def by_market(rows: list[Row]) -> dict[str | None, list[Row]]:
    found: defaultdict[str | None, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.symbol].append(row)
    return found


def test_each_records_the_markets_that_fall_to_it(shared: tuple[Path, dict[str, Run]]) -> None:
    root, runs = shared
    for name, expected in (("1/2", {THEIRS, LATER}), ("2/2", {OURS})):
        run, folder = runs[name], root / Shard.parse(name).folder
        assert {row.symbol for row in run.rows if isinstance(row, Trade)} == expected
        [segment] = segments(Tape.open(folder))
        assert segment.shard == name
        head = next(frame for frame in run.frames if frame.kind is Kind.SEGMENT)
        assert json.loads(head.payload)["shard"] == name


def test_both_are_replayed_as_one(shared: tuple[Path, dict[str, Run]]) -> None:
    root, runs = shared
    replay = Replay(root)
    events = list(replay.frames())
    rows = [row for _, made in events for row in made]
    live = [row for run in runs.values() for row in run.rows]
    assert len(rows) == len(live)
    found, expected = by_market(rows), by_market(live)
    assert {s: found[s] for s in (OURS, THEIRS, LATER)} == {
        s: expected[s] for s in (OURS, THEIRS, LATER)
    }
    received = [frame.ts_recv for frame, _ in events if frame.kind is Kind.DATA]
    assert received == sorted(received)
    assert replay.recorded_topics == [f"trade.{s}" for s in sorted((OURS, THEIRS, LATER))]
    named = [root / Shard(n, 2).folder for n in (2, 1)]
    assert sorted(map(repr, Replay(named))) == sorted(map(repr, rows))
    assert not any("shards" in line for line in Report(replay).lines())


def test_a_shard_that_is_not_there_is_missed(shared: tuple[Path, dict[str, Run]]) -> None:
    root, _ = shared
    replay = Replay([root / "shard-2-of-2"])
    assert replay.notes == ["1 of 2 shards are here, without 1/2"]
    assert list(Report(replay).lines())[-1] == f"note: {replay.notes[0]}"


def test_commands_read_them_as_one_or_name_them(shared: tuple[Path, dict[str, Run]]) -> None:
    root, _ = shared
    runner = CliRunner()
    for command in (["verify"], ["info"], ["ls", "--coverage"]):
        told = runner.invoke(cli, [*command, str(root)], obj=Engine)
        assert told.exit_code == 0, told.output
    info = json.loads(runner.invoke(cli, ["info", "--json", str(root)]).stdout)
    assert (info["segments"], info["rows"]["trade"]) == (2, 9)
    listed = json.loads(runner.invoke(cli, ["ls", "--json", str(root)]).stdout)
    assert [line["segment"].partition("/")[0] for line in listed] == [
        "shard-1-of-2",
        "shard-2-of-2",
    ]
    told = runner.invoke(bp_replay, ["--certify", str(root)])
    assert (told.exit_code, told.stdout.count("shard-")) == (0, 2)


def test_a_union_of_all_is_one_recording(
    shared: tuple[Path, dict[str, Run]], tmp_path: Path
) -> None:
    root, runs = shared
    made = union(sides(sorted(root.iterdir()), False), tmp_path / "whole", Engine)
    assert (made.copies, made.left_out) == (0, 2)
    trades = [row for row in Replay(tmp_path / "whole") if isinstance(row, Trade)]
    assert len(trades) == sum(isinstance(row, Trade) for run in runs.values() for row in run.rows)


def test_the_option_says_where_and_what() -> None:
    texts = dict.fromkeys(("duration", "roll", "min_free", "audit_every", "keep", "keys", "ring"))
    more = {"ws_url": "ws://h", "rest_url": "http://h", "memory": "100MB", "markets_every": "5m"}
    rest = {"ring_after": None, "metrics_port": None, "metrics_host": "", "silence": "act"}
    options: dict[str, Any] = {**texts, **more, **rest, "take_over": False, "connections": 1}
    settings = settings_of(("depth.*",), Path("data"), {**options, "shard": "2/4"})
    assert (settings.data, settings.shard) == (Path("data/shard-2-of-4"), Shard(2, 4))
    with pytest.raises(ConfigError, match="as in 2/4"):
        settings_of(("depth.*",), Path("data"), {**options, "shard": "5/4"})
    with pytest.raises(NotARecording, match="nothing to read"):
        Replay([])
