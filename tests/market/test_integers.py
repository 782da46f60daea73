"""Whatever numbers a control frame has, no row is made that cannot be stored."""

from __future__ import annotations

import json
import os
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.frames import Frame, Kind
from schemas.rows import Reject, Row
from schemas.tables import TABLES
from tape.columns import rows_to_arrow
from tests.market.bent_numbers import (
    AFTER,
    MIDST,
    NOTES,
    Feeder,
    Told,
    bent_notes,
    keyframes,
    leaves,
    noted,
)
from tests.market.fitting import check_fits
from tests.market.nasty import dumps

SOAK = bool(os.environ.get("SOAK"))


def fed(feeder: Feeder, frames: list[Frame]) -> list[Row]:
    """Rows, each of which fits and none of which tells of a fault of ours."""
    rows = [row for frame in frames for row in feeder.engine.feed(frame)]
    for row in rows:
        check_fits(row)
        assert not (isinstance(row, Reject) and row.reason == "internal"), row.detail
    for table, of_table in groupby(sorted(rows, key=lambda row: row.TABLE), lambda row: row.TABLE):
        rows_to_arrow(TABLES[table], list(of_table))
    return rows


@pytest.mark.parametrize("number", [2**63, -1] if SOAK else [2**63])
def test_each_number_of_each_control_frame(number: int) -> None:
    """One at a time, on an engine that knows nothing else; then all that may use it."""
    stories = {"notes": NOTES, **{story: keyframes(story) for story in MIDST}}
    for kind, topic, payload, conn in (told for story in stories.values() for told in story):
        for at in range(len(leaves(json.loads(payload)))):
            value = json.loads(payload)
            leaves(value)[at].put(number)
            feeder = Feeder()
            fed(
                feeder, [feeder.frame(told) for told in [(kind, topic, dumps(value), conn), *AFTER]]
            )


@settings(max_examples=600 if SOAK else 60, deadline=None)
@given(
    st.sampled_from([[], *MIDST.values()]),
    st.lists(bent_notes(), min_size=1, max_size=3),
    st.booleans(),
)
def test_no_number_of_a_control_frame_makes_a_row_that_does_not_fit(
    midst: list[Told], bent: list[Told], rolls: bool
) -> None:
    """At once or later; and an engine that begins with the keyframes of this one goes on alike."""
    feeder = Feeder()
    fed(feeder, [feeder.frame(told) for told in [*midst, *bent]])
    if rolls:
        head = [noted(Kind.SEGMENT, b"{}")]
        head += [noted(Kind.KEYFRAME, state, name) for name, state in feeder.engine.keyframes()]
        begin, after = [[feeder.frame(told) for told in part] for part in (head, AFTER)]
        assert fed(feeder, [*begin, *after]) == fed(Feeder(), [*begin, *after])
    else:
        fed(feeder, [feeder.frame(told) for told in AFTER])


def test_what_is_as_it_was_written_is_read() -> None:
    """Else the above would be about rejects alone."""
    feeder = Feeder()
    for told in (told for story in MIDST for told in keyframes(story)):
        assert not any(isinstance(row, Reject) for row in fed(feeder, [feeder.frame(told)])), told
