"""A fault of the program itself costs rows, never a frame."""

from pathlib import Path

import msgspec

from market.engine import Engine
from recorder.intake import Intake
from schemas.digest import CHECKPOINT_EVERY
from schemas.frames import Frame, Kind, SegmentHead
from schemas.rows import Row
from schemas.shedding import Level
from tape.journal import JournalWriter
from tape.journal_reader import read_journal
from tape.layout import SegmentName, Tape
from tape.manifest import Verdict
from tape.seal import seal
from tests.recorder.market import trade

HEAD = SegmentHead("20261122T063000Z-0000", 1, 1, "0", (), "ws://venue", "http://venue")
NAME = SegmentName(HEAD.session, HEAD.number)


def test_a_listener_that_fails_does_not_stop_the_journal(tmp_path: Path) -> None:
    """All frames are there, and sealing makes rows of all of them."""
    tape = Tape(tmp_path)
    intake = Intake(lambda request: None)
    journal = JournalWriter(tape.journal(NAME))
    intake.begin(HEAD, journal)
    intake.listeners.append(_fail_at_the_third)
    for number in range(10):
        intake.take(Kind.DATA, b'{"id":null,"error":{"code":%d}}' % number, conn=1)
    assert isinstance(intake.fault, ZeroDivisionError)
    ended = intake.end("stop")
    assert ended is journal
    journal.close()
    assert len(list(read_journal(tape.journal(NAME)))) == 11
    manifest = seal(tape.journal(NAME), tape, Engine())
    assert manifest is not None
    assert manifest.rows == {"session": 11}
    assert manifest.verdict is Verdict.RECOVERED


def test_the_last_checkpoint_may_be_due_as_any_other(tmp_path: Path) -> None:
    """Another one behind it would say that the recorder did not end."""
    tape = Tape(tmp_path)
    intake = Intake(lambda request: None)
    journal = JournalWriter(tape.journal(NAME))
    intake.begin(HEAD, journal)
    while intake.seq < CHECKPOINT_EVERY - 1:
        intake.take(Kind.CLOCK, b"{}")
    intake.end("stop")
    assert intake.seq == CHECKPOINT_EVERY
    journal.close()
    manifest = seal(tape.journal(NAME), tape, Engine())
    assert manifest is not None
    assert (manifest.verdict, manifest.end) == (Verdict.CERTIFIED, "stop")


def test_who_takes_over_from_one_that_did_not_keep_up_begins_with_all() -> None:
    """Its own turns of the level come with what was held."""
    old, new = Intake(lambda request: None), Intake(lambda request: None)
    old.begin(HEAD, None)
    old.take(Kind.DATA, trade(3).encode(), conn=1)
    old.turn(Level.NO_ROWS)
    old.end("handover")
    tables: list[str] = []
    new.listeners.append(lambda frame, rows: tables.extend(row.TABLE for row in rows))
    new.hold()
    new.take(Kind.DATA, trade(4).encode(), conn=2)
    new.turn(Level.NO_TICKER_ROWS)
    new.follow(old.seq, old.carried)
    new.begin(msgspec.structs.replace(HEAD, number=2), None)
    assert tables == ["session", "session", "trade", "session"]
    assert new.engine.load.level == new.shedding.level == Level.NO_TICKER_ROWS
    new.turn(Level.ALL)
    new.end("roll")
    new.begin(msgspec.structs.replace(HEAD, number=3), None)
    assert new.engine.load.level == Level.ALL


def _fail_at_the_third(frame: Frame, rows: list[Row]) -> None:
    del rows
    if frame.seq == 4:
        raise ZeroDivisionError
