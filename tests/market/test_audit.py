"""The book beside bookTickers and REST snapshots: a dumb model, the real material, each rule."""

import json
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.audits import KEPT_LIMIT
from market.touches import TOUCHES, WAITING
from schemas.check_rows import Audit
from schemas.rows import Gap, Row
from tests.effort import examples
from tests.market.audit_model import AuditModel, Best, Delta, Different, Side, Sides
from tests.market.hand import SYMBOL, Hand, Texts
from tests.shared import needs_shared, sample_texts

BASE = 100
PRICES = [Decimal(n) / 10 for n in range(995, 1006)]  # few, so that they meet
QTYS = [Decimal(n) for n in (0, 0, 1, 2, 30)]
CENTS = Decimal("0.01")
STEP_NS = 4_000_000_000  # between frames

_SIDE = st.dictionaries(st.sampled_from(PRICES), st.sampled_from(QTYS), max_size=2)


class Change(NamedTuple):
    """The venue's book changes, over so many ids; it is not sent yet."""

    ids: int
    bids: Side
    asks: Side


class Deliver(NamedTuple):
    """The oldest changes that were not sent arrive."""

    frames: int


class Quote(NamedTuple):
    """A bookTicker of the state ``back`` states ago, or of an id that nothing has."""

    back: int
    wrong: Best | None
    skew: int
    copies: int


class Ask(NamedTuple):
    """A snapshot is asked for."""


class Reply(NamedTuple):
    """It comes, of the state ``back`` states ago; cut off after some levels; some of them wrong."""

    back: int
    limit: int | None
    bids: Side
    asks: Side


class Fail(NamedTuple):
    """It does not come."""


class Rejoin(NamedTuple):
    """The connection ends; snapshots that join are cut off after some levels from here on."""

    limit: int | None


Move = Change | Deliver | Quote | Ask | Reply | Fail | Rejoin

_BEST = st.tuples(st.sampled_from(PRICES), st.sampled_from(QTYS[2:]))
_CHANGE = st.builds(Change, st.sampled_from([1, 1, 1, 1, 3]), _SIDE, _SIDE)
_DELIVER = st.builds(Deliver, st.integers(1, 3))
_QUOTE = st.builds(
    Quote, st.integers(0, 4), st.one_of(st.none(), st.none(), st.none(), _BEST),
    st.sampled_from([0, 0, 0, 1, -1]), st.sampled_from([1, 1, 2, 70]),
)  # fmt: skip
_NO_SIDE: st.SearchStrategy[Side] = st.just({})
_REPLY = st.builds(
    Reply, st.integers(0, 4), st.sampled_from([None, None, 1, 2, 3]),
    st.one_of(_NO_SIDE, _NO_SIDE, _SIDE), _NO_SIDE,
)  # fmt: skip
_SCENE: st.SearchStrategy[tuple[Move, ...]] = st.one_of(
    st.tuples(_CHANGE, _DELIVER),
    st.tuples(_CHANGE, _QUOTE, _DELIVER),
    st.tuples(_CHANGE, _CHANGE, _DELIVER, _QUOTE),
    st.tuples(st.just(Ask()), _CHANGE, _DELIVER, _REPLY, _DELIVER),
    st.tuples(_CHANGE, st.just(Ask()), _REPLY),
    st.tuples(_CHANGE, st.just(Ask()), _REPLY, _CHANGE, st.just(Ask()), _REPLY),
    st.tuples(st.builds(Rejoin, st.sampled_from([None, 1, 2]))),
    st.tuples(st.one_of(_QUOTE, _REPLY, st.just(Ask()), st.just(Fail()))),
)
MOVES = st.lists(_SCENE, max_size=25).map(lambda scenes: [m for scene in scenes for m in scene])


def padded(side: Side) -> Texts:
    """As the websocket writes levels."""
    return [(str(p.quantize(CENTS)), str(q.quantize(CENTS))) for p, q in side.items()]


