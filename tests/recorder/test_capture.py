"""What came over the socket is on the tape, byte for byte and in order, and makes the right books.

Read back twice: by the project's reader, and by plain pyarrow from the files.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from time import time_ns
from typing import Any

import pytest
from websockets.frames import Frame

from recorder.child import run_child
from recorder.connection import LARGEST_MESSAGE
from recorder.rest import LARGEST_BODY
from schemas import frames as tape_frames
from schemas.errors import BackpackError
from schemas.frames import Kind
from schemas.rows import Row, Trade
from schemas.tables import ACCOUNT_TABLES
from tape.journal import JournalWriter
from tape.journal_file import BATCH_BYTES
from tape.journal_reader import read_journal
from tape.layout import Tape
from tape.manifest import Verdict
from tape.reader import read_frames, read_rows, segments
from tape.verify import verify
from tests.effort import SOAK
from tests.golden.tapes import FOLDER, SAMPLES, readable
from tests.recorder import plain
from tests.recorder.market import SNAPSHOTS, SOL, TRADES, Sides, bid, bids, trade
from tests.recorder.raw import BINARY, PING, TEXT, binary, fragments, text
from tests.recorder.runs import Played, Scene, play, running, truth
from tests.shared import (
    CAPTURES,
    SHARED,
    capture_frames,
    capture_shots,
    needs_shared,
    sample_texts,
)
from tests.venue import (
    Do,
    Feed,
    Lose,
    Options,
    Play,
    Send,
    ShadowBook,
    Step,
    Venue,
    WaitRequest,
    WaitSubscribed,
    load_real,
)

# Where the groups of samples/frames.jsonl do not join (samples/SOURCES.md): topic, id that should
# have come, id that came. Frames older than those before them are repeats and no gap.
SAMPLE_GAPS = [
    ("depth.SOL_USDC", 4330361003, 4330361031),
    ("depth.BTC_USDC_PERP", 6730019259, 6904947650),
    ("depth.200ms.SOL_USDC", 1802083138, 1803724440),
]

# Both go through an engine in tests/market/test_real.py: here one of them is enough.
RECORDED = CAPTURES if SOAK else CAPTURES[:1]


def on_tape(root: Path) -> list[bytes]:
    """Websocket messages as the project's reader gives them back."""
    tape = Tape(root)
    frames = [frame for m in segments(tape) for frame in read_frames(tape, m)]
    return [f.payload for f in frames if f.kind in (Kind.DATA, Kind.BINARY)]


def check_whole(root: Path, sent: list[bytes]) -> dict[str, Any]:
    """The recording holds exactly what was sent and is certified; returns its only manifest."""
    assert plain.payloads(root) == on_tape(root) == sent
    assert verify(Tape(root)) == []
    (manifest,) = plain.manifests(root)
    assert manifest["verdict"] == Verdict.CERTIFIED
    return manifest


def shadow(payloads: list[bytes], symbol: str, body: str) -> Sides:
    """A book of plain decimals from a snapshot and the depth frames on the tape."""
    book = ShadowBook(body)
    ending = f'"stream":"depth.{symbol}"}}'.encode()
    for payload in payloads:
        if payload.endswith(ending):
            book.apply(json.loads(payload)["data"])
    return book.bids, book.asks


def depths(feed: Feed) -> list[str]:
    """Its depth topics."""
    return sorted(topic for topic in feed.topics if topic.startswith("depth."))


Books = dict[str, Sides | None]


def capturing(name: str, deflate: bool) -> Scene[Books]:
    """Record a real capture, played as fast as the socket takes it; the live books of its end."""

    async def scene(folder: Path) -> Books:
        feed = load_real(name)
        venue = Venue.of_feed(feed, script_of(feed), Options(deflate=deflate, log=False))
        async with venue, running(venue, folder, *sorted(feed.topics), sealing=run_child) as run:
            await run.heard(len(feed.frames))
            await run.until(lambda: run.is_live(*depths(feed)))
            assert venue.connections[0].deflates is deflate
            return {symbol: run.sides(symbol) for symbol in feed.snapshots}

    return scene


