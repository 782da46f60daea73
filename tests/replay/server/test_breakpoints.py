"""Breakpoints on books, against books kept dumbly; conditions as people write them."""

import json

import pytest

from replay import Replay
from replay.server.breakpoints import Condition, watch
from schemas.errors import UsageError
from schemas.frames import Kind
from schemas.topics import Topic
from tape.history import BookAt, Mark
from tests.replay.server.stage import SAMPLE, run, serving
from tests.replay.server.test_control import stops

NANO, MICRO = 10**9, 10**6


def _wide(limit: int, symbol: str) -> list[int]:
    """Frames of the real-time stream that make the spread wider than a limit, by the engine."""
    replay, found, held = Replay(SAMPLE), [], False
    for frame, _ in replay.frames():
        if frame.kind is not Kind.DATA:
            continue
        event = json.loads(frame.payload)
        book = replay.book(symbol)
        if event["stream"] != f"depth.{symbol}" or book is None or book.spread is None:
            continue
        wide = book.spread > limit
        if wide and not held:
            found.append(frame.seq)
        held = wide
    return found


@pytest.mark.parametrize("text", ["0.02", "0.05"])
def test_a_breakpoint_stops_where_the_spread_gets_wide(text: str) -> None:
    """Right behind the frame that makes it so, each time."""
    limit = Condition.parse(f"spread>{text}").limit
    expected = _wide(limit, "SOL_USDC")
    assert expected

    async def scene() -> None:
        async with serving() as stage:
            hits = await stops(stage, on=f"spread>{text}", symbol="SOL_USDC")
            assert [hit["seq"] for hit in hits] == expected
            assert all(hit["symbol"] == "SOL_USDC" for hit in hits)

    run(scene)


def test_a_crossed_book_is_seen_once() -> None:
    """When a frame crosses it, and again only after it was in order; a gap makes it begin anew."""
    books = {
        100: BookAt([(99 * NANO, MICRO)], [(101 * NANO, MICRO)], 7, None),
        105: BookAt([(99 * NANO, MICRO)], [(98 * NANO, MICRO)], 30, None),
    }
    condition = Condition.parse(" crossed ", "SOL_USDC")
    topic = Topic.parse("depth.SOL_USDC")
    assert condition.concerns(topic)
    assert not condition.concerns(Topic.parse("depth.200ms.SOL_USDC"))
    assert not condition.concerns(Topic.parse("depth.BTC_USDC"))
    each = watch(condition, topic, lambda symbol, mark: books.get(mark.seq))
    frames = [
        (99, _delta(6)),  # there is no book yet
        (100, _delta(7)),  # it is what the recording says
        (101, _delta(8, b=[["101.00", "2.00"]])),  # locked, which is crossed too
        (102, _delta(9, b=[["102.00", "2.00"]])),  # still
        (103, _delta(10, b=[["101.00", "0.00"], ["102.00", "0.00"]])),
        (104, _delta(11, a=[["98.50", "1.00"]])),
        (105, _delta(30)),  # something is missing: crossed, and was
        (106, b"not JSON"),
        (107, _delta(31)),  # nor is there a book after that
    ]
    hits = [seq for seq, payload in frames if each.take(payload, Mark(0, seq))]
    assert hits == [101, 104]


def _delta(update_id: int, **sides: list[list[str]]) -> bytes:
    data = {"e": "depth", "E": 1, "T": 1, "s": "SOL_USDC", "U": update_id, "u": update_id}
    event = {"data": {**data, "a": [], "b": [], **sides}, "stream": "depth.SOL_USDC"}
    return json.dumps(event).encode()


@pytest.mark.parametrize("text", ["", "gap>1", "spread", "spread>", "trade>-1", "trade>1.2.3"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    """With those that there are."""
    with pytest.raises(UsageError, match=r"gap, crossed, spread>0.05|plain decimal"):
        Condition.parse(text)
