"""Two recorders that lose, lag and reconnect: together they have what the venue said."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

from click.testing import CliRunner
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from market.engine import Engine
from replay import Replay
from replay.certificate import Outcome
from replay.certify import certify
from schemas.check_rows import Copy
from schemas.rows import Gap, Trade
from tape.cli import cli
from tests.final_books import final_books
from tests.simulate import Plan, simulate
from tests.tapes import Recording, Setting
from tests.venue.shadow_book import ShadowBook

SOAK = bool(os.environ.get("SOAK"))
MS = 1_000_000
SESSION = simulate(Plan(seed=5, seconds=4))
MESSAGES = [(frame.ts_ns, frame.text) for frame in SESSION.frames]
THIRD = len(MESSAGES) // 3
_TRADES = [n for n, (_, text) in enumerate(MESSAGES) if '"e":"trade"' in text]
FIRST_TRADES = {next(n for n in _TRADES if s in MESSAGES[n][1]) for s in SESSION.snapshots}


class Machine(NamedTuple):
    """How one recorder fares. loss: per thousand. lag: at most, ms. away: from when on it is not
    connected, for how many messages. clock: of its server, us late."""

    loss: int
    lag: int
    away: int
    gone: int
    clock: int


def machines(first: int) -> st.SearchStrategy[Machine]:
    """Of which the time away lies in one third."""
    away = st.integers(first + 70, first + 90)
    counts = (st.integers(0, 100), st.integers(0, 300), away, st.integers(0, 80))
    return st.builds(Machine, *counts, st.integers(0, 5_000))


def record(root: Path, name: str, machine: Machine, lost: set[int], lags: Random) -> Path:
    """What reaches it, in order."""
    recording = Recording(root / name, Setting(session=f"20260902T164310Z-{name}"))
    recording.wall = MESSAGES[0][0]
    recording.mono = ord(name) * 10**9
    recording.begin(sorted(SESSION.topics))
    recording.connect()
    for symbol, body in SESSION.snapshots.items():
        recording.snapshot(symbol, body)
    for index, (ts_ns, text) in enumerate(MESSAGES):
        if index == machine.away:
            recording.disconnect()
        if index == machine.away + machine.gone:
            recording.connect()
        if index == len(MESSAGES) // 2:
            recording.roll()
        if index not in lost:
            arrival = ts_ns + lags.randint(0, machine.lag) * MS
            recording.pass_(max(arrival - recording.wall, 0))
            recording.data(shifted(text, machine.clock))
    recording.hang_up()
    recording.stop()
    return recording.tape.root


def shifted(text: str, event_us: int) -> str:
    """As another server sends it."""
    event = json.loads(text)["data"].get("E")
    return text if event is None else text.replace(f'"E":{event}', f'"E":{event + event_us}', 1)


def losses(machine: Machine, chance: Random) -> set[int]:
    """What does not reach it. The first trade of a market does: before it no id is missing."""
    away = set(range(machine.away, machine.away + machine.gone))
    assert not away & FIRST_TRADES
    lost = {n for n in range(len(MESSAGES)) if chance.randint(0, 999) < machine.loss}
    return away | (lost - FIRST_TRADES)


@settings(max_examples=60 if SOAK else 3, phases=[Phase.generate, Phase.reuse, Phase.explicit])
@given(machines(0), machines(THIRD), st.integers(0, 999))
def test_together_they_miss_nothing(here: Machine, there: Machine, seed: int) -> None:
    """Trades, books and counts are those of the venue; who is away is not missed."""
    chance = Random(seed)
    of_here, of_there = losses(here, chance), losses(there, chance)
    for index in of_here & of_there:
        away = here.away <= index < here.away + here.gone
        (of_there if away else of_here).discard(index)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        inputs = [
            record(root, "a", here, of_here, chance),
            record(root, "b", there, of_there, chance),
        ]
        told = CliRunner().invoke(
            cli, ["union", *map(str, inputs), "--out", folder + "/u"], obj=Engine
        )
        assert told.exit_code == 0, told.output
        rows = list(Replay(root / "u"))
        assert [row for row in rows if isinstance(row, Gap)] == []
        trades = [(row.symbol, row.trade_id) for row in rows if isinstance(row, Trade)]
        assert sorted(trades) == _said_trades()
        twice = len(MESSAGES) - len(of_here ^ of_there)
        assert sum(isinstance(row, Copy) for row in rows) == twice
        assert f"{twice:,} copies" in told.output
        for symbol, book in final_books(root / "u", *SESSION.snapshots).items():
            truth = _truth(symbol)
            assert book.update_id == truth.update_id
            assert book.bids == sorted(truth.bids.items(), reverse=True)
            assert book.asks == sorted(truth.asks.items())
        assert certify(root / "u").outcome is Outcome.CERTIFIED


def _said_trades() -> list[tuple[str, int]]:
    data = [json.loads(text)["data"] for _, text in MESSAGES]
    return sorted((each["s"], each["t"]) for each in data if each.get("e") == "trade")


def _truth(symbol: str) -> ShadowBook:
    book = ShadowBook(SESSION.snapshots[symbol])
    for _, text in MESSAGES:
        envelope = json.loads(text)
        if envelope["stream"] == f"depth.{symbol}":
            book.apply(envelope["data"])
    return book
