"""Gaps come in place among the rows, whatever is selected, and each counts once."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from replay import Replay
from replay.cli import replay as command
from schemas.check_rows import Audit
from schemas.frames import Frame, FramesLost, Kind, to_json
from schemas.rows import BookTicker, Depth, Gap, Row, Trade
from tests.tapes import Recording

SECOND = 1_000_000_000
BOOK = (
    '{"asks":[["101","1"]],"bids":[["100","1"]],"lastUpdateId":"%d","timestamp":1788367390000000}'
)


def delta(first: int, last: int, symbol: str = "X_USDC") -> str:
    data = {
        "e": "depth", "s": symbol, "E": 1788367390000000, "T": 1788367390000000,
        "U": first, "u": last, "b": [["100", f"{last}"]], "a": [],
    }  # fmt: skip
    return json.dumps({"data": data, "stream": f"depth.{symbol}"})


def quote(update_id: int, qty: str, symbol: str = "X_USDC") -> str:
    data = {
        "e": "bookTicker", "s": symbol, "E": 1788367390000000, "T": 1788367390000000,
        "u": f"{update_id}", "b": "100", "B": qty, "a": "101", "A": "1",
    }  # fmt: skip
    return json.dumps({"data": data, "stream": f"bookTicker.{symbol}"})


def trade(number: int) -> str:
    data = {
        "e": "trade", "s": "X_USDC", "E": 1788367390000000, "T": 1788367390000000,
        "t": number, "p": "100", "q": "2", "m": True, "a": "1", "b": "2",
    }  # fmt: skip
    return json.dumps({"data": data, "stream": "trade.X_USDC"})


@pytest.fixture
def begun(tmp_path: Path) -> Recording:
    """A recording with a live book at id 10, and a trade."""
    recording = Recording(tmp_path / "tape")
    recording.begin(["depth.X_USDC", "bookTicker.X_USDC", "trade.X_USDC"])
    recording.connect()
    recording.data(delta(10, 10))
    recording.snapshot("X_USDC", BOOK % 9)
    recording.data(trade(1))
    recording.pass_(SECOND)
    return recording


def of(rows: Iterable[Row], *topics: str | None) -> list[Row]:
    return [row for row in rows if isinstance(row, Gap | Audit) and row.topic in topics]


def test_gaps_about_no_topic_belong_to_every_selection(eventful_recording: Recording) -> None:
    everything = list(Replay(eventful_recording.tape.root))
    about = {row.topic for row in everything if isinstance(row, Gap)}
    assert {None, "depth.SOL_USDC", "depth.BTC_USDC_PERP", "trade.SOL_USDC"} <= about
    for topic in ("depth.SOL_USDC", "trade.SOL_USDC", "kline.1m.SOL_USDC"):
        rows = list(Replay(eventful_recording.tape.root, topics=[topic]))
        assert of(rows, *about) == of(everything, None, topic)


def test_a_quote_that_finds_a_book_wrong_does_so_whatever_is_selected(begun: Recording) -> None:
    begun.data(quote(10, "5"))  # the book has 10
    begun.pass_(SECOND)
    begun.data(quote(11, "7"))
    begun.data(delta(11, 11))
    begun.snapshot("X_USDC", BOOK % 11)
    begun.data(quote(12, "7"))
    begun.data(delta(12, 12))  # an early quote meets it
    begun.stop()
    everything = list(Replay(begun.tape.root))
    audits = of(everything, "depth.X_USDC")
    assert [row.levels for row in audits if isinstance(row, Audit)] == [1, 1]
    assert [row.state for row in audits if isinstance(row, Gap)] == ["open", "resynced", "open"]

    depth = Replay(begun.tape.root, topics=["depth.*"])
    events = [(frame, rows, depth.book("X_USDC")) for frame, rows in depth.frames()]
    rows = [row for _, found, _ in events for row in found]
    assert of(rows, "depth.X_USDC") == audits
    assert [r for r in rows if isinstance(r, Depth)] == [
        r for r in everything if isinstance(r, Depth)
    ]
    assert not any(isinstance(row, BookTicker) for row in rows)
    [(frame, found, book)] = [
        event
        for event in events
        if b"bookTicker" in event[0].payload and event[1] and event[0].kind is Kind.DATA
    ]
    assert [type(row) for row in found] == [Audit, Gap, Depth]
    assert (frame.seq, book) == (audits[0].seq, None)

    quotes = list(Replay(begun.tape.root, topics=["bookTicker.*"]))
    assert sum(isinstance(row, BookTicker) for row in quotes) == 3
    assert of(quotes, "depth.X_USDC") == []
    assert not any(isinstance(row, Depth) for row in quotes)


def test_an_outage_begins_with_what_was_heard_last_selected_or_not(begun: Recording) -> None:
    begun.data(trade(2))
    heard = begun.frames[-1]
    begun.pass_(SECOND)
    begun.disconnect()
    begun.pass_(SECOND)
    begun.connect()
    begun.stop()
    for topics in (None, ["depth.*"], "trade.X*"):
        gaps = of(Replay(begun.tape.root, topics=topics), None)
        assert [(g.since_seq, g.ts_since, g.state) for g in gaps if isinstance(g, Gap)] == [
            (heard.seq, heard.ts_recv, state) for state in ("open", "resumed")
        ]


def test_an_outage_is_the_same_when_a_replay_begins_in_it(begun: Recording) -> None:
    begun.data(trade(2))
    begun.pass_(SECOND)
    begun.disconnect()
    begun.pass_(10 * SECOND)
    begun.roll()
    middle = begun.wall
    begun.pass_(10 * SECOND)
    begun.connect()
    begun.data(trade(7))
    begun.stop()
    for topics in (None, ["trade.*"], ["depth.*"]):
        everything = of(Replay(begun.tape.root, topics=topics), None, "trade.X_USDC")
        part = of(
            Replay(begun.tape.root, topics=topics, start=middle + SECOND), None, "trade.X_USDC"
        )
        assert part == [row for row in everything if row.ts_recv > middle]
        assert part


def play(recording: Recording, *options: object) -> Result:
    words = [recording.tape.root, "--output", "none", *options]
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


def lose(recording: Recording, frames: int, ended: bool) -> Frame:
    lost = FramesLost("memory", frames, 100 * frames, ended)
    return recording.take(Kind.LOSS, to_json(lost))


def test_a_loss_and_an_outage_are_counted_once(begun: Recording) -> None:
    begun.disconnect()
    begun.pass_(SECOND)
    begun.connect()
    lose(begun, 0, ended=False)
    begun.pass_(SECOND)
    lose(begun, 12, ended=True)
    begun.stop()
    result = play(begun)
    assert result.exit_code == 3
    assert "loss: 1 gap while the recorder was not connected" in result.stderr
    assert "loss: 1 gap of frames that arrived and could not be kept" in result.stderr
    assert "gaps: 1 disconnect, 1 loss" in result.stderr


def test_what_a_recorder_does_at_its_end_is_no_loss(begun: Recording) -> None:
    begun.hang_up()
    begun.pass_(SECOND)
    begun.stop()
    result = play(begun)
    assert result.exit_code == 0
    assert "no gaps" in result.stderr


def test_a_recorder_that_never_came_back_has_a_loss(begun: Recording) -> None:
    begun.disconnect()
    begun.pass_(SECOND)
    begun.stop()
    result = play(begun)
    assert result.exit_code == 3
    assert "gaps: 1 disconnect" in result.stderr
    assert play(begun, "--until", begun.frames[0].ts_recv + 1).exit_code == 0


def test_trades_that_are_missing_are_one_row_before_the_next(begun: Recording) -> None:
    begun.data(trade(5))
    begun.stop()
    rows = [row for row in Replay(begun.tape.root) if isinstance(row, Gap | Trade)]
    assert [type(row) for row in rows] == [Trade, Gap, Trade]
    assert isinstance(rows[1], Gap)
    assert (rows[1].missing, rows[1].state, rows[1].ts_until) == (3, "open", rows[2].ts_recv)
