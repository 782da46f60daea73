"""The state at the row in hand: wherever a replay begins, whatever it selects."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from market.engine import Engine
from market.state import State
from replay import Replay
from schemas.frames import Kind
from schemas.requests import MARKETS_PATH
from schemas.rows import Market
from tests.market.texts import ACCOUNT, WELL_FORMED
from tests.tapes import Recording, Setting
from tests.venue.catalogue import Listing, market_object

SOL = "SOL_USDC"
RFQ = ACCOUNT["account.rfqUpdate"]


def answers(state: State) -> list[object]:
    """Of every kind of stream that is simulated."""
    return [
        *(state.tickers(), state.quotes(), state.trades(SOL), state.candles(SOL, "1m")),
        *(state.mark_price("BTC_USDC_PERP"), state.open_interest("BTC_USDC_PERP")),
    ]


def test_it_is_that_of_the_engine_at_each_frame(any_recording: Recording) -> None:
    """The same object all the way, which may be had before the first row."""
    replay, engine = Replay(any_recording.tape.root), Engine()
    state = replay.state
    assert answers(state)[:4] == [(), (), (), ()]
    for frame, _ in replay.frames():
        engine.feed(frame)
        assert answers(state) == answers(engine.state)
    assert all(answers(state)[:4]) or any_recording.frames[-1].kind == "checkpoint"


def test_it_is_the_same_wherever_a_replay_begins(recording: Recording) -> None:
    """In the middle of a segment, with what came in those before."""
    whole = {}
    replay = Replay(recording.tape.root)
    for frame, _ in replay.frames():
        whole[frame.seq] = answers(replay.state)
    starts = [(a.last_ts + b.first_ts) // 2 for a, b in pairwise(replay.segments)]
    for start in [*starts, (replay.first_ts + replay.last_ts) // 2]:
        later = Replay(recording.tape.root, start=start)
        found = {frame.seq: answers(later.state) for frame, _ in later.frames()}
        assert found == {seq: whole[seq] for seq in found}
        assert 0 < len(found) < len(whole)


def test_nothing_is_known_of_streams_that_are_left_out(recording: Recording) -> None:
    """Not even what they brought in the segments before."""
    middle = recording.frames[len(recording.frames) // 2].ts_recv
    replay = Replay(recording.tape.root, topics=[f"trade.{SOL}", "ticker.*"], start=middle)
    state = replay.state
    for _ in replay.frames():
        assert not state.candles(SOL, "1m")
        assert not state.quotes()
    assert state.trades(SOL)
    assert state.tickers()


def test_market_lists_are_known_whatever_is_selected(tmp_path: Path) -> None:
    """What is new in one is what is new to the one before, in an earlier segment."""
    recording = Recording(tmp_path)
    recording.begin()
    recording.connect()
    take_markets(recording, "SOL_USDC")
    recording.data(WELL_FORMED["trade"])
    recording.roll()
    take_markets(recording, "SOL_USDC", "ETH_USDC")
    recording.stop()
    for topics in (None, ["trade.*"]):
        rows = [row for row in Replay(tmp_path, topics=topics) if isinstance(row, Market)]
        assert [row.market for row in rows] == ["SOL_USDC", "ETH_USDC"]


def take_markets(recording: Recording, *symbols: str) -> None:
    """The venue lists these."""
    listed = [market_object(Listing(symbol, "0.01", "0.1")) for symbol in symbols]
    recording.take(Kind.REPLY, json.dumps(listed).encode(), topic=MARKETS_PATH)


@pytest.mark.parametrize("merge", [False, True])
def test_it_is_of_the_session_in_hand(tmp_path: Path, merge: bool) -> None:
    """Of two that follow one another, as of two that are played together."""
    said = {"20260902T164310Z": WELL_FORMED["trade"], "20260902T164320Z": RFQ}
    for number, (session, text) in enumerate(said.items()):
        recording = Recording(tmp_path, Setting(session))
        recording.wall += 0 if merge else number * 10**10
        recording.begin()
        recording.connect()
        for _ in range(3):
            recording.pass_(1_000_000)
            recording.data(text)
        recording.stop()
    replay = Replay(tmp_path, merge=merge)
    for frame, _ in replay.frames():
        if frame.kind == "data":
            of_trades = replay.session == "20260902T164310Z"
            assert bool(replay.state.trades(SOL)) == of_trades
            assert bool(replay.state.rfqs()) != of_trades
