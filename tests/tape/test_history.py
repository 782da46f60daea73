"""A look into the files says what a replay up to there, or a scan of all rows, would say."""

import random
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.check_rows import Audit
from schemas.errors import TapeError
from schemas.frames import Kind
from schemas.requests import SnapshotRequest
from schemas.rows import BookTicker, Depth, Gap, Kline, OpenInterest, Row, Session, Ticker, Trade
from tape.compact import compact
from tape.history import History, Mark
from tape.layout import Tape
from tape.plan import plan
from tape.reader import segments
from tests.effort import examples
from tests.replay.eventful import eventful
from tests.shared import ROOT
from tests.tape.moments import Moments
from tests.tape.troubled import SECOND, SYMBOL, Market
from tests.tapes import Recording

MARKETS = ["SOL_USDC", "BTC_USDC_PERP"]
TABLES: list[type[Row]] = [
    Gap,
    Audit,
    Depth,
    Trade,
    BookTicker,
    Kline,
    Ticker,
    Session,
    OpenInterest,
]
looking = settings(
    max_examples=examples(13),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

Scene = tuple[Moments, History]


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """A recording in which much happens."""
    return eventful(tmp_path_factory.mktemp("usual") / "tape", every=50).tape


@pytest.fixture(scope="module", params=["usual", "compacted", "small groups", "1", "2"])
def scene(
    request: pytest.FixtureRequest, usual: Tape, tmp_path_factory: pytest.TempPathFactory
) -> Scene:
    """That one, also with its files put together, or cut up; and those of all versions."""
    root = tmp_path_factory.mktemp("scene") / "tape"
    match request.param:
        case "usual":
            tape = usual
        case "compacted":
            tape = Tape(copytree(usual.root, root))
            assert list(compact(tape, plan(tape)))
        case "small groups":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("tape.segment._GROUP_BYTES", 9_000)
                patch.setattr("tape.segment._GROUP_ROWS", 30)
                patch.setattr("tape.spool._PILE_BYTES", 1_500)
                tape = eventful(root, every=50).tape
        case version:
            tape = Tape(ROOT / "data/versions" / version)
    moments = Moments(tape)
    return moments, History(tape, moments.segments)


def marks(moments: Moments) -> st.SearchStrategy[Mark]:
    """After a frame, between segments, before and behind everything."""
    places = st.sampled_from([mark for mark, _ in moments.frames])
    odd = st.builds(Mark, st.integers(0, len(moments.segments) - 1), st.integers(0, 2_000))
    return places | odd


def fresh(moments: Moments) -> History:
    """One that has looked at nothing yet."""
    return History(moments.tape, moments.segments)


def books_are_those_of_a_replay(
    moments: Moments, history: History, seed: int, near: int = 2**63
) -> None:
    """At every frame in turn, or those `near` a turn of events, and then at some out of turn."""
    known = {}
    for mark, books in moments.books(near):
        known[mark] = books
        for symbol, book in books.items():
            assert history.book(symbol, mark) == book, (symbol, mark)
    chance = random.Random(seed)
    for mark in chance.sample(sorted(known), min(60, len(known))):
        for symbol, book in known[mark].items():
            assert history.book(symbol, mark) == book, (symbol, mark)


def test_books_are_those_of_a_replay(scene: Scene) -> None:
    books_are_those_of_a_replay(*scene, seed=5)


def test_books_of_the_sample_are_those_of_a_replay() -> None:
    moments = Moments(Tape(ROOT / "data/sample"))
    books_are_those_of_a_replay(moments, fresh(moments), seed=1, near=20)


@settings(max_examples=examples(4), deadline=None)
@given(happenings=st.lists(st.sampled_from(Market.HAPPENINGS), min_size=20, max_size=60))
def test_books_that_come_and_go(
    tmp_path_factory: pytest.TempPathFactory, happenings: list[str]
) -> None:
    root = tmp_path_factory.mktemp("market") / "tape"
    Market(root).happen(happenings)
    moments = Moments(Tape(root))
    books_are_those_of_a_replay(moments, fresh(moments), seed=len(happenings))
    rows = moments.until(Depth, SYMBOL, moments.frames[-1][0])  # in order, whatever the clock did
    assert fresh(moments).tail(Depth, SYMBOL, moments.frames[-1][0], len(rows) + 1) == rows


@looking
@given(data=st.data())
def test_rows_are_those_of_a_scan(scene: Scene, data: st.DataObject) -> None:
    moments, history = scene
    mark, row = data.draw(marks(moments)), data.draw(st.sampled_from(TABLES))
    symbol = data.draw(st.sampled_from([*MARKETS, "AAPL", None, "NO_SUCH"]))
    found = moments.until(row, symbol, mark)
    assert history.last(row, symbol, mark) == (found[-1] if found else None)
    count = data.draw(st.integers(0, 400))
    assert history.tail(row, symbol, mark, count) == found[max(0, len(found) - count) :]
    ts = data.draw(st.sampled_from(found or [Session(0, 0, None, None, "", 0, None, None)])).ts_recv
    since = ts + data.draw(st.integers(-1, 1))
    assert history.since(row, symbol, mark, since) == [r for r in found if r.ts_recv >= since]


@looking
@given(data=st.data())
def test_rows_with_a_word_in_a_column(scene: Scene, data: st.DataObject) -> None:
    moments, history = scene
    mark, symbol = data.draw(marks(moments)), data.draw(st.sampled_from(MARKETS))
    word = data.draw(st.sampled_from(["1m", "1h", "never"]))
    found = [r for r in moments.until(Kline, symbol, mark) if getattr(r, "interval") == word]  # noqa: B009
    where = ("interval", word)
    assert history.last(Kline, symbol, mark, where) == (found[-1] if found else None)
    assert history.tail(Kline, symbol, mark, 3, where=where) == found[-3:]
    ts = found[len(found) // 2].ts_recv if found else 0
    late = [row for row in found if row.ts_recv >= ts]
    assert history.since(Kline, symbol, mark, ts, where) == late
    about = [r for r in moments.until(Session, None, mark) if getattr(r, "topic") == "/api"]  # noqa: B009
    assert history.tail(Session, None, mark, 5, where=("topic", "/api")) == about[-5:]


@looking
@given(data=st.data())
def test_rows_that_are_to_be_kept(scene: Scene, data: st.DataObject) -> None:
    moments, history = scene
    mark, count = data.draw(marks(moments)), data.draw(st.integers(1, 30))
    rest = data.draw(st.integers(0, 40))

    def keep(row: Row) -> bool:
        return row.seq % 41 == rest

    found = list(filter(keep, moments.until(Depth, "SOL_USDC", mark)))
    assert history.tail(Depth, "SOL_USDC", mark, count, keep=keep) == found[-count:]


@looking
@given(data=st.data())
def test_the_next_book_is_the_next_snapshot_that_joins(scene: Scene, data: st.DataObject) -> None:
    moments, history = scene
    mark, _ = data.draw(st.sampled_from(moments.frames))
    symbol, within = data.draw(st.sampled_from(MARKETS)), data.draw(st.integers(0, 4 * SECOND))
    assert history.next_book(symbol, mark, within) == moments.next_book(symbol, mark, within)


@looking
@given(data=st.data())
def test_replies_are_the_newest_or_the_next(scene: Scene, data: st.DataObject) -> None:
    moments, history = scene
    mark = data.draw(marks(moments))
    paths = [*(SnapshotRequest(symbol, 0).path for symbol in MARKETS), "/api/v1/markets", "/no"]
    path = data.draw(st.sampled_from(paths))
    assert history.said(path, mark) == moments.said(path, mark)


def test_replies_to_all_paths_are_found(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.begin()
    for number, path in enumerate(["/api/v1/markets", "/x?a=1", "/x?a=2", "/api/v1/markets"]):
        recording.take(Kind.REQUEST, b"", topic=path)
        recording.take(Kind.REPLY, b"%d" % number, topic=path)
        recording.roll()
    recording.stop()
    history = History(Tape(tmp_path), segments(Tape(tmp_path)))
    said = [history.said("/api/v1/markets", Mark(index, 2**40)) for index in range(5)]
    assert said == [b"0", b"0", b"0", b"3", b"3"]
    assert history.said("/x?a=2", Mark(0, 0)) == b"2"
    assert history.said("/x?a=3", Mark(4, 2**40)) is None


def test_symbols_are_those_of_all_segments(scene: Scene) -> None:
    moments, history = scene
    for row in TABLES:
        found = {symbol for table, symbol in moments.rows if table == row.TABLE and symbol}
        assert history.symbols(row) == sorted(found)


def test_hardly_any_memory_is_enough(scene: Scene) -> None:
    moments, _ = scene
    history = History(moments.tape, moments.segments, cache_bytes=1)
    roomy = fresh(moments)
    for mark, _ in moments.frames[::23]:
        assert history.book("SOL_USDC", mark) == roomy.book("SOL_USDC", mark)
        assert history.last(Trade, "SOL_USDC", mark) == roomy.last(Trade, "SOL_USDC", mark)


def test_files_may_be_compacted_meanwhile(tmp_path: Path, usual: Tape) -> None:
    tape = Tape(copytree(usual.root, tmp_path / "copy"))
    history = History(tape, segments(tape))
    asked = [Mark(index, m.last_seq - 20) for index, m in enumerate(segments(tape))]
    trades = [history.tail(Trade, "SOL_USDC", mark, 9) for mark in asked]  # at their old places
    assert list(compact(tape, plan(tape)))
    moments = Moments(tape)
    assert {manifest.generation for manifest in moments.segments} == {1}
    for mark, found in zip(asked, trades, strict=True):
        assert history.tail(Trade, "SOL_USDC", mark, 9) == found
        assert (
            history.tail(Depth, "SOL_USDC", mark, 9) == moments.until(Depth, "SOL_USDC", mark)[-9:]
        )
        assert history.book("SOL_USDC", mark) == fresh(moments).book("SOL_USDC", mark)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    tape = Tape(copytree(ROOT / "data/sample", tmp_path / "sample"))
    (path,) = tape.root.glob("rows/depth/*/symbol=SOL_USDC/*")
    content = bytearray(path.read_bytes())
    content[1_000:20_000:100] = bytes(190)
    path.write_bytes(content)
    history = History(tape, segments(tape))
    with pytest.raises(TapeError, match=r"symbol=SOL_USDC/.*: row group 1 of 1 .* cannot be read"):
        history.book("SOL_USDC", Mark(0, 5_000))
    path.unlink()
    with pytest.raises(TapeError, match=r"symbol=SOL_USDC/.* cannot be read \(No such file"):
        history.last(Depth, "SOL_USDC", Mark(0, 5_000))
