"""Several connections at once, of which some messages wait as shedding begins."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from market.engine import Engine
from schemas.frames import Frame, Kind, LoadTurned, to_json
from schemas.rows import Depth, Gap, Row, Trade
from schemas.shedding import Level
from tests.effort import examples
from tests.market.hand import SYMBOL
from tests.market.model_venue import FIRST_ID, Sides
from tests.market.relay import Race, races
from tests.market.test_sync import levels_of
from tests.market.test_weave import (
    DEPTH,
    TRADE,
    Track,
    check_segment,
    fed,
    numbered,
    one_by_one,
)

LEVELS = st.sampled_from((Level.ALL, Level.NO_QUOTE_ROWS, Level.NO_ROWS, Level.NOTHING))
TURNS = st.lists(st.tuples(st.integers(0, 10**6), LEVELS), max_size=4)
Turns = list[tuple[int, Level]]


def loaded(frames: list[Frame], turns: Turns) -> list[Frame]:
    """With turns of the level anywhere behind the first message and what follows on it."""
    begun = next(at for at, frame in enumerate(frames) if frame.kind is Kind.DATA)
    first = min(begun + 3, len(frames))
    plan = list(frames)
    for at, level in [*turns, (0, Level.ALL)]:
        place = first + at % (len(plan) - first + 1) if at else len(plan)
        plan.insert(place, load(plan[place - 1], level))
    return numbered(plan)


def load(before: Frame, level: Level) -> Frame:
    """A frame that says so."""
    payload = to_json(LoadTurned(level))
    return msgspec.structs.replace(before, kind=Kind.LOAD, conn=0, topic="", payload=payload)


def levels(frames: list[Frame]) -> list[int]:
    """That which holds after each frame."""
    found, level = [], 0
    for frame in frames:
        if frame.kind is Kind.LOAD:
            level = json.loads(frame.payload)["level"]
        found.append(level)
    return found


def speaks(rows: list[Row]) -> bool:
    """Whether rows are of a stream."""
    return any(isinstance(r, Trade | Depth) or (isinstance(r, Gap) and r.topic) for r in rows)


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from([TRADE, DEPTH]), races(merges=True), TURNS)
def test_no_rows_are_made_while_none_are_to_be(topic: str, race: Race, turns: Turns) -> None:
    """Nor of what has waited."""
    frames = loaded(Track(one_by_one(race), topic).frames, turns)
    made = fed(frames)
    deaf = [level >= Level.NO_ROWS for level in levels(frames)]
    for (before, after), rows in zip(pairwise(deaf), made[1:], strict=True):
        assert not (before and after and speaks(rows))


@settings(max_examples=examples(60), deadline=None)
@given(races(merges=False), TURNS)
def test_each_trade_that_is_looked_at_makes_a_row(race: Race, turns: Turns) -> None:
    """One, whichever connections brought it, whatever was missing before it."""
    frames = loaded(Track(race, TRADE).frames, turns)
    heard = {
        json.loads(frame.payload)["data"]["t"]
        for frame, level in zip(frames, levels(frames), strict=True)
        if frame.kind is Kind.DATA and level < Level.NO_ROWS
    }
    rows = [row for some in fed(frames) for row in some]
    ids = [row.trade_id for row in rows if isinstance(row, Trade)]
    assert sorted(ids) == sorted(heard)


@settings(max_examples=examples(60), deadline=None)
@given(races(merges=True), TURNS)
def test_a_book_is_the_venues_or_none(race: Race, turns: Turns) -> None:
    """And the venue's again, with a snapshot."""
    track, engine = Track(race, DEPTH), Engine()
    for frame in loaded(track.frames, turns):
        engine.feed(frame)
        check(engine, track)
    track.join(FIRST_ID + len(race.times))
    fed(track.frames[-2:], engine)
    assert engine.book(SYMBOL) is not None
    check(engine, track)


def check(engine: Engine, track: Track) -> None:
    book = engine.book(SYMBOL)
    if book is not None:
        ours = Sides(levels_of(book.bids), levels_of(book.asks))
        assert ours == track.venue.now.at(book.last_update_id)


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from([TRADE, DEPTH]), races(merges=True), TURNS, st.integers(0, 10**6))
def test_a_segment_may_begin_anywhere(topic: str, race: Race, turns: Turns, cut: int) -> None:
    frames = loaded(Track(one_by_one(race) if topic == TRADE else race, topic).frames, turns)
    cut = 1 + cut % len(frames)
    check_segment(frames, cut)
