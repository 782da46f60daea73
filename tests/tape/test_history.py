"""A look into the files says what a replay up to there, or a scan of all rows, would say."""

import random
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import TapeError
from schemas.requests import SnapshotRequest
from schemas.rows import BookTicker, Depth, Kline, OpenInterest, Row, Session, Ticker, Trade
from tape.compact import compact
from tape.history import History, Mark
from tape.layout import Tape
from tape.plan import plan
from tape.reader import segments
from tests.replay.eventful import eventful
from tests.shared import ROOT
from tests.tape.moments import Moments
from tests.tape.troubled import SECOND, SYMBOL, Market

MARKETS = ["SOL_USDC", "BTC_USDC_PERP"]
TABLES: list[type[Row]] = [Depth, Trade, BookTicker, Kline, Ticker, Session, OpenInterest]
looking = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

Scene = tuple[Moments, History]


@pytest.fixture(scope="module", params=["eventful", "compacted", "small groups", "1", "2"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Recordings in which much happens, also with their files put together, or cut up."""
    name, root = request.param, tmp_path_factory.mktemp("scene") / "tape"
    with pytest.MonkeyPatch.context() as patch:
        if name in ("1", "2"):
            tape = Tape(ROOT / "data/versions" / name)
        else:
            if name == "small groups":
                patch.setattr("tape.segment._GROUP_BYTES", 9_000)
                patch.setattr("tape.segment._GROUP_ROWS", 30)
                patch.setattr("tape.spool._PILE_BYTES", 1_500)
            tape = eventful(root, every=50).tape
        if name == "compacted":
            assert list(compact(tape, plan(tape)))
    moments = Moments(tape)
    return moments, History(tape, moments.segments)


def fresh(moments: Moments) -> History:
    """One that has looked at nothing yet."""
    return History(moments.tape, moments.segments)


def books_are_those_of_a_replay(moments: Moments, history: History, seed: int) -> None:
    """At every frame in turn, and then at some out of turn."""
    known = {}
    for mark, books in moments.books():
        known[mark] = books
        for symbol, book in books.items():
            assert history.book(symbol, mark) == book, (symbol, mark)
    chance = random.Random(seed)
    for mark in chance.sample(sorted(known), min(60, len(known))):
        for symbol, book in known[mark].items():
            assert history.book(symbol, mark) == book, (symbol, mark)


def test_books_are_those_of_a_replay(scene: Scene) -> None:
    books_are_those_of_a_replay(*scene, seed=5)


@settings(max_examples=15, deadline=None)
@given(happenings=st.lists(st.sampled_from(Market.HAPPENINGS), min_size=20, max_size=60))
def test_books_that_come_and_go(
    tmp_path_factory: pytest.TempPathFactory, happenings: list[str]
) -> None:
    root = tmp_path_factory.mktemp("market") / "tape"
    Market(root).happen(happenings)
    moments = Moments(Tape(root))
    books_are_those_of_a_replay(moments, fresh(moments), seed=len(happenings))
