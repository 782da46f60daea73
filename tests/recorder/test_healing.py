"""Trades that the socket did not bring are fetched by REST, and the recording is certified."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.summary import exit_code
from replay.selection import Role, Selection
from schemas.frames import Kind
from tape.layout import Tape
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.market import SNAPSHOTS, TRADES, trade
from tests.recorder.runs import Played, Run, play, running
from tests.venue import Cut, Lose, Send, Step, Venue, WaitSubscribed

PATH = "/api/v1/trades"
SYMBOL = "SOL_USDC"


def ids(run: Run) -> list[int]:
    """Of all trades, as they came."""
    return [row.trade_id for row in run.table("trade")]  # type: ignore[attr-defined]


def states(run: Run) -> list[str]:
    """Of the gaps of the stream."""
    rows = run.table("gap")
    return [row.state for row in rows if row.topic == TRADES]  # type: ignore[attr-defined]


def asked(run: Run) -> list[str]:
    """Requests for trades."""
    return [frame.topic for frame in run.kinds(Kind.REQUEST) if frame.topic.startswith(PATH)]


async def _heal(folder: Path, script: list[Step], count: int) -> Run:
    far_end = Venue([WaitSubscribed(TRADES), *script], snapshots=SNAPSHOTS)
    async with far_end, running(far_end, folder, TRADES) as run:
        await run.until(lambda: len(ids(run)) >= count)
    return run


async def lost(folder: Path) -> Run:
    """Two trades in a row, and one more."""
    made = {number: trade(number) for number in range(1, 9)}
    gone = {3, 4, 6}
    return await _heal(folder, [(Lose if n in gone else Send)(made[n]) for n in made], 8)


async def cut(folder: Path) -> Run:
    """Those that were made while there was no connection."""
    script = [Send(trade(1)), Cut(), *(Lose(trade(n)) for n in range(2, 7))]
    return await _heal(folder, [*script, WaitSubscribed(TRADES), Send(trade(7))], 7)


async def lying(folder: Path) -> Run:
    """REST says that a trade which came was another."""
    far_end = Venue(
        [WaitSubscribed(TRADES), Send(trade(1)), Lose(trade(2)), Send(trade(3))],
        snapshots=SNAPSHOTS,
    )
    far_end.trades.lies[SYMBOL, 3] = {"price": "100.7"}
    async with far_end, running(far_end, folder, TRADES) as run:
        await run.until(lambda: len(ids(run)) == 3)
    return run


async def forgotten(folder: Path) -> Run:
    """REST does not know it either, so far."""
    far_end = Venue(
        [WaitSubscribed(TRADES), Send(trade(1)), Lose(trade(2)), Send(trade(3))],
        snapshots=SNAPSHOTS,
    )
    far_end.trades.forgotten[SYMBOL] = {2}
    async with far_end, running(far_end, folder, TRADES) as run:
        await run.until(lambda: bool(run.kinds(Kind.REPLY)) and bool(asked(run)))
        await run.until(lambda: run.kinds(Kind.REPLY)[-1].topic.startswith(PATH))
    return run


SCENES = {"lost": lost, "cut": cut, "lying": lying, "forgotten": forgotten}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[Run]:
    """All scenes at once, as they mostly wait."""
    return play(tmp_path_factory.mktemp("healing"), SCENES)


@pytest.mark.parametrize(("name", "count"), [("lost", 8), ("cut", 7)])
def test_trades_that_were_lost_are_there_exactly_once(
    played: Played[Run], name: str, count: int
) -> None:
    run = played.outcome(name)
    assert sorted(ids(run)) == list(range(1, count + 1))
    assert states(run).count("healed") == states(run).count("open") > 0
    assert 1 <= len(asked(run)) <= 2
    sources = {row.trade_id: row.source for row in run.table("trade")}  # type: ignore[attr-defined]
    assert set(sources.values()) == {"stream", "rest"}
    if name == "lost":
        assert exit_code(run.recorder) == 0


def test_what_rest_says_otherwise_is_doubt(played: Played[Run]) -> None:
    (doubt,) = played.outcome("lying").table("reject")
    assert doubt.reason == "bad_reply"  # type: ignore[attr-defined]


def test_what_rest_does_not_know_stays_a_gap(played: Played[Run]) -> None:
    run = played.outcome("forgotten")
    assert (ids(run), states(run)) == ([1, 3], ["open"])
    assert exit_code(run.recorder) == 3


@pytest.mark.parametrize(("topic", "count"), [(TRADES, 3), ("depth.*", 0), ("other.*", 0)])
def test_trades_by_rest_belong_to_their_topic(played: Played[Run], topic: str, count: int) -> None:
    """The replies are played with it, and without it left out."""
    selection = Selection([topic])
    run = played.outcome("lost")
    replies = [frame for frame in run.kinds(Kind.REPLY) if frame.topic.startswith(PATH)]
    assert replies
    roles = {selection.role(frame) for frame in replies}
    assert roles == {Role.PLAYED if count else Role.LEFT_OUT}
    rest = [row for row in run.table("trade") if row.source == "rest"]  # type: ignore[attr-defined]
    assert len(rest) == 3


@pytest.mark.parametrize("name", SCENES)
def test_all_of_it_is_certified(played: Played[Run], name: str) -> None:
    """Replay makes the same rows of the same frames, and asks nobody."""
    folder = played.folder(name)
    assert {m["verdict"] for m in plain.manifests(folder)} == {"certified"}
    assert verify(Tape(folder)) == []