def script_of(feed: Feed) -> list[Step]:
    """The snapshots are asked for after the first depth frames, as when it was captured."""
    first = 1 + max(next(i for i, c in enumerate(feed.cues) if c.topic == d) for d in depths(feed))
    asked = [WaitRequest(f"/api/v1/depth?symbol={symbol}") for symbol in feed.snapshots]
    begin = [*map(WaitSubscribed, sorted(feed.topics)), Play(feed, stop=first), *asked]
    return [*begin, Play(feed, start=first)]


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Played[Books]:
    """The captures side by side, one of them compressed."""
    scenes = {name: capturing(name, name == CAPTURES[0]) for name in RECORDED}
    return play(tmp_path_factory.mktemp("captures"), scenes)


@needs_shared
@pytest.mark.parametrize("name", RECORDED)
def test_a_real_capture_is_kept_and_its_books_are_right(captured: Played[Books], name: str) -> None:
    data, live = captured.folder(name), captured.outcome(name)
    sent = [arrival.text.encode() for arrival in capture_frames(name)]
    made = check_whole(data, sent)["rows"]
    assert sorted(live) == ["BTC_USDC", "ETH_USDC"]
    for symbol, _, body in capture_shots(name):
        right = shadow(sent, symbol, body)
        assert all(len(side) > 500 for side in right)
        assert live[symbol] == right
        assert plain.book_of_rows(data, symbol) == right
    golden = json.loads((FOLDER / "real.json").read_text())[name]["rows"]
    assert made["depth"] - len(live) == golden["depth"]  # each book is cleared at the end
    ends = {"depth": 0, "session": 0, "gap": 0, "clock": 0, "market": 0}
    assert {**made, **ends} == {**golden, **ends}
    assert plain.holes(data) == []
    assert "reject" not in made


def record_burst(texts: list[str], data: Path, deflate: bool = True) -> dict[str, Any]:
    """All these frames at once, before any snapshot can come in between; the manifest."""

    def burst(venue: Venue) -> None:
        for frame in texts:
            venue.force(frame)

    async def scene() -> None:
        options = Options(deflate=deflate)
        venue = Venue([WaitSubscribed(TRADES), Do(burst)], snapshots=SNAPSHOTS, options=options)
        async with venue, running(venue, data, TRADES) as run:
            await run.heard(len(texts))

    asyncio.run(scene())
    return check_whole(data, [frame.encode() for frame in texts])


@needs_shared
@pytest.mark.parametrize("deflate", [True, False])
def test_all_samples_are_kept_and_their_jumps_are_told(tmp_path: Path, deflate: bool) -> None:
    names = ("frames", "control_frames", "doc_examples")
    texts = [text for name in names for text in sample_texts(name)]
    real = (SHARED / "real" / "backpack_real_frames.jsonl").read_text().splitlines()
    texts += [line["text"] for line in map(json.loads, real) if line["kind"] == "ws"]
    manifest = record_burst(texts, tmp_path, deflate)
    gaps = [(g["topic"], g["expected_id"], g["received_id"]) for g in plain.holes(tmp_path)]
    assert gaps == SAMPLE_GAPS
    assert {g["cause"] for g in plain.holes(tmp_path)} == {"depth_ids"}
    assert manifest["unknown"] == {}
    assert {row.TABLE for row in ACCOUNT_TABLES} <= set(manifest["rows"])
    errors = [r["detail"] for r in plain.table(tmp_path, "session") if r["event"] == "error"]
    assert errors == [one for one in texts if one.startswith('{"id":null,"error"')]
    assert set(errors) == set(sample_texts("control_frames"))


# What is of the moment of recording, in rows that are otherwise the golden ones.
OF_THE_MOMENT = ("seq", "ts_recv", "since_seq", "ts_since", "conn")


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in OF_THE_MOMENT}


@needs_shared
@pytest.mark.parametrize("name", SAMPLES)
def test_samples_make_their_golden_rows_on_disk(tmp_path: Path, name: str) -> None:
    """Over the socket, through journal and sealing and back: the rows kept beside the samples."""
    record_burst(sample_texts(name), tmp_path)
    tape = Tape(tmp_path)
    (manifest,) = segments(tape)
    rows = defaultdict(list)
    for entry in manifest.files:
        if entry.table != "frames":
            for row in chain.from_iterable(read_rows(tape, entry)):
                rows[row.seq].append(timeless(readable(row)))
    golden = map(json.loads, (FOLDER / f"{name}.jsonl").read_text().splitlines())
    seqs = [frame["seq"] for frame in plain.frames(tmp_path, "data")]
    for seq, line in zip(seqs, golden, strict=True):
        assert by_table(rows[seq]) == by_table(map(timeless, line["rows"]))


