"""Order, books, topics; plain and asynchronous."""

import asyncio
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from replay import Replay
from schemas.check_rows import Audit
from schemas.errors import NotARecording, TapeError, TopicError
from schemas.frames import Frame, Kind
from schemas.rows import BookKeyframe, Depth, Gap, Reject, Row, Session
from schemas.topics import depth_topic
from tape.journal import JournalWriter
from tape.layout import SegmentName, Tape
from tape.reader import read_rows
from tests.replay.dumb_book import DumbBooks
from tests.tapes import START_NS, Recording, Setting

SYMBOLS = ("SOL_USDC", "BTC_USDC_PERP")


def test_all_frames_come_back_in_order(any_recording: Recording) -> None:
    replay = Replay(any_recording.tape.root)
    assert [frame for frame, _ in replay.frames()] == any_recording.frames


def test_rows_are_those_on_disk_in_order_of_seq(any_recording: Recording) -> None:
    replay = Replay(any_recording.tape.root)
    rows = list(replay)
    assert [row.seq for row in rows] == sorted(row.seq for row in rows)
    stored = [
        row
        for segment in replay.segments
        for entry in segment.files
        if entry.table != "frames"
        for batch in read_rows(replay.tape, entry)
        for row in batch
    ]
    assert sorted(map(repr, rows)) == sorted(map(repr, stored))


def test_a_replay_can_be_iterated_again(any_recording: Recording) -> None:
    replay = Replay(any_recording.tape.root)
    assert list(replay) == list(replay)


def test_plain_and_asynchronous_iteration_give_the_same(any_recording: Recording) -> None:
    async def rows() -> list[Row]:
        return [row async for row in Replay(any_recording.tape.root)]

    async def events() -> list[tuple[Frame, list[Row]]]:
        return [event async for event in Replay(any_recording.tape.root).aframes()]

    replay = Replay(any_recording.tape.root)
    assert asyncio.run(rows()) == list(replay)
    assert asyncio.run(events()) == list(replay.frames())


def test_the_book_at_each_frame_is_the_one_its_rows_make(any_recording: Recording) -> None:
    replay, dumb, lives = Replay(any_recording.tape.root), DumbBooks(), 0
    for _, rows in replay.frames():
        dumb.see(rows)
        for symbol in SYMBOLS:
            book, model = replay.book(symbol), dumb.of(symbol)
            assert (book is None) == (model.sides is None)
            if book is not None:
                lives += 1
                assert book.bids.top() == model.levels("bid")
                assert book.asks.top() == model.levels("ask")
    assert lives > 1_000


def test_the_eventful_recording_is_eventful(eventful_recording: Recording) -> None:
    rows = list(Replay(eventful_recording.tape.root))
    assert {"depth_ids", "trade_ids", "disconnect"} <= {r.cause for r in rows if isinstance(r, Gap)}
    rejected = {row.reason for row in rows if isinstance(row, Reject)}
    assert {"not_json", "bad_field"} <= rejected
    assert {"clear", "snapshot"} <= {row.action for row in rows if isinstance(row, Depth)}
    assert any(isinstance(row, BookKeyframe) for row in rows)


@pytest.mark.parametrize(
    "patterns",
    [
        ["depth.*"],
        ["*.SOL_USDC"],
        ["trade.*_PERP", "kline.*"],
        ["depth.200ms.SOL_USDC"],
        "bookTicker.SOL_USDC",
    ],
)
def test_a_selection_is_the_selected_part_of_everything(
    any_recording: Recording, patterns: list[str] | str
) -> None:
    def selected(row: Row) -> bool:
        if isinstance(row, Session):
            symbol = row.symbol
            return symbol is None or any(
                matches(depth_topic(symbol, window)) for window in ("", "200ms")
            )
        return topic_of(row) is None or matches(topic_of(row))

    def matches(topic: str | None) -> bool:
        wanted = [patterns] if isinstance(patterns, str) else patterns
        return any(fnmatchcase(topic or "", pattern) for pattern in wanted)

    def topic_of(row: Row) -> str | None:
        if isinstance(row, Depth | BookKeyframe):
            return depth_topic(row.symbol or "", row.window)
        return row.topic if isinstance(row, Gap | Audit) else topics[row.seq]

    topics = {frame.seq: stream_of(frame) for frame in any_recording.frames}
    everything = list(Replay(any_recording.tape.root))
    rows = list(Replay(any_recording.tape.root, topics=patterns))
    assert rows == [row for row in everything if selected(row)]
    assert 0 < len(rows) < len(everything)


def stream_of(frame: Frame) -> str | None:
    """Read off the text by hand: this simulator writes the stream last."""
    if frame.kind is not Kind.DATA or b'"stream":"' not in frame.payload:
        return None
    name = frame.payload.partition(b'"stream":"')[2].partition(b'"')[0]
    return name.decode()


