"""Joining snapshot and stream (protocol section 3.3): the table, random plays, and each rule."""

from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import Book, BookSide
from market.sync_states import TABLE, Act, Event, State
from schemas.check_rows import Audit
from schemas.rows import Depth, Gap
from tests.effort import examples
from tests.market.model_venue import ENGINE_PRICE, ENGINE_QTY, Levels, Sides
from tests.market.moves import Move, plays
from tests.market.oracle import Oracle
from tests.market.play import SYMBOL, Play, Step
from tests.market.row_book import RowBook

TOPICS = (f"depth.{SYMBOL}", f"depth.200ms.{SYMBOL}")


class TestTable:
    """The table of states, against the rules in words."""

    def test_says_something_for_every_event_in_every_state(self) -> None:
        """Total, and nothing beside."""
        assert set(TABLE) == {(state, event) for state in State for event in Event}

    def test_only_a_snapshot_that_joins_makes_a_book_live(self) -> None:
        """And only a gap or a closed connection ends it."""
        for (state, event), (after, _) in TABLE.items():
            joins = event is Event.JOIN and state in (State.BUFFERING, State.STALE)
            stays = state is State.LIVE and event not in (Event.GAP, Event.CLOSE)
            assert (after is State.LIVE) == (joins or stays), (state, event)

    def test_what_is_done_follows_from_the_event_and_from_who_waits(self) -> None:
        """One sentence for each event; a book waits while it is neither live nor unheard of."""
        for (state, event), (_, act) in TABLE.items():
            waits = state in (State.BUFFERING, State.STALE)
            done = {
                Event.OPEN: Act.ASK_LATER if state in (State.EMPTY, State.STALE) else Act.IGNORE,
                Event.DELTA: Act.APPLY if state is State.LIVE else Act.KEEP,
                Event.REPEAT: Act.IGNORE,
                Event.GAP: Act.LOSE,
                Event.JOIN: Act.JOIN if waits else Act.IGNORE,
                Event.BEHIND: Act.ASK_AGAIN if waits else Act.IGNORE,
                Event.CLOSE: Act.FORGET,
            }
            assert act is done[event], (state, event)

    def test_what_is_ignored_changes_nothing(self) -> None:
        """Neither the state."""
        for (state, _), (after, act) in TABLE.items():
            assert act is not Act.IGNORE or after is state

    def test_without_a_connection_nothing_is_heard_of(self) -> None:
        """So that the reply to a request of before cannot make a book live; and whoever is heard
        of waits or lives."""
        for (state, event), (after, act) in TABLE.items():
            stays_out = state is State.EMPTY and act is Act.IGNORE
            assert (after is State.EMPTY) == (event is Event.CLOSE or stays_out), (state, event)

    def test_stale_is_only_what_was_live(self) -> None:
        """A book that never lived is not called stale."""
        for (state, _), (after, _) in TABLE.items():
            assert after is not State.STALE or state in (State.LIVE, State.STALE)


class Watch:
    """Holds the engine to the truth after each step of a play."""

    def __init__(self, topic: str) -> None:
        self.oracle = Oracle(topic)
        self.rows = RowBook()
        self.play = Play(topic, self.check)

    def check(self, step: Step) -> None:
        """All claims about one step."""
        was_live = self.oracle.live
        said = self.oracle.see(step)
        self.rows.take(step.rows)
        book = self.play.engine.book(SYMBOL)
        assert (book is not None) == self.oracle.live
        assert [row for row in step.rows if isinstance(row, Gap | Audit)] == said
        if book is None:
            assert (self.rows.bids, self.rows.asks) == ({}, {})
        else:
            self.check_book(book)
        if was_live and self.oracle.live:
            assert not any(isinstance(r, Depth) and r.action != "update" for r in step.rows)

    def check_book(self, book: Book) -> None:
        """A live book is the venue's at its id; so is the one made of rows."""
        assert self.oracle.at is not None
        assert book.last_update_id == self.oracle.at.id
        era = self.play.venue.era_of(book.last_update_id)
        bids, asks = era.at(book.last_update_id)
        assert Sides(levels_of(book.bids), levels_of(book.asks)) == Sides(bids, asks)
        assert self.rows.bids == {p * ENGINE_PRICE: q * ENGINE_QTY for p, q in bids.items()}
        assert self.rows.asks == {p * ENGINE_PRICE: q * ENGINE_QTY for p, q in asks.items()}
        assert [level.price for level in book.bids.top()] == [
            p * ENGINE_PRICE for p in sorted(bids, reverse=True)
        ]
        assert [level.price for level in book.asks.top()] == [
            p * ENGINE_PRICE for p in sorted(asks)
        ]

    def check_asked(self) -> None:
        """Whoever waits has asked, and has not been forgotten."""
        state = self.play.engine.book_state(self.play.topic)
        if state in (State.BUFFERING, State.STALE):
            assert self.play.asked or self.play.is_flying(self.oracle.conn)


def levels_of(side: BookSide) -> Levels:
    """A side of a book in ticks; fails if it is not whole ticks."""
    result = {}
    for price, qty in side.top():
        assert price % ENGINE_PRICE == 0
        assert qty % ENGINE_QTY == 0
        result[price // ENGINE_PRICE] = qty // ENGINE_QTY
    return result


@settings(max_examples=examples(100), deadline=None)
@given(st.sampled_from(TOPICS), plays())
def test_a_live_book_is_the_venues_whatever_happens(topic: str, moves: list[Move]) -> None:
    """At each step: live exactly when protocol section 3.3 says so; then equal to the true book at
    its id, level for level, and so is the book made of rows; gap rows exactly where something is
    missing and where that ends; comparisons exactly where they can be made, and they agree. At the
    end, when the venue behaves again, the book lives."""
    watch = Watch(topic)
    for move in moves:
        watch.play.do(move)
        watch.check_asked()
    watch.play.settle()
    assert watch.play.engine.book(SYMBOL) is not None
