"""The order book against a plain dict and ``sorted()``."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from market.book import Book, BookSide, Level
from schemas.numbers import pretty_price, pretty_qty
from tests.effort import examples

# Few prices, so that levels meet; around zero, where a sign could go wrong; and two large ones.
PRICES = st.one_of(st.integers(-3, 8), st.sampled_from([10**17, 10**18 - 1]))
QTYS = st.one_of(st.just(0), st.integers(1, 5), st.just(10**18 - 1))
LEVELS = st.lists(st.tuples(PRICES, QTYS), max_size=12)


class Sides(RuleBasedStateMachine):
    """A bid side and an ask side, each beside a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def pair(self, is_bid: bool) -> tuple[BookSide, dict[int, int]]:
        """A side and its model."""
        return (self.book.bids, self.bids) if is_bid else (self.book.asks, self.asks)

    @initialize(bids=LEVELS, asks=LEVELS)
    def begin(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """A snapshot on either side."""
        self.load(True, bids)
        self.load(False, asks)

    @rule(is_bid=st.booleans(), levels=LEVELS)
    def load(self, is_bid: bool, levels: list[tuple[int, int]]) -> None:
        """Replaces all; of one price twice the last counts."""
        side, model = self.pair(is_bid)
        side.load(iter(levels))
        model.clear()
        model.update(levels)
        for price in [price for price, qty in model.items() if qty == 0]:
            del model[price]

    @rule(is_bid=st.booleans(), price=PRICES, qty=QTYS)
    def set(self, is_bid: bool, price: int, qty: int) -> None:
        """An absolute quantity; zero deletes, also what is not there."""
        side, model = self.pair(is_bid)
        side.set(price, qty)
        model[price] = qty
        if qty == 0:
            del model[price]

    @rule(is_bid=st.booleans(), data=st.data(), qty=QTYS)
    def change_a_level_that_is_there(self, is_bid: bool, data: st.DataObject, qty: int) -> None:
        """So that deletes and changes are not left to luck."""
        model = self.pair(is_bid)[1]
        if model:
            self.set(is_bid, data.draw(st.sampled_from(sorted(model))), qty)

    @rule(is_bid=st.booleans())
    def clear_a_side(self, is_bid: bool) -> None:
        """One side goes, the other stays."""
        side, model = self.pair(is_bid)
        side.clear()
        model.clear()

    @rule()
    def clear(self) -> None:
        """Both sides, id and time."""
        self.book.last_update_id = 7
        self.book.ts_engine = 8
        self.book.clear()
        self.bids.clear()
        self.asks.clear()
        assert self.book.last_update_id == 0
        assert self.book.ts_engine is None

    @rule(is_bid=st.booleans(), count=st.integers(0, 14))
    def top(self, is_bid: bool, count: int) -> None:
        """The best so many, best first."""
        side, model = self.pair(is_bid)
        assert side.top(count) == sorted(model.items(), reverse=is_bid)[:count]

    @invariant()
    def sides_are_their_models(self) -> None:
        """All levels in order, the best, each quantity, and the length."""
        for is_bid in (True, False):
            side, model = self.pair(is_bid)
            expected = sorted(model.items(), reverse=is_bid)
            assert side.top() == expected
            assert side.best == (expected[0] if expected else None)
            assert len(side) == len(model)
            assert [side.qty_at(p) for p in range(-3, 9)] == [model.get(p, 0) for p in range(-3, 9)]

    @invariant()
    def the_touch_is_the_models(self) -> None:
        """None with an empty side; negative where bids are above asks."""
        best_bid = max(self.bids, default=None)
        best_ask = min(self.asks, default=None)
        bid, ask, spread = self.book.best_bid, self.book.best_ask, self.book.spread
        assert (bid and bid.price) == best_bid
        assert (ask and ask.price) == best_ask
        if best_bid is None or best_ask is None:
            assert spread is None
        else:
            assert spread == best_ask - best_bid


Sides.TestCase.settings = settings(max_examples=examples(75), stateful_step_count=30, deadline=None)
TestSides = Sides.TestCase


def test_a_crossed_book_is_shown_as_it_is() -> None:
    """Nothing is hidden or mended: a venue that sends it is to be seen."""
    book = Book()
    book.bids.set(101, 1)
    book.asks.set(100, 1)
    assert (book.best_bid, book.best_ask, book.spread) == (Level(101, 1), Level(100, 1), -1)


@given(st.integers(0, 10**18 - 1), st.integers(0, 10**18 - 1))
def test_a_level_reads_well(price: int, qty: int) -> None:
    """For people."""
    assert Level(price, qty).pretty == f"{pretty_qty(qty)} @ {pretty_price(price)}"


def test_what_top_gives_is_the_readers_own() -> None:
    """Changing the list changes no book, and the book's changes do not change the list."""
    side = BookSide(1)
    side.load([(1, 1), (2, 2)])
    levels = side.top()
    side.set(2, 0)
    assert levels == [(2, 2), (1, 1)]
    levels.clear()
    assert side.top() == [(1, 1)]
