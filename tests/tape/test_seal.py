"""Sealing makes a segment of a journal, says what it is worth, and can be interrupted anywhere."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.digest import Witness
from schemas.errors import TapeError
from schemas.frames import Kind
from schemas.rows import Row
from tape.columns import filed_topic
from tape.journal_batch import TORN
from tape.layout import DAMAGED_ENDING, DAY_NS, Part, SegmentName, Tape, symbol_folder
from tape.manifest import Verdict, load
from tape.reader import read_frames, read_rows
from tape.seal import seal
from tape.verify import verify
from tape.version import FORMAT
from tests.tape.dumb import HOUR, NAME, SECOND, START, DumbEngine, DumbRecorder, sealed


def recorded(tape: Tape) -> DumbRecorder:
    """A recording of two batches, with a checkpoint in between, not stopped yet."""
    recorder = DumbRecorder(tape)
    recorder.say(("ETH_USDC", 100, 5), ("SOL_USDC", 200, 6))
    recorder.say(("ETH_USDC", 101, -1))
    recorder.check()
    recorder.flush()
    recorder.ts += SECOND
    recorder.say()
    recorder.put(Kind.REPLY, b"[]", "/api/v1/markets")
    recorder.put(Kind.DATA, b'{"data":[]}')
    return recorder


def all_rows(tape: Tape) -> dict[str, list[Row]]:
    """Rows of the sealed segment per path."""
    return {
        entry.path: [row for rows in read_rows(tape, entry) for row in rows]
        for entry in load(tape.manifest(NAME)).files
        if entry.table != "frames"
    }


def test_a_finished_segment_is_certified(tape: Tape) -> None:
    recorder = recorded(tape)
    recorder.stop()
    assert tape.journals() == [tape.journal(NAME)]
    manifest = sealed(tape)
    assert manifest.verdict is Verdict.CERTIFIED
    assert (manifest.divergence, manifest.end, manifest.losses) == (None, "stop", [])
    assert list(read_frames(tape, manifest)) == recorder.frames
    assert load(tape.manifest(NAME)) == manifest
    assert tape.journals() == []
    assert verify(tape) == []


def test_the_manifest_counts(tape: Tape) -> None:
    recorder = recorded(tape)
    recorder.stop()
    manifest = sealed(tape)
    assert (manifest.first_seq, manifest.last_seq, manifest.frames) == (1, 8, 8)
    assert (manifest.first_ts, manifest.last_ts) == (START, START + SECOND)
    assert manifest.kinds == {"checkpoint": 2, "data": 4, "reply": 1, "segment": 1}
    assert manifest.topics == {"": 1, "depth.X": 3}
    assert manifest.rows == {"depth": 2, "gap": 1}
    assert manifest.unknown == {"weather.HERE": 2}
    witness, engine = Witness(), DumbEngine()
    for frame in recorder.frames:
        witness.see(frame, engine.feed(frame))
    made = witness.checkpoint()
    assert (manifest.frames_digest, manifest.rows_digest) == (made.frames, made.rows)


def test_other_rows_than_live_are_divergent_and_the_range_is_named(tape: Tape) -> None:
    recorder = recorded(tape)  # checkpoint at seq 4
    recorder.say(("ETH_USDC", 102, 5))  # seq 8
    recorder.check()  # seq 9
    recorder.stop()
    manifest = seal(tape.journal(NAME), tape, DumbEngine(wrong_at=8))
    assert manifest is not None
    assert manifest.verdict is Verdict.DIVERGENT
    assert manifest.divergence is not None
    assert manifest.divergence.startswith("rows after seq 4 up to seq 8 ")
    assert list(read_frames(tape, manifest)) == recorder.frames


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("1:nothing", Verdict.CERTIFIED),
        ("1:something", Verdict.DIVERGENT),
        ("0:something", Verdict.CERTIFIED),
        (None, Verdict.CERTIFIED),
    ],
)
def test_what_is_remembered_at_the_end_is_compared(
    tape: Tape, state: str | None, verdict: Verdict
) -> None:
    """If it was noted, and by what remembers the same things: see `schemas.digest`."""
    recorder = DumbRecorder(tape)
    recorder.say(("SOL_USDC", 5, 6))
    recorder.check("stop", state)
    recorder.cut()
    manifest = sealed(tape)
    assert manifest.verdict is verdict
    diverged = "at seq 2 the live recorder remembered other things"
    assert manifest.divergence == (diverged if verdict is Verdict.DIVERGENT else None)


def test_a_recorder_that_was_killed_is_recovered(tape: Tape) -> None:
    recorder = recorded(tape)
    recorder.cut()
    manifest = sealed(tape)
    assert manifest.verdict is Verdict.RECOVERED
    assert (manifest.end, manifest.lost) == (None, None)
    assert list(read_frames(tape, manifest)) == recorder.frames


def test_a_torn_tail_is_counted_and_named(tape: Tape) -> None:
    recorder = recorded(tape)
    recorder.stop()
    journal = tape.journal(NAME)
    journal.write_bytes(journal.read_bytes()[:-3])
    manifest = sealed(tape)
    assert manifest.verdict is Verdict.RECOVERED
    assert manifest.lost is not None
    assert (manifest.lost.after_seq, manifest.lost.after_ts) == (4, START)
    assert (manifest.lost.reason, manifest.lost.bytes > 50) == (TORN, True)
    assert list(read_frames(tape, manifest)) == recorder.frames[:4]
    assert list(tape.journal_folder.iterdir()) == []


def test_a_journal_damaged_in_the_middle_is_sealed_and_kept(tape: Tape) -> None:
    recorder = recorded(tape)
    recorder.flush()
    recorder.stop()
    journal = tape.journal(NAME)
    content = bytearray(journal.read_bytes())
    content[40] ^= 1
    journal.write_bytes(content)
    manifest = sealed(tape)
    assert manifest.verdict is Verdict.RECOVERED
    (damage,) = manifest.damage
    assert (damage.after_seq, damage.until_seq) == (0, 5)
    loss, *others = read_frames(tape, manifest)
    assert (loss.seq, loss.kind, others) == (1, Kind.LOSS, recorder.frames[4:])
    kept = journal.with_name(journal.name + DAMAGED_ENDING)
    assert kept.read_bytes() == content
    assert tape.journals() == []
    assert [finding.damage for finding in verify(tape)] == [False]


def test_missing_frames_are_a_damage_even_if_all_bytes_are_whole(tape: Tape) -> None:
    recorder = recorded(tape)
    recorder.frames.append(recorder.frames[-1])  # takes a seq, is never written
    recorder.say()
    recorder.stop()
    manifest = sealed(tape)
    assert manifest.verdict is Verdict.RECOVERED
    assert [(d.length, d.after_seq, d.until_seq) for d in manifest.damage] == [(0, 7, 9)]
    assert not list(tape.journal_folder.iterdir())


def test_an_empty_journal_leaves_nothing(tape: Tape) -> None:
    journal = tape.journal(NAME)
    journal.parent.mkdir(parents=True)
    journal.touch()
    assert seal(journal, tape, DumbEngine()) is None
    assert not journal.exists()
    assert not tape.manifest(NAME).exists()


def test_a_journal_without_a_readable_frame_is_kept_aside(tape: Tape) -> None:
    journal = tape.journal(NAME)
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"not a journal")
    assert seal(journal, tape, DumbEngine()) is None
    assert journal.with_name(journal.name + DAMAGED_ENDING).exists()
    assert not tape.manifest(NAME).exists()


def test_sealing_again_only_removes_the_journal(tape: Tape) -> None:
    recorded(tape).stop()
    journal = tape.journal(NAME)
    content = journal.read_bytes()
    manifest = sealed(tape)
    journal.write_bytes(content)
    assert seal(journal, tape, DumbEngine(wrong_at=2)) == manifest
    assert not journal.exists()
    assert verify(tape) == []


class Killed(BaseException):
    """The process ends here."""


def test_sealing_may_be_interrupted_at_every_sync(
    tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tape).stop()
    journal = tape.journal(NAME)
    content, real, step = journal.read_bytes(), os.fsync, 0
    left = 0

    def fsync(handle: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        real(handle)

    while True:
        step += 1
        left = step
        monkeypatch.setattr(os, "fsync", fsync)
        try:
            sealed(tape)
        except Killed:
            assert journal.exists() or tape.manifest(NAME).exists()
            if not journal.exists():  # its removal was not synced: it may be back
                journal.write_bytes(content)
        else:
            break
    assert step > 10
    monkeypatch.undo()
    assert load(tape.manifest(NAME)).verdict is Verdict.CERTIFIED
    assert verify(tape) == []


def test_what_an_interrupted_sealing_left_is_gone(tape: Tape) -> None:
    recorded(tape).stop()
    leftovers = [
        tape.rows(NAME, Part("trade", START // DAY_NS, "OLD_USDC")),  # made by an older version
        Path(f"{tape.frames(NAME, START)}.tmp"),
        Path(f"{tape.rows(NAME, Part('depth', START // DAY_NS, 'NEW_USDC'))}.tmp"),
    ]
    other = tape.rows(SegmentName(NAME.session, 2), Part("depth", START // DAY_NS, "ETH_USDC"))
    for path in (*leftovers, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    sealed(tape)
    assert not any(path.exists() for path in leftovers)
    assert other.exists()


def test_an_engine_that_fails_leaves_the_journal(tape: Tape) -> None:
    recorder = recorded(tape)
    recorder.flush()
    recorder.cut()

    class Faulty(DumbEngine):
        def feed(self, frame: object) -> list[Row]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        seal(tape.journal(NAME), tape, Faulty())
    assert tape.journal(NAME).exists()
    assert [path for path in tape.root.rglob("*.*") if path.is_file()] == [tape.journal(NAME)]


def test_lines_lie_in_the_folders_of_their_own_time_and_symbol(tape: Tape) -> None:
    recorder = DumbRecorder(tape)
    long = "Ж" * 64
    for hours in (0, 16, 17, 18):  # 07:00, 23:00, then 00:00 and 01:00 of the next day
        recorder.ts = START + hours * HOUR
        recorder.say(("A/B_USDC", 1, 1), (None, 2, 2), ("aapl.US", 3, 3), (long, 4, 4))
    recorder.stop()
    manifest = sealed(tape)
    days = ("date=2026-11-22", "date=2026-11-23")
    names = ("A%2FB_USDC", "__HIVE_DEFAULT_PARTITION__", "aapl.US")
    assert [entry.path for entry in manifest.files if entry.table == "frames"] == [
        f"frames/{day}/hour={hour}/{NAME}.parquet"
        for day, hour in ((days[0], "07"), (days[0], "23"), (days[1], "00"), (days[1], "01"))
    ]
    paths = {entry.path for entry in manifest.files if entry.symbol != long}
    assert {f"rows/depth/{day}/symbol={name}/{NAME}.parquet" for day in days for name in names} == {
        path for path in paths if path.startswith("rows")
    }
    rows = all_rows(tape)
    assert {row.symbol for rows in rows.values() for row in rows} == {
        "A/B_USDC", None, "aapl.US", long,
    }  # fmt: skip
    assert sum(map(len, rows.values())) == 16
    assert list(read_frames(tape, manifest)) == recorder.frames


def test_a_clock_that_steps_back_over_an_hour_keeps_the_order(tape: Tape) -> None:
    recorder = DumbRecorder(tape)
    for hours in (1, 0, 1, 0):
        recorder.ts = START + hours * HOUR
        recorder.say(("ETH_USDC", 1, 1))
    recorder.stop()
    manifest = sealed(tape)
    assert len(manifest.files_of("frames")) == 2
    assert list(read_frames(tape, manifest)) == recorder.frames
    assert list(read_frames(tape, manifest, from_seq=4)) == recorder.frames[3:]


def test_no_symbol_can_pass_for_another() -> None:
    symbols = [None, "", "__HIVE_DEFAULT_PARTITION__", "Ж" * 64, "Ж" * 65, "a/b", "a%2Fb"]
    folders = {symbol_folder(symbol) for symbol in symbols}
    assert len(folders) == len(symbols)
    assert all("/" not in folder and len(folder) < 255 for folder in folders)


def test_the_topic_column_says_the_stream(tape: Tape) -> None:
    recorder = recorded(tape)
    recorder.stop()
    (entry,) = sealed(tape).files_of("frames")
    table = pq.ParquetFile(tape.root / entry.path).read()
    assert table.column("topic").to_pylist() == [filed_topic(f) for f in recorder.frames]
    assert table.column("topic").to_pylist()[4:7] == ["depth.X", "/api/v1/markets", None]


def test_files_say_what_they_are(tape: Tape) -> None:
    recorded(tape).stop()
    for entry in sealed(tape).files:
        metadata = pq.read_metadata(tape.root / entry.path)
        said = metadata.metadata
        assert said[b"table"].decode() == entry.table
        assert (said[b"segment"].decode(), said[b"format"]) == (str(NAME), str(FORMAT).encode())
        assert metadata.serialized_size < 1_600


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (b'{"format": 1, "ses', "cannot be read"),
        (b"\xff\x00", "cannot be read"),
        (b'{"format": 1}', "cannot be read"),
        (b'{"format": 99, "what": "ever"}', rf"format 99, this version .*reads up to {FORMAT}"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_so(tape: Tape, content: bytes, said: str) -> None:
    recorded(tape).stop()
    sealed(tape)
    path = tape.manifest(NAME)
    path.write_bytes(content)
    with pytest.raises(TapeError, match=said) as caught:
        load(path)
    assert str(path) in str(caught.value)