def by_table(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one frame; between tables they have no order on disk."""
    return sorted(rows, key=lambda row: str(row["table"]))


# What a venue could say and should not: the step, and the message as it is to be kept.
UNREADABLE: list[tuple[Step, bytes]] = [
    (binary(b"\x00\x01\xfe\xff"), b"\x00\x01\xfe\xff"),
    (binary(b""), b""),
    (fragments(BINARY, b"\xff" * 70_000, b"\x00", b"end"), b"\xff" * 70_000 + b"\x00end"),
    (text(b""), b""),
    (text(b"no JSON at all"), b"no JSON at all"),
    (text(b"[" * 100_000), b"[" * 100_000),
    (text(b'{"stream":' * 9_000), b'{"stream":' * 9_000),
    (text(b'{"stream":"depth.SOL_USDC\xff"}'), b'{"stream":"depth.SOL_USDC\xff"}'),
    (text(b"\xc3"), b"\xc3"),
    (text(b'{"stream":"tr\xc3\x28"}\n\x00'), b'{"stream":"tr\xc3\x28"}\n\x00'),
    (text(b"\xef\xbb\xbf{}"), b"\xef\xbb\xbf{}"),
    (text(b"null"), b"null"),
    (text(b"{}"), b"{}"),
    (text(b'{"stream":5}'), b'{"stream":5}'),
    (text(b'{"stream":"trade.SOL_USDC"}'), b'{"stream":"trade.SOL_USDC"}'),
]
# And what it may say, oddly cut: in pieces, some empty, with a Ping in between.
PIECES = [bid(11)[at : at + 7].encode() for at in range(0, len(bid(11)), 7)]
HALVES = [bid(12)[:50].encode(), b"", bid(12)[50:].encode()]
READABLE: list[tuple[Step, bytes]] = [
    (text(b'{"stream":"new.SOL_USDC","data":1}'), b'{"stream":"new.SOL_USDC","data":1}'),
    (fragments(TEXT, *PIECES), bid(11).encode()),
    (fragments(TEXT, *HALVES, between=Frame(PING, b"hi")), bid(12).encode()),
]


@pytest.mark.parametrize("deflate", [True, False])
def test_odd_messages_are_kept_whole_and_the_recorder_goes_on(
    tmp_path: Path, deflate: bool
) -> None:
    large = json.dumps({"stream": "new.thing", "data": list(range(700_000))}).encode()
    assert len(large) > 5_000_000
    steps = [step for step, _ in UNREADABLE + READABLE]
    kept = [payload for _, payload in UNREADABLE + READABLE]
    told = [Lose(bid(11)), Lose(bid(12))]  # to the venue's own book; the socket gets them raw
    script = [WaitSubscribed(SOL), *told, *steps, text(large), *map(Send, bids(13, 3))]

    async def scene() -> None:
        venue = Venue(script, snapshots=SNAPSHOTS, options=Options(deflate=deflate))
        async with venue, running(venue, tmp_path, SOL) as run:
            await run.heard(len(kept) + 4)
            await run.until(lambda: run.is_live(SOL))
            assert len(venue.connections) == 1
            assert run.sides("SOL_USDC") == truth(venue.truth.book("SOL_USDC"))

    asyncio.run(scene())
    check_whole(tmp_path, [*kept, large, *(frame.encode() for frame in bids(13, 3))])
    messages = plain.frames(tmp_path, "data", "binary")
    assert [line["kind"] for line in messages][:4] == [*["binary"] * 3, "data"]
    unreadable = [line["seq"] for line in messages[: len(UNREADABLE)]]
    assert [row["seq"] for row in plain.table(tmp_path, "reject")] == unreadable
    assert plain.holes(tmp_path) == []
    assert plain.payloads(tmp_path, "close") == [b'{"code":1000,"reason":"","stopped":true}']


def test_all_that_shaped_the_recording_is_on_it(tmp_path: Path) -> None:
    """Market list, requests, replies, what was sent: replay never has to ask anybody."""
    script = [WaitSubscribed(TRADES), Send(bid(11)), WaitRequest("/api/v1/depth"), Send(bid(12))]

    async def scene() -> Venue:
        venue = Venue(script, snapshots=SNAPSHOTS)
        async with venue, running(venue, tmp_path, SOL, TRADES) as run:
            await run.until(lambda: run.is_live(SOL) and len(run.payloads) == 2)
        return venue

    began = time_ns()
    venue = asyncio.run(scene())
    frames = plain.frames(tmp_path)
    assert [line["seq"] for line in frames] == list(range(1, len(frames) + 1))
    others = ("data", "request", "reply", "clock")
    heads = [line["kind"] for line in frames if line["kind"] not in others]
    assert heads == ["segment", "open", "sent", "sent", "close", "checkpoint"]
    assert len(plain.frames(tmp_path, "clock")) == 1
    sent = [text.decode() for text in plain.payloads(tmp_path, "sent")]
    assert sent == [received.frame for received in venue.received]
    requests = [line["topic"] for line in plain.frames(tmp_path, "request")]
    assert requests == ["/api/v1/markets", "/api/v1/depth?symbol=SOL_USDC"]
    assert sorted(venue.requests) == sorted([*requests, "/api/v1/time"])
    markets, book = plain.payloads(tmp_path, "reply")
    assert [market["symbol"] for market in json.loads(markets)] == ["SOL_USDC"]
    assert book.decode() == truth_at(bid(11)).body()
    stamps = [line["ts_recv"].value for line in plain.frames(tmp_path, *plain.MESSAGES)]
    assert began < stamps[0] <= stamps[1] < time_ns()


def truth_at(*frames: str) -> ShadowBook:
    """The venue's book after these frames."""
    book = ShadowBook(SNAPSHOTS["SOL_USDC"])
    for frame in frames:
        book.note(frame)
    return book.catch_up()


def test_nothing_is_taken_that_the_journal_could_not_give_back(tmp_path: Path) -> None:
    """The largest message and the largest reply, behind a batch that is all but full."""
    path = tmp_path / "large.journal.zst"
    writer = JournalWriter(path)
    sizes = [BATCH_BYTES - 100, LARGEST_MESSAGE, BATCH_BYTES - 100, LARGEST_BODY, 1]
    for seq, size in enumerate(sizes, 1):
        writer.append(tape_frames.Frame(seq, 1, 1, 1, Kind.DATA, "", bytes(size)))
    writer.close()
    reader = read_journal(path)
    assert [len(frame.payload) for frame in reader] == sizes
    assert reader.damage == []


def test_a_fault_of_our_own_costs_no_frame(tmp_path: Path) -> None:
    """Whatever listens to the frames may fail: what has arrived is on the tape, the rows are made
    at sealing, and the recording says why it ended."""
    sent = [trade(number) for number in range(1, 301)]

    def fail(frame: tape_frames.Frame, rows: list[Row]) -> None:
        if rows and isinstance(rows[0], Trade) and rows[0].trade_id == 3:
            raise ZeroDivisionError("a bug")

    async def scene() -> None:
        script = [WaitSubscribed(TRADES), *map(Send, sent)]
        far_end = Venue(script, snapshots=SNAPSHOTS)
        async with far_end, running(far_end, tmp_path, TRADES) as run:
            run.recorder.intake.listeners.append(fail)
            await run.until(lambda: False)

    with pytest.raises(BackpackError, match=r"a fault of this program .*a bug"):
        asyncio.run(scene())
    kept = plain.payloads(tmp_path)
    assert len(kept) >= 3
    assert kept == [frame.encode() for frame in sent[: len(kept)]]
    assert [row["trade_id"] for row in plain.table(tmp_path, "trade")] == [*range(1, len(kept) + 1)]
    assert plain.journals(tmp_path) == []


def test_prediction_markets_are_in_a_list_of_their_own(tmp_path: Path) -> None:
    """Asked for only where one is wanted; then that list is on the tape too."""
    market = "FDVEXTD1B_USDC_PREDICTION"

    async def scene() -> Venue:
        venue = Venue(snapshots={**SNAPSHOTS, market: SNAPSHOTS["SOL_USDC"]})
        async with venue, running(venue, tmp_path, "trade.*_PREDICTION") as run:
            await run.until(lambda: bool(run.kinds(Kind.SENT)))
        return venue

    venue = asyncio.run(scene())
    paths = ["/api/v1/markets", "/api/v1/markets?marketType=PREDICTION"]
    assert venue.requests == paths
    assert [line["topic"] for line in plain.frames(tmp_path, "request")] == paths
    _, predictions = map(json.loads, plain.payloads(tmp_path, "reply"))
    assert [listed["symbol"] for listed in predictions] == [market]
    (command,) = map(json.loads, plain.payloads(tmp_path, "sent"))
    assert command["params"] == [f"trade.{market}"]
