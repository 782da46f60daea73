"""Several recordings become one: every message once, the rest noted, and nothing invented."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.engine import Engine
from schemas.errors import TapeLocked, UsageError
from schemas.frames import (
    ClockNoted,
    ConnectionClosed,
    Frame,
    FramesLost,
    Kind,
    MessagesCopied,
    to_json,
)
from schemas.rows import Gap, Row
from tape.layout import Tape
from tape.manifest import Manifest, Verdict
from tape.reader import read_frames, read_rows, segments
from tape.union import Made, sides, union
from tape.verify import verify
from tape.worksite import remove_abandoned, worksite
from tests.tape.machines import Hearing, Machine, Said, ticker, trade
from tests.tapes import START_NS

SOAK = bool(os.environ.get("SOAK"))
MS = 1_000_000
SECOND = 1_000 * MS
PATH = "/api/v1/depth?symbol=SOL_USDC"


def united(root: Path, *machines: Machine, out: str = "union") -> tuple[Made, Tape]:
    """One recording of what these have stopped to record."""
    made = union(sides([machine.root for machine in machines], False), root / out, Engine)
    tape = Tape.open(root / out)
    assert verify(tape) == []
    assert {m.verdict for m in segments(tape)} == {Verdict.CERTIFIED}
    return made, tape


def frames(tape: Tape, *kinds: Kind) -> list[Frame]:
    """Those of some kinds, or all."""
    every = [frame for manifest in segments(tape) for frame in read_frames(tape, manifest)]
    assert [frame.seq for frame in every] == [*range(1, len(every) + 1)]
    assert sorted(frame.ts_mono for frame in every) == [frame.ts_mono for frame in every]
    return [frame for frame in every if not kinds or frame.kind in kinds]


def copies(tape: Tape) -> list[tuple[int, int, int, int | None]]:
    """All that is noted: seq, connection, how late, how much later `E`."""
    notes = [msgspec.json.decode(f.payload, type=MessagesCopied) for f in frames(tape, Kind.COPIES)]
    return [line for n in notes for line in zip(n.seq, n.conn, n.late_ns, n.event_us, strict=True)]


def rows(tape: Tape, table: type[Row]) -> list[Row]:
    """All of one table."""
    found: list[Manifest] = segments(tape)
    return [
        row
        for manifest in found
        for entry in manifest.files_of(table.TABLE)
        for batch in read_rows(tape, entry)
        for row in batch
    ]


# What is said comes 20 ms apart, and no machine hears it later than 19 ms; tickers may be equal.
HEARINGS = st.one_of(
    st.none(),
    st.builds(
        Hearing,
        st.integers(0, 9).map(lambda n: n * 2 * MS),
        st.integers(0, 900),
        st.sampled_from([None, None, 1, 3 * MS]),
    ),
)
SAYINGS = st.lists(st.tuples(st.booleans(), HEARINGS, HEARINGS, HEARINGS), max_size=12)


def _said(index: int, is_trade: bool) -> Said:
    return trade(1_000 + index, index * 600 * MS) if is_trade else ticker(index * 600 * MS)


@settings(max_examples=200 if SOAK else 6)
@given(SAYINGS, st.tuples(*[st.integers(0, 9)] * 3), st.permutations(range(3)))
def test_every_message_is_there_once_and_every_copy_is_noted(
    sayings: list[tuple[bool, Hearing | None, Hearing | None, Hearing | None]],
    cuts: tuple[int, int, int],
    order: list[int],
) -> None:
    """Whoever hears what, on whatever connection; `E` of each copy makes its bytes again."""
    with TemporaryDirectory() as folder:
        machines = [Machine(Path(folder), name) for name in "abc"]
        for number, machine in enumerate(machines):
            machine.begin()
            for index, (is_trade, *hearings) in enumerate(sayings):
                if index == cuts[number]:
                    machine.wait(index * 600 * MS)
                    machine.tape.disconnect()
                    machine.tape.connect()
                if (hearing := hearings[number]) is not None:
                    machine.hear(_said(index, is_trade), hearing)
            machine.stop()
        made, tape = united(Path(folder), *machines)
        expected = _expected(sayings)
        data = frames(tape, Kind.DATA)
        assert [(frame.ts_mono, frame.payload) for frame in data] == [each[0] for each in expected]
        raw = Counter(_copied(tape))
        assert raw == Counter(copy for each in expected for copy in each[1:])
        assert made.copies == raw.total()
        conns = {frame.conn for frame in frames(tape, Kind.OPEN)}
        assert conns == {*range(1, len(conns) + 1)}
        assert conns >= {frame.conn for frame in data} | {line[1] for line in copies(tape)}
        if order == [0, 1, 2]:
            return
        other, _ = united(Path(folder), *(machines[n] for n in order), out="other")
        assert [m.rows_digest for m in other.segments] == [m.rows_digest for m in made.segments]


def _expected(
    sayings: list[tuple[bool, Hearing | None, Hearing | None, Hearing | None]],
) -> list[list[tuple[int, bytes]]]:
    """When who hears what, the first of each message first: of two at once the one whose session
    comes first."""
    found = []
    for index, (is_trade, *hearings) in enumerate(sayings):
        said = _said(index, is_trade)
        heard = [(h.late, n, h) for n, h in enumerate(hearings) if h is not None]
        texts = [(late, _text(said, h.event)) for late, _, h in sorted(heard)]
        for late, _, hearing in heard:
            if hearing.again is not None:
                texts.append((late + hearing.again, _text(said, hearing.event + 3)))
        if texts:
            found.append([(START_NS + said.at + late, text) for late, text in texts])
    return found


def _text(said: Said, event: int) -> bytes:
    return said.text((START_NS + said.at) // 1_000 + event)


def _copied(tape: Tape) -> list[tuple[int, bytes]]:
    """When all copies came and their bytes, from the frame that each repeats."""
    by_seq = {frame.seq: frame for frame in frames(tape)}
    found = []
    for seq, _, late, later in copies(tape):
        frame = by_seq[seq]
        found.append((frame.ts_mono + late, _shifted(frame.payload, later or 0)))
    return found


def _shifted(payload: bytes, later: int) -> bytes:
    return re.sub(rb'"E":(\d+)', lambda m: b'"E":%d' % (int(m[1]) + later), payload, count=1)


def _machines(root: Path, *names: str) -> list[Machine]:
    found = [Machine(root, name) for name in names]
    for machine in found:
        machine.begin()
    return found


def test_what_one_has_twice_was_sent_twice(tmp_path: Path) -> None:
    """As a ticker, on two connections one after the other; the other has copies of both."""
    here, there = _machines(tmp_path, "a", "b")
    here.hear(ticker(SECOND), Hearing(0))
    here.tape.disconnect()
    here.tape.connect()
    here.hear(ticker(SECOND), Hearing(9 * MS))
    for late in (1, 12):
        there.hear(ticker(SECOND), Hearing(late * MS))
    here.stop()
    there.stop()
    made, tape = united(tmp_path, here, there)
    assert (len(frames(tape, Kind.DATA)), made.copies) == (2, 2)
    content = b"".join(path.read_bytes() for path in sorted((there.root / "manifest").iterdir()))
    assert made.inputs[1].manifests == sha256(content).hexdigest()
    assert segments(tape)[0].union == list(made.inputs)


def test_what_all_missed_is_one_gap_and_what_one_missed_is_none(tmp_path: Path) -> None:
    here, there = _machines(tmp_path, "a", "b")
    for number in range(10):
        for machine, missed in ((here, {2, 5}), (there, {5, 7})):
            if number not in missed:
                machine.hear(trade(number, number * SECOND), Hearing(MS))
    here.stop()
    there.stop()
    _, tape = united(tmp_path, here, there)
    [gap] = rows(tape, Gap)
    assert isinstance(gap, Gap)
    assert (gap.expected_id, gap.received_id) == (5, 6)


def test_sessions_that_do_not_overlap_stand_one_after_another(tmp_path: Path) -> None:
    here, there = Machine(tmp_path, "a"), Machine(tmp_path, "b")
    for machine, at in ((here, 0), (there, 4_000 * SECOND)):
        machine.wait(at)
        machine.begin()
        machine.hear(ticker(at), Hearing(MS))
        machine.wait(at + 5 * SECOND)
        machine.stop()
    made, tape = united(tmp_path, here, there)
    assert made.copies == 0
    assert len(made.segments) == 2
    assert [gap.cause for gap in rows(tape, Gap) if isinstance(gap, Gap)] == ["disconnect"]


def test_the_venues_clock_orders_and_stamps_stay(tmp_path: Path) -> None:
    """A wall clock that is a minute ahead, by its CLOCK frames, is not first for that."""
    here, there = Machine(tmp_path, "a"), Machine(tmp_path, "b", ahead=-60 * SECOND)
    for machine in (here, there):
        machine.begin()
        noted = ClockNoted(0, (machine.tape.wall - machine.ahead) // MS, 0)
        machine.tape.take(Kind.CLOCK, to_json(noted))
    for number in range(4):
        for machine, late in ((here, 2 * MS), (there, 5 * MS)):
            machine.hear(trade(number, number * SECOND), Hearing(late))
    here.stop()
    there.stop()
    made, tape = united(tmp_path, there, here)
    assert made.copies == 4
    assert {late for _, _, late, _ in copies(tape)} == {3 * MS}
    assert {f.ts_recv for f in frames(tape, Kind.DATA)} <= {f.ts_recv for f in here.tape.frames}
    [late_open] = [f for f in frames(tape, Kind.OPEN) if f.ts_recv in _stamps(there)]
    assert late_open.conn == 2


def _stamps(machine: Machine) -> set[int]:
    return {frame.ts_recv for frame in machine.tape.frames}


def _lose(machine: Machine, ended: bool) -> None:
    machine.tape.take(Kind.LOSS, to_json(FramesLost("memory", 5 * ended, 9, ended)))


def test_a_loss_of_one_is_its_connections_alone(tmp_path: Path) -> None:
    """The other hears on; alone, it stays the loss that it was."""
    here, there = _machines(tmp_path, "a", "b")
    for number in range(8):
        if number == 2:
            _lose(here, ended=False)
        if number == 5:
            here.wait(number * SECOND)
            _lose(here, ended=True)
        if number not in range(2, 5):
            here.hear(trade(number, number * SECOND), Hearing(MS))
        there.hear(trade(number, number * SECOND), Hearing(2 * MS))
    here.stop()
    there.stop()
    _, tape = united(tmp_path, here, there)
    assert [frame.conn for frame in frames(tape, Kind.OPEN)] == [1, 2, 3]
    assert [frame.conn for frame in frames(tape, Kind.CLOSE)] == [1, 3, 2]
    assert [frame.conn for frame in frames(tape, Kind.SENT)] == [1, 2, 3]
    assert not frames(tape, Kind.LOSS)
    assert rows(tape, Gap) == []
    _, alone = united(tmp_path, here, out="alone")
    assert [frame.conn for frame in frames(alone, Kind.OPEN)] == [1]
    told = [msgspec.json.decode(f.payload, type=FramesLost) for f in frames(alone, Kind.LOSS)]
    assert [(lost.cause, lost.frames, lost.ended) for lost in told] == [
        ("input", 0, False),
        ("input", 5, True),
    ]


def test_segments_that_are_missing_are_a_loss_between(tmp_path: Path) -> None:
    """And a recording that begins in its midst has its connection all the same."""
    machine = Machine(tmp_path, "a")
    machine.begin()
    machine.tape.drop()
    machine.hear(trade(1, SECOND), Hearing(0))
    machine.tape.roll()
    machine.tape.drop()
    machine.hear(trade(9, 9 * SECOND), Hearing(0))
    machine.stop()
    _, tape = united(tmp_path, machine)
    kinds = [frame.kind for frame in frames(tape)]
    cut = [Kind.DATA, Kind.LOSS, Kind.LOSS, Kind.DATA, Kind.CLOSE, Kind.CHECKPOINT]
    assert kinds == [Kind.SEGMENT, Kind.OPEN, Kind.SENT, *cut]


def test_a_session_without_an_end_ends(tmp_path: Path) -> None:
    here, there = _machines(tmp_path, "a", "b")
    here.tape.take(Kind.REQUEST, b"", PATH)
    here.hear(trade(1, SECOND), Hearing(0))
    there.hear(trade(2, 2 * SECOND), Hearing(0))
    here.tape.crash()
    there.stop()
    _, tape = united(tmp_path, here, there)
    [close, _] = frames(tape, Kind.CLOSE)
    told = msgspec.json.decode(close.payload, type=ConnectionClosed)
    assert (close.conn, told.code, told.stopped) == (1, 1006, False)
    assert [f.topic for f in frames(tape, Kind.FAILED)] == [PATH]


ASKED = st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=14)


@settings(max_examples=200 if SOAK else 10)
@given(ASKED)
def test_no_path_has_requests_of_two_on_their_way(asked: list[tuple[int, bool]]) -> None:
    """Who asks when nobody else does is answered, with its own answer."""
    with TemporaryDirectory() as folder:
        machines = _machines(Path(folder), "a", "b")
        waiting = {0: False, 1: False}
        at = 0
        for number, answers in asked:
            if answers is not waiting[number]:
                continue
            at += SECOND
            machines[number].wait(at)
            waiting[number] = not answers
            body = b"%d at %d" % (number, at)
            kind = Kind.REPLY if answers else Kind.REQUEST
            machines[number].tape.take(kind, body if answers else b"", PATH)
        for machine in machines:
            machine.wait(at + SECOND)
            machine.stop()
        made, tape = united(Path(folder), *machines)
        open_, left_out, told = None, 0, list[tuple[Kind, bytes]]()
        skipped = {0: False, 1: False}
        waiting, at = {0: False, 1: False}, 0
        for number, answers in asked:
            if answers is not waiting[number]:
                continue
            at += SECOND
            waiting[number] = not answers
            if answers and skipped[number]:
                skipped[number] = False
            elif answers:
                told.append((Kind.REPLY, b"%d at %d" % (number, at)))
                open_ = None
            elif open_ is None:
                told.append((Kind.REQUEST, b""))
                open_ = number
            else:
                skipped[number] = True
                left_out += 1
        found = frames(tape, Kind.REQUEST, Kind.REPLY)
        assert [(frame.kind, frame.payload) for frame in found] == told
        assert made.left_out == left_out
        assert len(frames(tape, Kind.FAILED)) == (open_ is not None)


def test_market_lists_are_those_of_one_as_long_as_it_lasts(tmp_path: Path) -> None:
    here, there = _machines(tmp_path, "a", "b")
    for number, (machine, end) in enumerate([(here, 9), (there, 9), (here, 3), (there, 9)]):
        machine.wait(number * SECOND)
        machine.tape.take(Kind.REQUEST, b"", "/api/v1/markets")
        machine.tape.take(Kind.REPLY, b"[]" + b" " * number, "/api/v1/markets")
        if end == 3:
            machine.stop()
    there.stop()
    _, tape = united(tmp_path, here, there)
    assert [len(frame.payload) for frame in frames(tape, Kind.REPLY)] == [2, 4, 5]


def test_what_is_of_an_account_stays_apart_or_out(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "a")
    machine.tape.begin(["account.orderUpdate", "trade.SOL_USDC"])
    machine.tape.connect()
    machine.hear(trade(1, SECOND), Hearing(0))
    machine.tape.data('{"data":{"e":"orderFill"},"stream":"account.orderUpdate"}')
    machine.tape.data("not json")
    machine.stop()
    _, tape = united(tmp_path, machine)
    assert len(frames(tape, Kind.DATA)) == 3
    assert oct(tape.account_folder.stat().st_mode)[-3:] == "700"
    union(sides([machine.root], True), tmp_path / "public", Engine, True)
    public = Tape.open(tmp_path / "public")
    assert not public.account_folder.exists()
    assert len(frames(public, Kind.DATA)) == 1
    assert b"account" not in b"".join(frame.payload for frame in frames(public))
    names = {each.manifests()[0].name for each in (tape, public)}
    assert len(names) == 2, "they are not the same recording"


def test_what_cannot_be_united_leaves_nothing(tmp_path: Path) -> None:
    [machine] = _machines(tmp_path, "a")
    machine.hear(trade(1, SECOND), Hearing(0))
    machine.stop()
    with pytest.raises(UsageError, match="is in two of these"):
        sides([machine.root, machine.root], False)
    found = sides([machine.root], False)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(UsageError, match="not empty"):
        union(found, tmp_path / "full", Engine)
    (tmp_path / "link").symlink_to(machine.root)
    for inside in (
        machine.root / "new",
        machine.root / "frames" / "new",
        tmp_path / "link" / "new",
    ):
        with pytest.raises(UsageError, match="one of those to be united"):
            union(found, inside, Engine)
    (tmp_path / "empty").mkdir()
    union(found, tmp_path / "empty", Engine)
    [path] = (machine.root / "frames").rglob("*.parquet")
    path.write_bytes(b"x" * path.stat().st_size)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(Exception, match="parquet"):
        union(found, tmp_path / "new", Engine)
    assert sorted(tmp_path.iterdir()) == before


def test_what_a_killed_one_has_left_the_next_one_removes(tmp_path: Path) -> None:
    """And nothing else that lies there."""
    out, aside = tmp_path / "out", tmp_path / "out.tmp"
    with suppress(KeyboardInterrupt), worksite(out) as place:
        (place / "journal").mkdir()
        shutil.copytree(place, tmp_path / "left")
        with pytest.raises(TapeLocked, match="at work"):
            remove_abandoned(out)
        raise KeyboardInterrupt
    assert not aside.exists()
    assert not out.exists()
    assert remove_abandoned(out) is None
    shutil.copytree(tmp_path / "left", tmp_path / "other.tmp")  # it was for another one
    assert remove_abandoned(tmp_path / "other") is None
    shutil.move(tmp_path / "left", aside)
    (aside / "notes").touch()
    assert remove_abandoned(out) is None
    with pytest.raises(UsageError, match="move it away"), worksite(out):
        pass
    (aside / "notes").unlink()
    assert remove_abandoned(out) == aside
    assert not aside.exists()
    aside.mkdir()
    assert remove_abandoned(out) is None
    aside.rmdir()
    aside.symlink_to(tmp_path / "other.tmp")
    assert remove_abandoned(out) is None