class Trial:
    """An engine and the model beside each other; three frames take so long that a book should have
    got where the venue was."""

    def __init__(self) -> None:
        start = Sides({PRICES[4]: Decimal(5)}, {PRICES[6]: Decimal(7)})
        self.model = AuditModel(BASE, start)
        self.hand = Hand(step_ns=STEP_NS)
        self.hand.subscribe()
        self.unsent: list[Delta] = []
        self.flying = 0
        self.limit: int | None = None
        self.rejoin()

    @property
    def now(self) -> int:
        """When the next frame will arrive."""
        return (self.hand.stamper.seq + 1) * STEP_NS

    def do(self, move: Move) -> None:
        """One move on both sides."""
        match move:
            case Change(ids, bids, asks):
                delta = Delta(self.model.last + 1, self.model.last + ids, bids, asks)
                self.model.change(delta)
                self.unsent.append(delta)
            case Deliver(frames):
                for _ in range(min(frames, len(self.unsent))):
                    if self.unsent:  # or a snapshot has joined meanwhile
                        self.deliver(self.unsent.pop(0))
            case Quote():
                for _ in range(move.copies):
                    self.quote(move)
            case Ask():
                self.flying += 1
                self.model.ask()
                assert self.hand.ask()
            case Reply() if self.flying == 1:
                self.reply(move)
            case Fail() if self.flying == 1:
                self.flying = 0
                self.model.fail()
                assert audits(self.hand.fail(500)) == []
            case Rejoin(limit):
                self.limit = limit
                self.model.lose()
                self.hand.close()
                self.hand.subscribe()
                self.rejoin()
        assert self.hand.engine.audited == self.model.audited
        assert self.hand.engine.unaudited == self.model.unaudited
        assert self.hand.id == self.model.id

    def deliver(self, delta: Delta) -> None:
        """A delta arrives."""
        if self.model.id is None or delta.first <= self.model.id:
            return
        different = self.model.deliver(delta)
        found = [different] if different else []
        compared = self.model.conclude() if self.model.id is not None else None
        self.model.despair(self.now)
        rows = self.hand.delta(
            delta.first, delta.last, bids=padded(delta.bids), asks=padded(delta.asks)
        )
        self.check(rows, [*found, *([compared] if compared else [])])

    def quote(self, move: Quote) -> None:
        """A bookTicker arrives."""
        ids = sorted(self.model.history)
        update_id = ids[max(0, len(ids) - 1 - move.back)]
        bid, ask = self.model.history[update_id].touch
        bid = move.wrong if move.wrong else bid
        different = self.model.quote(update_id + move.skew, (bid, ask), self.now)
        bids, asks = ([None] if b is None else padded(dict([b])) for b in (bid, ask))
        rows = self.hand.quote(update_id + move.skew, bids[0], asks[0])
        self.check(rows, [different] if different else [])

    def reply(self, move: Reply) -> None:
        """A snapshot arrives."""
        ids = sorted(self.model.history)
        last = ids[max(0, len(ids) - 1 - move.back)]
        bids, asks = self.model.history[last].changed(move.bids, move.asks)
        shown = cut_off(Sides(bids, asks), move.limit)
        self.flying = 0
        wanted, compared = self.model.reply(last, shown, self.now)
        self.hand.wanted()
        rows = self.hand.reply(last, bids=padded(shown.bids), asks=padded(shown.asks))
        assert (self.hand.wanted() != []) == (wanted or bool(compared and compared.levels))
        self.check(rows, [compared] if compared else [])

    def check(self, rows: list[Row], expected: list[Different]) -> None:
        """Audit rows to the last column, and a gap begins exactly where something differs."""
        assert audits(rows) == expected
        gaps = [row.cause for row in rows if isinstance(row, Gap) and row.state == "open"]
        assert gaps == ["audit" for found in expected if found.levels]
        if self.model.id is None:
            self.rejoin()

    def rejoin(self) -> None:
        """A snapshot joins, of the present."""
        last = self.model.last
        shown = cut_off(self.model.history[last], self.limit)
        for _ in range(self.flying):
            self.hand.fail(500)
        self.flying = 0
        self.hand.join(last, bids=padded(shown.bids), asks=padded(shown.asks))
        self.model.join(last, shown)
        self.unsent.clear()


def cut_off(book: Sides, limit: int | None) -> Sides:
    """As a snapshot with so many levels a side shows it."""
    bids, asks = sorted(book.bids.items(), reverse=True), sorted(book.asks.items())
    return Sides(dict(bids[:limit]), dict(asks[:limit]))


def audits(rows: list[Row]) -> list[Different]:
    """What audit rows say, in whole units."""
    return [
        Different(
            row.levels, best(row.bid_price, row.bid_qty), best(row.ask_price, row.ask_qty),
            best(row.venue_bid_price, row.venue_bid_qty),
            best(row.venue_ask_price, row.venue_ask_qty),
        )
        for row in rows
        if isinstance(row, Audit)
    ]  # fmt: skip


