"""What is of an account lies apart, for its owner only, and all is one recording all the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from market.engine import Engine
from recorder.settings import Settings
from replay import Replay
from replay.certificate import Outcome
from replay.certify import certify
from schemas.account_rows import Balance
from schemas.errors import TapeError
from schemas.frames import Frame, FramesLost, Kind, to_json
from schemas.privacy import Privacy, is_private_row
from schemas.rows import Reject
from schemas.tables import ACCOUNT_TABLES
from tape.again import seal_again
from tape.columns import filed_topic
from tape.compact import compact, finish
from tape.generations import all_generations
from tape.history import History, Mark
from tape.journal import JournalWriter
from tape.layout import Tape
from tape.plan import plan
from tape.proof import with_self
from tape.reader import read_filed, read_frames, segments
from tape.recover import perform, survey
from tape.verify import verify
from tape.view import without_account
from tests.replay.mixed import (
    MARK,
    MOVES,
    OF_ACCOUNT,
    PUBLIC,
    TEXTS,
    inside,
    marked,
    modes,
    moves,
    outside,
    play,
)
from tests.shared import needs_shared, sample_texts

BUSY = (*MOVES, "order", "unread", "trade", "balance", "trade")
PRIVATE_MODES = {("folder", 0o700), ("file", 0o600)}


@pytest.fixture(params=[0o000, 0o022], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """Everything happened, in two segments; not to be changed."""
    return play(tmp_path_factory.mktemp("busy") / "tape", BUSY, (*PUBLIC, *OF_ACCOUNT)).stop()


@pytest.fixture
def copy(busy: Tape, tmp_path: Path) -> Tape:
    """The same, to be changed."""
    return Tape(shutil.copytree(busy.root, tmp_path / "copy"))


def frames(tape: Tape) -> list[Frame]:
    return [frame for manifest in segments(tape) for frame in read_frames(tape, manifest)]


def is_apart(tape: Tape) -> bool:
    """Whether nothing private lies outside of the folder of the account."""
    return not any(MARK in text for text in outside(tape))


def is_whole(tape: Tape) -> bool:
    return verify(tape) == [] and certify(tape).outcome is Outcome.CERTIFIED


@settings(max_examples=8, deadline=None)
@given(moves, st.sampled_from([PUBLIC, (*PUBLIC, *OF_ACCOUNT)]))
@example(BUSY, PUBLIC)
def test_it_lies_apart_and_is_one_recording(
    happening: Sequence[str], topics: Sequence[str]
) -> None:
    with TemporaryDirectory() as folder:
        recording = play(Path(folder) / "tape", happening, topics)
        tape = recording.stop()
        assert frames(tape) == recording.frames
        lists = (read_filed(tape, manifest, batch_rows=3) for manifest in segments(tape))
        filed = [(each.frame, each.topic) for every in lists for some in every for each in some]
        assert filed == [(frame, filed_topic(frame)) for frame in recording.frames]
        assert is_whole(tape), certify(tape)
        assert is_apart(tape)
        kept = {seq for path in inside(tape) for seq in column(path, "seq")}
        assert kept == {frame.seq for frame in recording.frames if marked(frame)}
        assert tape.account_folder.exists() == bool(kept)


def column(path: Path, name: str) -> list[object]:
    found: list[object] = pq.ParquetFile(path).read().column(name).to_pylist()
    return found


def test_rows_of_a_private_frame_lie_apart_in_whatever_table(busy: Tape) -> None:
    tables = {path.parents[2].name for path in inside(busy, "rows")}
    assert tables == {"order", "balance", "reject", "session"}
    assert {path.parents[2].name for path in busy.files_below("rows")} >= {"reject", "trade"}
    for table in ("rows", "account/rows"):
        there = (busy.root / table / "reject").rglob("*.parquet")
        topics = {topic for path in there for topic in column(path, "topic")}
        assert topics == ({"trade.SOL_USDC"} if table == "rows" else {None, "account.orderUpdate"})


def test_only_its_owner_may_read_it(umask: None, tmp_path: Path) -> None:
    tape = play(tmp_path / "tape", BUSY).stop()
    assert modes(tape) == PRIVATE_MODES
    (again,) = all_generations(tape, {segments(tape)[0].name})
    assert seal_again(tape, again, Engine(), 1).made
    assert (tape.account_folder / "rows.g1" / "order").exists()
    assert list(compact(tape, plan(tape, all_days=True)))
    for manifest in tape.manifests():
        manifest.unlink()
    assert [perform(task).lost for task in survey(tape, Engine)]
    assert modes(tape) == PRIVATE_MODES
    assert is_apart(tape)


@pytest.mark.parametrize("private", [False, True])
def test_so_is_its_journal(umask: None, tmp_path: Path, private: bool) -> None:
    JournalWriter(tmp_path / "a.00001.journal.zst", private=private).close()
    mode = (tmp_path / "a.00001.journal.zst").stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    assert mode == (0o600 if private else 0o666 & ~mask)


@pytest.mark.parametrize("topic", ["account.orderUpdate", "account.*", "account"])
def test_settings_know_whether_a_session_is_private(topic: str) -> None:
    assert Settings((*PUBLIC, topic), None).private
    assert not Settings((*PUBLIC, "accounts.X"), None).private


def test_books_and_rows_are_found_between(busy: Tape) -> None:
    """What is looked up of the files is what a replay comes by."""
    parts = segments(busy)
    history = History(busy, parts)
    for index, manifest in enumerate(parts):
        for row in ACCOUNT_TABLES:
            made = [r for r in Replay(busy.root) if isinstance(r, row) and r.symbol is None]
            until = [r for r in made if r.seq <= manifest.last_seq]
            assert history.tail(row, None, Mark(index, manifest.last_seq), 99) == until


def test_who_may_not_read_it_finds_all_else(busy: Tape) -> None:
    parts = segments(busy)
    end = Mark(len(parts) - 1, parts[-1].last_seq)
    rejects = {}
    for tape in (busy, without_account(busy)):
        rejects[tape.public] = History(tape, parts).tail(Reject, None, end, 99)
    private = {frame.seq for frame in frames(busy) if marked(frame)}
    assert {row.seq for row in rejects[False]} & private
    assert rejects[True] == [row for row in rejects[False] if row.seq not in private]


def test_it_is_made_anew_and_compacted_and_compacted_again(copy: Tape) -> None:
    before, rows = frames(copy), list(Replay(copy.root))
    for number in range(2):
        for segment in all_generations(copy):
            assert seal_again(copy, segment, Engine(), 2 * number + 1).made
        assert is_whole(copy)
        assert list(compact(copy, plan(copy, all_days=True)))
        assert finish(copy) == []
        assert (frames(copy), list(Replay(copy.root))) == (before, rows)
        assert is_whole(copy)
        assert is_apart(copy)
    assert not (copy.account_folder / "rows.g1").exists()


def test_without_manifests_it_is_made_anew(copy: Tape) -> None:
    before, rows = frames(copy), list(Replay(copy.root))
    shutil.rmtree(copy.manifest_folder)
    assert [perform(task).lost for task in survey(copy, Engine)] == [None, None]
    assert (frames(copy), list(Replay(copy.root))) == (before, rows)
    assert is_whole(copy)
    assert is_apart(copy)


def test_a_sealing_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    recording = play(tmp_path / "tape", [move for move in BUSY if move != "roll"])
    journal, tape = recording.cut(), recording.tape
    kept = journal.read_bytes()
    recording.crash()
    left = [inside(tape)[0], inside(tape, "rows")[0]]
    for path in left:
        path.with_name(f"{path.name}.tmp").write_bytes(b"half")
    stranger = left[1].parent / left[1].name.replace(".parquet", ".loss.parquet")
    stranger.write_bytes(b"of an older version")
    journal.write_bytes(kept)
    shutil.rmtree(tape.manifest_folder)
    assert [perform(task).lost for task in survey(tape, Engine)][:1] == [None]
    assert not stranger.exists()
    assert not list(tape.account_folder.rglob("*.tmp"))
    assert frames(tape) == recording.frames
    assert [finding.damage for finding in verify(tape)] == [False]  # the recorder was cut off


def test_what_no_manifest_names_is_found_there_too(copy: Tape) -> None:
    path = inside(copy, "rows")[0]
    stray = path.with_name("20200101T000000Z.00001.parquet")
    shutil.copy(path, stray)
    assert copy.shown(stray) in {finding.path for finding in verify(copy)}


def test_without_the_folder_all_else_is_played(copy: Tape) -> None:
    everything = list(Replay(copy.root).frames())
    private = {frame.seq for frame, _ in everything if marked(frame)}
    shutil.rmtree(copy.account_folder)
    replay = Replay(copy.root)
    assert replay.tape.public
    found = list(replay.frames())
    assert found == [event for event in everything if event[0].seq not in private]
    assert not any(topic.startswith("account.") for topic in replay.recorded_topics)
    with pytest.raises(TapeError, match=r"account/frames/.*of an account.*--public-only"):
        frames(copy)
    assert certify(copy).outcome is Outcome.FAILED
    assert {f.path.split("/")[0] for f in verify(copy)} == {"account"}


@pytest.mark.parametrize("spoil", ["gone", "cut"])
def test_recovery_leaves_a_segment_that_lacks_the_frames_of_its_account(
    copy: Tape, spoil: str
) -> None:
    """A loss for each of them would end all order books."""
    before = {path: path.read_bytes() for path in copy.root.rglob("*.json")}
    for path in inside(copy):
        if spoil == "gone":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-5])
    tasks = [(task.found, perform(task).lost) for task in survey(copy, Engine)]
    assert {lost for _, lost in tasks} == {"frames of an account, unless there is a copy"}
    assert {path: path.read_bytes() for path in before} == before


def test_a_moved_row_is_no_certificate(copy: Tape) -> None:
    """Where rows lie is a part of what is certified."""
    manifest = next(m for m in segments(copy) if m.files_of("balance"))
    (entry,) = manifest.files_of("balance")
    path = copy.manifest(manifest.name, manifest.generation)
    moved = entry.path.removeprefix("account/")
    (copy.root / moved).parent.mkdir(parents=True)
    (copy.root / entry.path).rename(copy.root / moved)
    first, _, rest = path.read_bytes().split(b"\n", 2)
    body = b"\n".join([first, rest]).replace(entry.path.encode(), moved.encode())
    path.write_bytes(with_self(body))
    certificate = certify(copy)
    assert certificate.outcome is Outcome.FAILED
    assert moved in str(certificate)


def test_what_cannot_be_read_is_private_where_it_may_be() -> None:
    """After a loss anything may be subscribed."""
    unread = Frame(2, 1, 1, 1, Kind.DATA, "", b"{")
    error = Frame(2, 1, 1, 1, Kind.DATA, "", TEXTS["error"].encode())
    loss = Frame(1, 1, 1, 1, Kind.LOSS, "", to_json(FramesLost("memory")))
    head = Frame(1, 1, 1, 1, Kind.SEGMENT, "", b'{"topics":["trade.X"]}')
    asks = '{"method":"SUBSCRIBE","params":["trade.X","%s.rfqUpdate"]}'
    texts = (asks % "account", asks % "trade", (asks % "account").replace("SUB", "UNSUB"))
    sent = [Frame(2, 1, 1, 1, Kind.SENT, "", text.encode()) for text in texts]
    for seen, private in (
        ([], True),
        ([head], False),
        ([head, loss], True),
        ([loss, head], False),
        ([head, sent[0]], True),
        ([head, *sent[1:]], False),
    ):
        privacy = Privacy()
        assert not any(privacy.see(frame, "") for frame in seen)
        assert not privacy.see(error, None)
        assert privacy.see(unread, None) is private
    bad_head = Frame(1, 1, 1, 1, Kind.SEGMENT, "", b'{"topics":3}')
    privacy = Privacy()
    assert (privacy.see(bad_head, ""), privacy.see(unread, None)) == (False, True)


@pytest.mark.parametrize("closed", [False, True])
def test_what_comes_late_may_be_private_in_the_next_segment_too(closed: bool) -> None:
    """Its head names no stream of an account any more; unless the connection is over."""
    engine, seen = Engine(), Privacy()
    texts = {method: b'{"method":"%s","params":["account.rfqUpdate"]}' % method for method in (
        b"SUBSCRIBE", b"UNSUBSCRIBE")}  # fmt: skip
    for seq, text in enumerate(texts.values(), 1):
        engine.feed(Frame(seq, seq, seq, 1, Kind.SENT, "", text))
    if closed:
        engine.feed(Frame(3, 3, 3, 1, Kind.CLOSE, "", b'{"code":1006,"reason":""}'))
    head = Frame(4, 4, 4, 0, Kind.SEGMENT, "", b'{"topics":["trade.SOL_USDC"]}')
    keyframes = [Frame(5, 5, 5, 0, Kind.KEYFRAME, *keyframe) for keyframe in engine.keyframes()]
    for frame in (head, *keyframes):
        seen.see(frame, filed_topic(frame))
    assert seen.see(Frame(6, 6, 6, 1, Kind.DATA, "", b'{"da'), None) is not closed


@needs_shared
def test_frames_as_captured_lie_apart(tmp_path: Path) -> None:
    recording = play(tmp_path / "tape", [])
    texts = [*sample_texts("frames"), *sample_texts("doc_examples")]
    for text in texts:
        recording.data(text)
    tape = recording.stop()
    assert is_whole(tape)
    kept = {payload for path in inside(tape) for payload in column(path, "payload")}
    assert kept == {text.encode() for text in texts if '"stream":"account.' in text}
    assert kept
    for text in outside(tape):
        assert '"stream":"account.' not in text


def test_rows_about_the_account_are_private_whatever_made_them() -> None:
    def reject(topic: str | None) -> Reject:
        return Reject(1, 1, None, None, topic, "bad_field", "")

    assert is_private_row(Balance(1, 1, None, None, None, "USDC", *[Decimal(1)] * 3))
    assert is_private_row(reject("account.orderUpdate"))
    assert not any(map(is_private_row, (reject("trade.X"), reject(None), reject("/account"))))


def test_a_keyframe_of_the_account_is_private() -> None:
    privacy = Privacy()
    for topic, private in (("account.orderUpdate", True), ("depth.X", False), ("", False)):
        assert privacy.see(Frame(1, 1, 1, 0, Kind.KEYFRAME, topic, b"{}"), topic) is private
