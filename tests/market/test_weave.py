"""Several connections at once, against what a single one that loses nothing would have brought."""

import os
from collections.abc import Iterable

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from market.engine import Engine
from schemas.frames import Frame, Kind, MessagesCopied, to_json
from schemas.rows import Depth, Gap, Row, Trade
from tests.market import relay
from tests.market.hand import SYMBOL
from tests.market.model_venue import FIRST_ID, Change, ModelVenue, Sides, delta, snapshot
from tests.market.relay import Arrival, Race, Taper, arrivals, holes, races
from tests.market.stamps import depth_path, event
from tests.market.test_rolls import head
from tests.market.test_sync import levels_of

TRADE, DEPTH = f"trade.{SYMBOL}", f"depth.{SYMBOL}"
FIRST_TRADE = 1_000
NO_COPIES = to_json(MessagesCopied([], [], [], []))  # a frame about no stream
EXAMPLES = 3_000 if os.environ.get("SOAK") else 40


def trade(number: int) -> bytes:
    """All that a server says of a trade but for when it does."""
    members = {"p": "1", "q": "1", "m": True, "a": "1", "b": "2", "E": 9, "T": 5 + number}
    return event(TRADE, e="trade", s=SYMBOL, t=FIRST_TRADE + number, **members).encode()


def changes(count: int) -> tuple[ModelVenue, list[Change]]:
    """What happens to a book, a level at a time."""
    venue = ModelVenue()
    made = [venue.change({90 + n % 7: n % 5}, {101 + n % 6: n % 4}, 1) for n in range(count)]
    return venue, made


class Track:
    """The frames of a race of trades, or of depth: then with a snapshot once the first has come."""

    def __init__(self, race: Race, topic: str) -> None:
        self.race, self.topic = race, topic
        self.found = arrivals(race)
        self.venue, self._changes = changes(len(race.times))
        self.taper = Taper(topic)
        self._joined = False
        for one in self.found:
            self._put(one)
        last = max(race.times) + 5_000
        self.taper.note(last, Kind.COPIES, NO_COPIES)

    @property
    def frames(self) -> list[Frame]:
        return self.taper.frames

    def _put(self, one: Arrival) -> None:
        match one.order:
            case relay.OPENED:
                self.taper.open(one.ms, one.conn)
            case relay.CLOSED:
                self.taper.close(one.ms, one.conn)
            case relay.LOOKED:
                self.taper.note(one.ms, Kind.COPIES, NO_COPIES)
            case _:
                self.taper.note(one.ms, Kind.DATA, self._message(one), one.conn)
                self._begin(one.ms)

    def _message(self, one: Arrival) -> bytes:
        if self.topic == TRADE:
            return trade(one.first)
        some = self._changes[one.first : one.last + 1]
        return delta(DEPTH, some).text.encode()

    def _begin(self, ms: int) -> None:
        if self.topic == DEPTH and not self._joined:
            self._joined = True
            self.join(FIRST_ID, ms)

    def join(self, update_id: int, ms: int = 10**6) -> None:
        """A snapshot is asked for, and comes."""
        self.taper.note(ms, Kind.REQUEST, b"", topic=depth_path(SYMBOL))
        body = snapshot(self.venue.now, update_id)
        self.taper.note(ms, Kind.REPLY, body, topic=depth_path(SYMBOL))


def fed(frames: list[Frame], engine: Engine | None = None) -> list[list[Row]]:
    """Rows of each frame; all are stamped as the frame that made them."""
    engine, made = engine or Engine(), []
    for frame in frames:
        made.append(engine.feed(frame))
        assert {(row.seq, row.ts_recv) for row in made[-1]} <= {(frame.seq, frame.ts_recv)}
    return made


def shown(rows: list[Row]) -> list[tuple[object, ...]]:
    """Gaps that begin."""
    return [
        (r.cause, r.expected_id, r.received_id, r.missing)
        for r in rows
        if isinstance(r, Gap) and r.state == "open"
    ]


def books_equal(engine: Engine, venue: ModelVenue, update_id: int) -> bool:
    """Whether the live book is the true one."""
    book = engine.book(SYMBOL)
    assert book is not None
    assert book.last_update_id == update_id
    return Sides(levels_of(book.bids), levels_of(book.asks)) == venue.now.at(update_id)