def test_books_are_the_same_under_a_selection(any_recording: Recording) -> None:
    everything = Replay(any_recording.tape.root)
    expected = {}
    for frame, _ in everything.frames():
        book = everything.book("SOL_USDC")
        expected[frame.seq] = None if book is None else (book.last_update_id, book.best_bid)
    some = Replay(any_recording.tape.root, topics=["depth.SOL_USDC", "depth.200ms.SOL_USDC"])
    for frame, _ in some.frames():
        book = some.book("SOL_USDC")
        assert expected[frame.seq] == (book and (book.last_update_id, book.best_bid))


def test_a_market_without_depth_has_no_book(tape: Tape) -> None:
    replay = Replay(tape.root)
    with pytest.raises(TopicError, match=r"no depth of 'SOL_USD'.*nearest: SOL_USDC"):
        replay.book("SOL_USD")
    with pytest.raises(TopicError, match="no depth of 'AAPL'"):
        replay.book("AAPL")
    assert replay.book("SOL_USDC") is None  # nothing is played yet


def test_a_book_that_was_not_asked_for_is_an_error(tape: Tape) -> None:
    replay = Replay(tape.root, topics=["trade.*", "depth.BTC*"])
    with pytest.raises(TopicError, match=r"made of depth.SOL_USDC.*\(trade\.\*, depth\.BTC\*\)"):
        replay.book("SOL_USDC")


def test_a_pattern_that_matches_nothing_names_what_is_near(tape: Tape) -> None:
    with pytest.raises(TopicError, match=r"matches 'depth\.SOL_USD'; nearest: depth\.SOL_USDC"):
        Replay(tape.root, topics=["trade.*", "depth.SOL_USD"])


def test_a_quiet_market_known_by_its_snapshot_alone_has_a_book(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape")
    recording.begin(["depth.2Z_USDC"])
    recording.connect()
    body = '{"asks":[["2","1"]],"bids":[["1","1"]],"lastUpdateId":"7","timestamp":1788367390000000}'
    recording.snapshot("2Z_USDC", body)
    recording.stop()
    replay = Replay(tmp_path / "tape", topics=["depth.2Z_USDC"])
    assert sum(isinstance(row, Depth) for row in replay) == 3
    book = replay.book("2Z_USDC")
    assert book is not None
    assert book.last_update_id == 7


def test_where_nothing_is_there_is_nothing_to_replay(tmp_path: Path) -> None:
    with pytest.raises(NotARecording, match="no folder"):
        Replay(tmp_path / "nowhere")
    JournalWriter(Tape(tmp_path / "open").journal(SegmentName("20260902T164310Z", 1))).close()
    with pytest.raises(NotARecording, match="nothing is sealed yet"):
        Replay(tmp_path / "open")


def test_a_damaged_file_ends_a_replay_with_its_name(copy: Tape) -> None:
    last = Replay(copy.root).segments[-1]
    [entry] = last.files_of("frames")
    (copy.root / entry.path).write_bytes(b"nothing like Parquet")
    with pytest.raises(TapeError, match=entry.path):
        list(Replay(copy.root))


def two_sessions(tape: Tape, apart: int) -> list[Recording]:
    """Two recorders with a frame every two seconds, the second ``apart`` ns later."""
    recordings = []
    for number in range(2):
        recording = Recording(tape.root, Setting(session=f"2026090{number + 1}T000000Z"))
        recording.wall = START_NS + number * apart
        recording.begin()
        for beat in range(3):
            recording.data(f'{{"data":{{}},"stream":"beat.{number}{beat}"}}')
            recording.pass_(2_000_000_000)
        recordings.append(recording)
        recording.stop()
    return recordings


def test_sessions_that_overlap_play_together_only_if_asked_to(tmp_path: Path) -> None:
    one, other = two_sessions(Tape(tmp_path / "tape"), 1_000_000_000)
    with pytest.raises(TapeError, match="overlap"):
        Replay(tmp_path / "tape")
    frames = [frame for frame, _ in Replay(tmp_path / "tape", merge=True).frames()]
    assert frames == sorted([*one.frames, *other.frames], key=lambda frame: frame.ts_recv)


def test_sessions_that_do_not_overlap_play_one_after_another(tmp_path: Path) -> None:
    one, other = two_sessions(Tape(tmp_path / "tape"), 60_000_000_000)
    for merge in (False, True):
        replay = Replay(tmp_path / "tape", merge=merge)
        assert [frame for frame, _ in replay.frames()] == one.frames + other.frames


def test_a_segment_that_lost_its_head_starts_with_nothing(copy: Tape) -> None:
    """Else the books of the segment before would live on in it."""
    segments = Replay(copy.root).segments
    copy.manifest(SegmentName(segments[1].session, segments[1].number)).unlink()
    replay = Replay(copy.root)
    rest = [row for row in replay if row.seq >= segments[2].first_seq]
    assert rest == list(Replay(copy.root, start=segments[2].first_ts))
