"""What coverage calls covered of a depth topic, its rows alone make a book of."""

from itertools import pairwise

import pytest

from replay import Replay
from tape.coverage import coverage
from tape.reader import segments
from tape.spans import Stretch, length, without
from tests.replay.dumb_book import DumbBooks
from tests.tapes import Recording


@pytest.mark.parametrize("symbol", ["SOL_USDC", "BTC_USDC_PERP"])
def test_a_covered_moment_has_a_book(eventful_recording: Recording, symbol: str) -> None:
    tape, books = eventful_recording.tape, DumbBooks()
    [day] = [day for day in coverage(tape, segments(tape)) if day.topic == f"depth.{symbol}"]
    missing = [Stretch(m.ts_since, m.ts_until) for m in day.missing]
    dark = 0
    joined = False
    for (frame, rows), (following, _) in pairwise(Replay(tape.root).frames()):
        books.see(rows)
        is_live = books.books[symbol, ""].sides is not None
        joined = joined or is_live
        keyframes_to_come = frame.kind in ("segment", "keyframe", "checkpoint")
        if joined and not is_live and not keyframes_to_come:
            between = Stretch(frame.ts_recv, following.ts_recv)
            dark += between.until - between.start
            assert without([between], missing) == []
    inner = length(missing[1:-1])
    assert 0 < dark <= inner
    ran = eventful_recording.frames[-1].ts_recv - eventful_recording.frames[0].ts_recv
    assert day.covered_ns == ran - inner > 0