def best(price: int | None, qty: int | None) -> Best:
    """A level in whole units."""
    if price is None or qty is None:
        assert price is qty is None
        return None
    return Decimal(price).scaleb(-9), Decimal(qty).scaleb(-6)


@settings(max_examples=examples(200), deadline=None)
@given(MOVES)
def test_what_differs_is_found_and_nothing_else(moves: list[Move]) -> None:
    """Quotes early, late, copied, of ids that were leapt over, wrong; snapshots ahead, behind, cut
    off, wrong. After each: the rows, the count of comparisons, and where the book stands."""
    trial = Trial()
    for move in moves:
        trial.do(move)


def live(step_ns: int = 1_000_000) -> Hand:
    """A live book at id 100, whose bookTicker is followed."""
    hand = Hand(step_ns=step_ns)
    hand.subscribe()
    hand.join(100, bids=[("9", "1")], asks=[("11", "1")])
    assert audits(hand.quote(100, ("9", "1"), ("11", "1"))) == []
    return hand


def test_what_is_remembered_is_bounded() -> None:
    """Of early ones those of the highest ids, of late ones the newest changes of the touch."""
    early = live()
    for update_id in range(101, 101 + WAITING + 1):
        early.quote(update_id, ("8", "1"), None)
    assert audits(early.delta(101)) == []
    assert len(audits(early.delta(102))) == 1
    late = live()
    for update_id in range(101, 101 + TOUCHES):
        late.delta(update_id, bids=[("9.00", f"{update_id}.00")])
    assert audits(late.quote(100, ("8", "1"), None)) == []
    assert len(audits(late.quote(101, ("8", "1"), None))) == 1


def test_a_systematic_mismatch_is_no_storm() -> None:
    """The venue quotes what its depth does not have: snapshots are asked for ever more rarely."""
    hand, delays = live(), []
    for _ in range(6):
        hand.quote(100, ("8", "1"), None)
        delays += hand.wanted()
        hand.join(100, bids=[("9", "1")], asks=[("11", "1")])
    assert delays == [500, 1_000, 2_000, 4_000, 8_000, 16_000]


def test_a_mismatch_ends_with_the_next_join() -> None:
    """Rows of the frame that showed it, and of the snapshot that joined."""
    hand = live()
    rows = hand.quote(100, ("9", "2"), ("11", "1"))
    assert [row.TABLE for row in rows] == ["book_ticker", "audit", "gap", "depth"]
    assert hand.id is None
    ended = hand.join(100, bids=[("9", "2")], asks=[("11", "1")])[1]
    assert isinstance(ended, Gap)
    assert (ended.cause, ended.state, ended.resync_id) == ("audit", "resynced", 100)


@pytest.mark.parametrize(
    ("bid", "ask"), [((None, "1"), ("11", "1")), (("9", None), ("11", "1"))], ids=["price", "qty"]
)
def test_half_a_side_is_not_compared(bid: tuple[Any, Any], ask: tuple[str, str]) -> None:
    """Nobody knows what it says."""
    hand = live()
    assert audits(hand.quote(100, bid, ask)) == []
    assert hand.id == 100
    assert hand.engine.audited == 1


def test_a_quantity_of_zero_is_an_empty_side() -> None:
    """As in depth: there is no level."""
    hand = live()
    hand.delta(101, asks=[("11", "0")])
    assert audits(hand.quote(101, ("9", "1"), ("12", "0.00"))) == []
    assert hand.engine.audited == 2


def test_a_throttled_book_is_compared_too() -> None:
    """All streams of a market share the numbering: with what is quoted of the ids that end a frame,
    be it early or late, and with snapshots."""
    hand = Hand(f"depth.200ms.{SYMBOL}")
    hand.subscribe()
    hand.join(100, bids=[("9", "1")])
    assert audits(hand.quote(102, ("8", "1"), None)) == []
    assert audits(hand.quote(103, ("9", "2"), None)) == []
    assert audits(hand.delta(101, 103, bids=[("9", "2")])) == []
    assert audits(hand.quote(102, ("8", "1"), None)) == []
    hand.ask()
    hand.delta(104, 108, bids=[("9", "3")])
    assert audits(hand.reply(107, bids=[("9", "7")])) == [Different(0, None, None, None, None)]
    assert audits(hand.quote(108, ("9", "4"), None)) == [
        Different(1, best(9 * 10**9, 3 * 10**6), None, best(9 * 10**9, 4 * 10**6), None)
    ]
    assert hand.engine.audited == 3
    assert hand.engine.book_state(hand.topic) == "stale"


