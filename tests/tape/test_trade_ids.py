"""Of which trades every one is there: columns against sets of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.shard import Shard
from tape.patterns import Patterns
from tape.recordings import recordings
from tape.trade_ids import TradeIds, trade_ids
from tests.market.stamps import event
from tests.tapes import Recording, Setting

SECOND = 1_000_000_000
SYMBOL = "A.US_USDC"
TOPIC = f"trade.{SYMBOL}"


def trade(number: int, us: int) -> str:
    """A trade of an engine time."""
    members = {"p": "1", "q": "1", "m": True, "a": "1", "b": "2", "E": us, "T": us, "t": number}
    return event(TOPIC, e="trade", s=SYMBOL, **members)


def recorded(root: Path, sessions: Sequence[Sequence[int]], shards: int = 1) -> list[TradeIds]:
    """One session after the other, the longer ones in two segments, a trade every two seconds, each
    in another shard as long as there are some; what is said of it."""
    us = 1_700_000_000_000_000
    for number, ids in enumerate(sessions):
        shard = Shard(number % shards + 1, shards)
        setting = Setting(f"20260902T1643{number:02d}Z")
        recording = Recording(root / shard.folder if shards > 1 else root, setting)
        recording.pass_(number * 1_000 * SECOND)
        recording.begin([TOPIC])
        recording.connect()
        for at, trade_id in enumerate(ids):
            us += 2_000_000
            recording.pass_(2 * SECOND)
            if at == 3:
                recording.roll()
            recording.data(trade(trade_id, us))
        recording.stop()
    assert trade_ids(recordings(root), Patterns(["depth.*"])) == []
    return trade_ids(recordings(root))


def model(sessions: Sequence[Sequence[int]]) -> list[set[int]]:
    """The ids of each numbering: another begins where they do not go up."""
    found: list[set[int]] = [set()]
    newest = -1
    for number in (number for ids in sessions for number in ids):
        if number <= newest:
            found.append(set())
        newest = number
        found[-1].add(number)
    return found


@settings(max_examples=3, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=6), min_size=1, max_size=3),
    st.integers(1, 2),
)
@example([[5, 6, 9], [10, 12]], 2)
@example([[5, 6, 9], [6, 7], [1, 2, 1]], 1)
def test_stretches_are_those_of_the_numbers(sessions: list[list[int]], shards: int) -> None:
    """Over sessions, segments and shards, each numbering for itself."""
    with TemporaryDirectory() as folder:
        found = recorded(Path(folder) / "data", sessions, shards)
    numberings = model(sessions)
    assert [stream.topic for stream in found] == [TOPIC] * len(numberings)
    assert [stream.since is None for stream in found] == [True, *[False] * (len(found) - 1)]
    for stream, ids in zip(found, numberings, strict=True):
        spans = [range(s.first_id, s.last_id + 1) for s in stream.stretches]
        assert {number for span in spans for number in span} == ids
        gaps = {number for a, b in stream.gaps for number in range(a, b + 1)}
        assert gaps == set(range(min(ids), max(ids))) - ids
        assert all(first <= last for first, last in stream.gaps)
        assert (stream.trades, stream.missing, stream.rest) == (len(ids), len(gaps), 0)