@settings(max_examples=EXAMPLES, deadline=None)
@given(races(merges=False))
def test_trades_are_those_that_any_connection_brought_in_order(race: Race) -> None:
    """And gaps are exactly the ids that none did."""
    track = Track(race, TRADE)
    rows = [row for made in fed(track.frames) for row in made]
    came = {FIRST_TRADE + one.first for one in track.found if one.order == relay.CAME}
    assert [row.trade_id for row in rows if isinstance(row, Trade)] == sorted(came)
    expected = [
        ("trade_ids", FIRST_TRADE + a, FIRST_TRADE + b + 1, b - a + 1)
        for a, b in holes(track.found)
    ]
    assert shown(rows) == expected
    assert not [row for row in rows if isinstance(row, Gap) and row.state != "open"]


@settings(max_examples=EXAMPLES, deadline=None)
@given(races(merges=True))
def test_a_book_is_lost_only_for_what_no_connection_brought(race: Race) -> None:
    """Whatever the servers merge, and whoever is open: it is the venue's at the end, and was never
    cleared or asked for again where every id came."""
    track, engine = Track(race, DEPTH), Engine()
    rows = [row for made in fed(track.frames, engine) for row in made]
    first, missing = FIRST_ID + 1, holes(track.found)
    expected = [("depth_ids", first + a, first + b + 1, b - a + 1) for a, b in missing]
    assert shown(rows) == expected
    newest = max(first + one.last for one in track.found if one.order == relay.CAME)
    if missing:
        assert engine.book(SYMBOL) is None
        track.join(newest)
        fed(track.frames[-2:], engine)
    else:
        cleared = [row for row in rows if isinstance(row, Depth) and row.action == "clear"]
        assert len(cleared) == 1  # as it began
        assert len(engine.take_requests()) <= 2
    assert books_equal(engine, track.venue, newest)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from([TRADE, DEPTH]), races(merges=True), st.integers(0, 10**6))
def test_a_segment_may_begin_while_messages_wait(topic: str, race: Race, cut: int) -> None:
    if topic == TRADE:
        race = one_by_one(race)
    frames = Track(race, topic).frames
    silent = [at for at, rows in enumerate(fed(frames), 1) if not rows]  # something waits, mostly
    cut = silent[cut % len(silent)] if silent else 1 + cut % len(frames)
    check_segment(frames, cut)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(races(merges=False), races(merges=True))
def test_a_stream_does_not_depend_on_others(trades: Race, depth: Race) -> None:
    """So a selection of streams makes the rows that all together would."""
    one, other = Track(trades, TRADE).frames, Track(depth, DEPTH).frames
    beside = [frame for frame in other if frame.kind in (Kind.DATA, Kind.REQUEST, Kind.REPLY)]
    both = numbered(sorted([*one, *beside], key=lambda frame: frame.ts_mono))
    alone = [frame for frame in both if frame.kind is not Kind.DATA or is_of(frame, TRADE)]
    assert about(fed(both), TRADE) == about(fed(alone), TRADE)


def check_segment(frames: list[Frame], cut: int) -> None:
    """A segment begins behind so many frames: a fresh engine from its head on, the one that goes
    on, and one that never heard of it make the same of the rest."""
    never, same, fresh = Engine(), Engine(), Engine()
    fed(frames[:cut], never)
    fed(frames[:cut], same)
    begin = head(same, frames[cut - 1])
    fed(begin, same)
    fed(begin, fresh)
    assert same.digest() == fresh.digest()
    rows = fed(frames[cut:], same)
    assert rows == fed(frames[cut:], fresh) == fed(frames[cut:], never)
    assert same.digest() == fresh.digest()


def one_by_one(race: Race) -> Race:
    """A trade is a message."""
    return race._replace(runners=[one._replace(sizes=[1]) for one in race.runners])


def numbered(frames: Iterable[Frame]) -> list[Frame]:
    return [msgspec.structs.replace(frame, seq=at) for at, frame in enumerate(frames, 1)]


def is_of(frame: Frame, topic: str) -> bool:
    return frame.kind is Kind.DATA and topic.encode() in frame.payload


def about(made: list[list[Row]], topic: str) -> list[Row]:
    """Rows of one stream."""
    rows = [row for some in made for row in some]
    return [r for r in rows if isinstance(r, Trade) or (isinstance(r, Gap) and r.topic == topic)]