def test_a_bookticker_is_compared_with_each_book_of_its_market() -> None:
    """Whichever is heard of first."""
    hand = live()
    slow = Hand(f"depth.200ms.{SYMBOL}")
    slow.engine, slow.stamper = hand.engine, hand.stamper
    slow.subscribe()
    slow.join(100, bids=[("9", "1")], asks=[("11", "1")])
    rows = hand.quote(100, ("8", "1"), ("11", "1"))
    assert [row.topic for row in rows if isinstance(row, Audit)] == [hand.topic, slow.topic]


@pytest.mark.parametrize("topic", [f"depth.{SYMBOL}", f"depth.1000ms.{SYMBOL}"])
def test_a_stream_that_has_stopped_is_found_by_bookticker(topic: str) -> None:
    """Not by how many are ahead, of which a throttled stream has many, nor by how long one was,
    which may be of an id that never comes; but by both."""
    hand = Hand(topic, step_ns=10_000_000)  # ten seconds are a thousand frames
    hand.subscribe()
    hand.join(100, bids=[("9", "1")], asks=[("11", "1")])
    rows = [row for n in range(2_000) for row in hand.quote(101 + n, ("8", "1"), ("11", "1"))]
    (audit,) = [row for row in rows if isinstance(row, Audit)]
    assert (audit.source, audit.levels) == ("bookTicker", 1)
    assert audit.update_id == 101 + 1_001  # that of the venue, more than ten seconds on
    assert hand.engine.book_state(topic) == "stale"


@pytest.mark.parametrize("absurd", [10**15, 150])
def test_one_id_that_nothing_has_stops_no_stream(absurd: int) -> None:
    """However long it waits, and however early all others are."""
    hand = live(step_ns=4_000_000_000)
    hand.quote(absurd, ("1", "1"), None)
    for update_id in range(101, 140):
        assert audits(hand.quote(update_id, ("9", f"{update_id}"), ("11", "1"))) == []
        assert audits(hand.delta(update_id, bids=[("9.00", f"{update_id}.00")])) == []
    assert hand.engine.audited == 1 + 39


def test_a_touch_that_has_come_back_stops_no_stream() -> None:
    """There is nothing to correct, and what is beyond it a bookTicker does not say."""
    hand = live(step_ns=4_000_000_000)
    for update_id in range(101, 301):
        assert audits(hand.quote(update_id, ("9", "1"), ("11", "1"))) == []
    assert hand.id == 100


def test_a_stream_that_has_stopped_is_found_by_the_second_snapshot() -> None:
    """The first one is only ahead, which is usual. What differs is said as it stands, at the id of
    the snapshot; the book is lost, and made anew."""
    hand = live(step_ns=11_000_000_000)
    hand.ask()
    assert audits(hand.reply(103, bids=[("9", "2")], asks=[("11", "1")])) == []
    hand.ask()
    rows = hand.reply(105, bids=[("9", "3")], asks=[("11", "1")])
    (found,) = [row for row in rows if isinstance(row, Audit)]
    assert (found.levels, found.update_id, found.bid_qty, found.venue_bid_qty) == (
        1, 105, 1_000_000, 3_000_000,
    )  # fmt: skip
    assert [row.cause for row in rows if isinstance(row, Gap)] == ["audit"]
    assert hand.id is None
    assert hand.wanted() == [500]
    assert (hand.engine.audited, hand.engine.unaudited) == (2, 1)


def test_ids_that_changed_nothing_are_no_finding() -> None:
    """A book that is behind by them is the venue's."""
    hand = live(step_ns=11_000_000_000)
    for last in (103, 105, 105):
        hand.ask()
        rows = hand.reply(last, bids=[("9", "1")], asks=[("11", "1")])
    assert audits(rows) == [Different(0, None, None, None, None)]
    assert hand.id == 100
    assert audits(hand.delta(101)) == []


def test_snapshots_one_after_another_are_no_evidence() -> None:
    """Of a stream that is a little late."""
    hand = live()
    for last in (103, 105, 107):
        hand.ask()
        assert audits(hand.reply(last, bids=[("9", "3")], asks=[("11", "1")])) == []
    assert hand.id == 100


