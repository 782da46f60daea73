"""``bp-tape heal``: what is missing is fetched later, once; what cannot be had stays a gap."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given, settings
from hypothesis import strategies as st

from market.engine import Engine
from recorder.missing_trades import MissingTrades
from replay.certificate import Outcome
from replay.certify import certify
from schemas.frames import Frame, Kind
from schemas.rows import Row, Trade
from tape.cli import cli
from tape.layout import Tape
from tape.lock import lock
from tape.reader import read_rows, segments
from tape.recordings import recordings
from tape.trade_ids import trade_ids
from tape.verify import verify
from tests.recorder.market import SNAPSHOTS, TRADES, trade
from tests.tapes import Recording, Setting
from tests.venue import Fault, Venue
from tests.venue.link import cue_of
from tests.venue.past_trades import bounds

SYMBOL = "SOL_USDC"
HTML = "<html>\n<body>Bad Gateway"
EXAMPLES = 300 if os.environ.get("SOAK") else 4
SECOND = 1_000_000_000


def recorded(root: Path, *sessions: Sequence[int]) -> None:
    """One session after the other, each of trades with these ids."""
    for number, ids in enumerate(sessions):
        recording = Recording(root, Setting(f"20260902T1643{number:02d}Z"))
        recording.pass_(number * 100 * SECOND)
        recording.begin([TRADES])
        recording.connect()
        for trade_id in ids:
            recording.pass_(SECOND // 10)
            recording.data(trade(trade_id))
        recording.hang_up()
        recording.stop()


def healed(
    root: Path,
    made: Sequence[int],
    *options: str,
    forget: Sequence[int] = (),
    faults: Sequence[Fault] = (),
) -> Result:
    """Run the command against a venue that has made these trades."""

    async def scene() -> Result:
        far_end = Venue(snapshots=SNAPSHOTS)
        for trade_id in made:
            far_end.trades.note(cue_of(trade(trade_id)))
        far_end.trades.forgotten[SYMBOL] = set(forget)
        for fault in faults:
            far_end.faults.add("/api/v1/trades", fault)
        async with far_end:
            where = ["--rest-url", far_end.rest_url]
            words = ["heal", str(root), *where, *options]
            return await asyncio.to_thread(CliRunner().invoke, cli, words, obj=Engine)

    return asyncio.run(scene())


def trades(tape: Tape) -> list[Trade]:
    """All there are, of all sessions."""
    rows: list[Row] = [
        row
        for manifest in segments(tape)
        for entry in manifest.files_of("trade")
        for batch in read_rows(tape, entry)
        for row in batch
    ]
    return [row for row in rows if isinstance(row, Trade)]


def check_whole(tape: Tape) -> None:
    """All of it is as sealed, and replays to the same."""
    assert verify(tape) == []
    assert {m.verdict.value for m in segments(tape)} == {"certified"}


_SESSIONS = st.lists(st.sets(st.integers(1, 40), min_size=1, max_size=8), min_size=1, max_size=4)


@settings(max_examples=EXAMPLES, deadline=None)
@given(_SESSIONS)
def test_after_healing_every_id_is_there_once(said: list[set[int]]) -> None:
    """Whatever was lost, and however the rest was cut into sessions."""
    heard = sorted(set[int]().union(*said))
    sessions, rest = [], heard
    for some in said:
        sessions.append(rest[: len(some)])
        rest = rest[len(some) :]
    sessions = [some for some in [*sessions, rest] if some]
    with TemporaryDirectory() as folder:
        tape = Tape(Path(folder) / "data")
        recorded(tape.root, *sessions)
        result = healed(tape.root, range(1, 50))
        assert result.exit_code == 0, result.output
        every = list(range(heard[0], heard[-1] + 1))
        found = trades(tape)
        assert sorted(row.trade_id for row in found) == every
        assert {row.trade_id for row in found if row.source == "stream"} == set(heard)
        (stream,) = trade_ids(recordings(tape.root))
        assert (len(stream.stretches), stream.missing) == (1, 0)
        assert (stream.trades, stream.rest) == (len(every), len(every) - len(heard))
        check_whole(tape)


def test_a_gap_that_was_shown_is_over_in_what_is_said_of_it(tmp_path: Path) -> None:
    """The row that ends it names the session that it is of. Nothing sealed has changed."""
    recorded(tmp_path, [1, 2, 5, 6], [9, 10])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert len(before) > 3
    assert _gaps(tmp_path) == [("trade_ids", 1, {"open": 1})]
    dry = healed(tmp_path, range(1, 20), "--dry-run", "--json")
    assert dry.exit_code == 3
    spans = [(line["cause"], line["first_id"], line["last_id"]) for line in json.loads(dry.stdout)]
    assert spans == [("trade_ids", 3, 4), ("unrecorded", 7, 8)]
    result = healed(tmp_path, range(1, 20))
    assert result.exit_code == 0, result.output
    assert _gaps(tmp_path) == [
        ("trade_ids", 1, {"healed": 1}),
        ("unrecorded", 1, {"healed": 1}),
    ]
    assert all(path.read_bytes() == content for path, content in before.items())
    assert [m.heals for m in segments(Tape(tmp_path))] == [False, False, True]
    assert healed(tmp_path, range(1, 20)).stdout == "no trade is missing\n"
    check_whole(Tape(tmp_path))
    assert certify(tmp_path).outcome is Outcome.CERTIFIED


def test_what_cannot_be_had_stays_missing(tmp_path: Path) -> None:
    """And is said; what it is between has healed nothing."""
    recorded(tmp_path, [1, 5], [9])
    result = healed(tmp_path, range(1, 20), "--json", forget=[3, 4])
    assert result.exit_code == 3, result.output
    assert json.loads(result.stdout) == [{"topic": TRADES, "missing": 6, "healed": 4, "left": 2}]
    assert _gaps(tmp_path) == [
        ("trade_ids", 1, {"open": 1}),
        ("unrecorded", 1, {"healed": 1}),
    ]
    lines = CliRunner().invoke(cli, ["ids", str(tmp_path)])
    assert lines.exit_code == 3
    assert lines.stdout.splitlines()[1:] == [
        f"{TRADES}\t1\t2\t2\t1\t2",
        f"{TRADES}\t5\t9\t5\t3\t-",
    ]
    again = healed(tmp_path, range(1, 20))
    assert again.exit_code == 0, again.output
    assert len(trades(Tape(tmp_path))) == 9
    check_whole(Tape(tmp_path))


def test_nothing_is_done_beside_a_recorder(tmp_path: Path) -> None:
    recorded(tmp_path, [1, 5])
    with lock(tmp_path):
        result = healed(tmp_path, range(1, 9))
    assert result.exit_code == 1
    assert "is being written by process" in result.stderr
    assert healed(tmp_path, range(1, 9), "-t", "trade.BTC*").stdout == "no trade is missing\n"


def test_a_gap_of_many_pieces_takes_several_segments(tmp_path: Path) -> None:
    """The engine remembers so many ranges of a stream; every one of them is asked for, and the last
    segment says that all have come."""
    recorded(tmp_path, [1, 300, *range(3, 300, 2)], [400])
    result = healed(tmp_path, range(1, 500))
    assert result.exit_code == 0, result.output
    assert _gaps(tmp_path) == [("trade_ids", 1, {"healed": 1}), ("unrecorded", 1, {"healed": 1})]
    assert [m.end for m in segments(Tape(tmp_path)) if m.heals] == ["roll", "stop"]
    (stream,) = trade_ids(recordings(tmp_path))
    assert (stream.trades, stream.missing, stream.rest) == (400, 0, 149 + 99)
    assert len(trades(Tape(tmp_path))) == 400
    check_whole(Tape(tmp_path))


def test_what_one_segment_lacks_no_later_one_heals(tmp_path: Path) -> None:
    """Of the first pieces of a gap one cannot be had."""
    recorded(tmp_path, [1, 300, *range(3, 300, 2)])
    result = healed(tmp_path, range(1, 500), forget=[4])
    assert result.exit_code == 3, result.output
    assert _gaps(tmp_path) == [("trade_ids", 1, {"open": 1})]


def test_what_a_killed_recorder_left_is_not_fetched(tmp_path: Path) -> None:
    """Its journal is sealed first."""
    recorded(tmp_path, [1, 2])
    recording = Recording(tmp_path, Setting("20260902T164320Z"))
    recording.pass_(100 * SECOND)
    recording.begin([TRADES])
    recording.connect()
    recording.data(trade(5))
    recording.cut()
    result = healed(tmp_path, range(1, 9))
    assert result.exit_code == 0, result.output
    assert [(row.trade_id, row.source) for row in trades(Tape(tmp_path))] == [
        *((1, "stream"), (2, "stream"), (5, "stream")),
        *((3, "rest"), (4, "rest")),
    ]


def test_a_reply_that_cannot_be_is_said(tmp_path: Path) -> None:
    """In one line, whatever it is."""
    recorded(tmp_path, [1, 5])
    garbled = Fault(body=HTML, headers={"Content-Encoding": "gzip"})
    result = healed(tmp_path, range(1, 9), "--json", faults=[Fault(body=HTML), garbled])
    assert result.exit_code == 0, result.output
    notes = result.stderr.splitlines()
    assert len(notes) == 2
    assert "bad_reply: JSON is malformed" in notes[0]
    assert "content-encoding: gzip" in notes[1]
    check_whole(Tape(tmp_path))


def test_a_venue_that_is_not_there_heals_nothing(tmp_path: Path) -> None:
    """It is said, and the next time may help."""
    recorded(tmp_path, [1, 5])
    words = ["heal", str(tmp_path), "--rest-url", "http://127.0.0.1:9"]
    result = CliRunner().invoke(cli, words, obj=Engine)
    assert result.exit_code == 3
    assert "note: /api/v1/trades" in result.stderr
    check_whole(Tape(tmp_path))


def _gaps(root: Path) -> list[tuple[str, int, dict[str, int]]]:
    """As ``bp-tape info`` has them."""
    said = json.loads(CliRunner().invoke(cli, ["info", "--json", str(root)]).stdout)
    return [(gap["cause"], gap["gaps"], gap["ended"]) for gap in said["doubts"]["gaps"]]


@settings(max_examples=40, deadline=None)
@given(
    st.sets(st.integers(1, 400), max_size=40),
    st.lists(st.integers(1, 120), max_size=4),
    st.integers(0, 200),
)
@example(set(), [2_500, 1], 10)
@example(set(), [30, 11_000], 40)
@example({3, 5, 7, 9}, [1, 58], 50)
def test_all_that_rest_has_is_asked_for(forgotten: set[int], sizes: list[int], later: int) -> None:
    """In pages, however far back it is; then there is an end. The same without an engine."""
    heard = [0]
    for size in sizes:
        heard.append(heard[-1] + size + 1)
    made = range(heard[-1] + later + 1)
    listed = [n for n in reversed(made) if n in heard or n not in forgotten]
    spans = [(a + 1, b - 1) for a, b in pairwise(heard)]
    missing, got, asked = MissingTrades(SYMBOL, spans), set[int](), 0
    while (path := missing.path()) is not None:
        asked += 1
        query = dict(part.split("=") for part in path.partition("?")[2].split("&"))
        page = bounds({name: [value] for name, value in query.items()})
        assert page is not None, path
        found = listed[page[1] : page[1] + page[0]]
        new = set(found) & _within(spans) - got
        got |= new
        body = json.dumps([{"id": n, "timestamp": 1} | _SAID for n in found]).encode()
        missing.see(Frame(1, 1, 1, 0, Kind.REPLY, path, body), [_row(n) for n in new])
    near = _within(spans).intersection(listed[:9_900])  # about as far as REST goes
    assert near <= got
    assert missing.left == len(_within(spans) - got)
    assert asked <= 1 + sum(sizes) / 800 + len(sizes) + 3 * (1 + len(forgotten))


_SAID = {"price": "1", "quantity": "1", "isBuyerMaker": True}


def _within(spans: Sequence[tuple[int, int]]) -> set[int]:
    return {number for first, last in spans for number in range(first, last + 1)}


def _row(trade_id: int) -> Trade:
    return Trade(1, 1, None, SYMBOL, 1, trade_id, 1, 1, "buy", None, None, "rest")


@pytest.mark.parametrize("body", [b"[]", b"{}", b"\xff"])
def test_a_rest_that_says_nothing_is_asked_a_few_times(body: bytes) -> None:
    missing = MissingTrades(SYMBOL, [(5, 6), (9, 9)])
    asked = 0
    while (path := missing.path()) is not None:
        asked += 1
        missing.see(Frame(1, 1, 1, 0, Kind.REPLY, path, body), [])
    assert (asked, missing.left) == (6, 3)


def test_a_rest_that_does_not_answer_is_not_asked_for_every_stretch() -> None:
    """Each request may take minutes, as the venue wants to be left alone after a 429."""
    missing = MissingTrades(SYMBOL, [(n, n) for n in range(1, 999, 2)])
    asked = 0
    while (path := missing.path()) is not None:
        asked += 1
        missing.see(Frame(1, 1, 1, 0, Kind.FAILED, path, b"{}"), [])
    assert (asked, missing.left) == (3, 499)


def test_what_is_missing_between_two_shards_is_healed_in_the_first(tmp_path: Path) -> None:
    """As when the number of shards was changed, and the market went on in another."""
    recorded(tmp_path / "shard-1-of-1", [1, 2, 5])
    recorded(tmp_path / "shard-2-of-2", [], [9, 10])
    dry = healed(tmp_path, range(1, 20), "--dry-run", "--json")
    found = json.loads(dry.stdout)
    spans = {n: [(one["first_id"], one["last_id"]) for one in some] for n, some in found.items()}
    assert (dry.exit_code, spans) == (3, {"shard-1-of-1": [(3, 4), (6, 8)], "shard-2-of-2": []})
    assert healed(tmp_path, range(1, 20)).exit_code == 0
    (stream,) = trade_ids(recordings(tmp_path))
    assert (stream.trades, stream.missing) == (10, 0)
    assert [m.heals for m in segments(Tape(tmp_path / "shard-1-of-1"))] == [False, True]
    check_whole(Tape(tmp_path / "shard-1-of-1"))
