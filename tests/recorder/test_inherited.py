"""Silences of a recording that is taken over by a process that does not watch over them."""

from __future__ import annotations

from recorder.inherited import NOT_WATCHED, Inherited, Watchers
from recorder.intake import Intake
from schemas.check_rows import Silence
from schemas.frames import Judgement, Moment, SilenceNoted
from schemas.rows import Row
from tests.recorder.test_intake import HEAD

SINCE, UNTIL = Moment(3, 1_000, 100), Moment(9, 5_000, 4_100)
OPEN = SilenceNoted(Judgement.DEAD, "why", "reconnect", SINCE)
ENDED = SilenceNoted(Judgement.HEARD, "it was quiet", "", SINCE, UNTIL)


def test_those_that_go_on_are_said_not_to_be_watched_any_more() -> None:
    """What had ended there has its end."""
    intake = Intake(lambda request: None)
    rows: list[Row] = []
    intake.listeners.append(lambda frame, made: rows.extend(made))
    intake.hold()
    inherited = Inherited([("ticker.A", OPEN), ("ticker.B", ENDED)], Watchers(intake, None))
    intake.begin(HEAD, None)
    inherited.tell()
    silences = [row for row in rows if isinstance(row, Silence)]
    assert [(row.topic, row.verdict, row.evidence, row.lasted_ns) for row in silences] == [
        ("ticker.A", "unknown", NOT_WATCHED, None),
        ("ticker.B", "heard", "it was quiet", 4_000),
    ]
    assert {row.since_seq for row in silences} == {3}