def test_an_absurd_snapshot_is_given_up() -> None:
    """The book goes on and gets nowhere near it; the next audit is none the worse."""
    hand = live(step_ns=3_000_000_000)
    hand.ask()
    hand.reply(10**15, bids=[("1", "1")])
    for update_id in range(101, 105):
        hand.delta(update_id)
        assert hand.engine.unaudited == (update_id == 104)
    for last in (105, 106):
        hand.ask()
        assert audits(hand.reply(last, bids=[("9", "1")], asks=[("11", "1")])) == []
        assert audits(hand.delta(last)) == [Different(0, None, None, None, None)]


def test_what_a_snapshot_did_not_show_is_no_difference() -> None:
    """Of a market deeper than the reply, of which other levels are seen as the best ones go. What
    deltas have told since is known, and is compared."""
    asks = [(str(price), "1") for price in range(101, 107)]
    hand = Hand()
    hand.subscribe()
    hand.join(10, asks=asks[:3])
    hand.delta(11, asks=[("101", "0")])
    hand.delta(12, asks=[("106", "1")])
    hand.ask()
    assert audits(hand.reply(12, asks=asks[1:])) == [Different(0, None, None, None, None)]
    hand.delta(13, asks=[("106", "2")])
    hand.ask()
    (found,) = audits(hand.reply(13, asks=asks[1:]))
    assert (found.levels, found.ask) == (1, best(106 * 10**9, 2 * 10**6))


@pytest.mark.parametrize("end", ["failed", "lost", "superseded"])
def test_audits_that_come_to_nothing_are_counted(end: str) -> None:
    """Nothing else would tell of them."""
    hand = live()
    hand.ask()
    if end == "failed":
        hand.fail(500)
    elif end == "lost":
        hand.delta(105)
    else:
        hand.reply(103)
        hand.ask()
    assert (hand.engine.audited, hand.engine.unaudited) == (1, 1)


def test_deltas_are_kept_for_a_while_only() -> None:
    """An answer that does not come costs no more memory than that; the next request is answered."""
    hand = Hand()
    hand.subscribe()
    hand.join(100)
    hand.ask()
    for update_id in range(101, 101 + KEPT_LIMIT + 1):
        hand.delta(update_id)
    assert audits(hand.reply(101)) == []
    hand.ask()
    assert len(audits(hand.reply(100 + KEPT_LIMIT + 1))) == 1


@needs_shared
def test_observed_quotes_agree_with_observed_depth() -> None:
    """The two contiguous runs of the samples (fact 9: the last quote is four frames early). What
    was beside the touch is not known; the books here begin with what the first frames show."""
    texts = [text for text in sample_texts("frames") if '"s":"SOL_USDC"' in text]
    for first, last, bid, ask in (
        (4330360995, 4330361002, ("98.96", "288.77"), ("98.97", "1")),
        (4330361031, 4330361035, ("98.96", "1"), ("98.97", "38.42")),
    ):
        hand = Hand()
        hand.subscribe()
        hand.join(first - 1, bids=[bid], asks=[ask])
        run = [text for text in texts if first <= json.loads(text)["data"].get("u", 0) <= last]
        rows = [row for text in run for row in hand.data(text)]
        assert {row.TABLE for row in rows} == {"book_ticker", "depth"}
        assert (hand.id, hand.engine.audited) == (last, sum('"bookTicker"' in t for t in run))


def test_the_worst_level_of_a_snapshot_is_known() -> None:
    """That it has gone is known too, on either side; what is next to it is not."""
    hand = Hand()
    hand.subscribe()
    hand.join(10, bids=[("9", "1"), ("8", "1")], asks=[("11", "1"), ("12", "1")])
    hand.delta(11, bids=[("8", "0")], asks=[("12", "0")])
    hand.ask()
    (found,) = audits(
        hand.reply(
            11,
            bids=[("9", "1"), ("8", "1"), ("7", "1")],
            asks=[("11", "1"), ("12", "1"), ("13", "1")],
        )
    )
    assert (found.levels, found.bid, found.ask) == (2, None, None)
    assert found.venue_bid == best(8 * 10**9, 10**6)
    assert found.venue_ask == best(12 * 10**9, 10**6)


def test_a_new_book_has_all_the_time_to_get_where_the_venue_was() -> None:
    """It may join below an id that the one before did not get to."""
    hand = live(step_ns=11_000_000_000)
    hand.ask()
    hand.reply(103, bids=[("9", "2")], asks=[("11", "1")])
    hand.close()
    hand.subscribe()
    hand.join(101, bids=[("9", "1")], asks=[("11", "1")])
    hand.ask()
    assert audits(hand.reply(103, bids=[("9", "2")], asks=[("11", "1")])) == []
    assert hand.id == 101
