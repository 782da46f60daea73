"""Two real captures, against a book of dicts and ``Decimal`` made from the same texts."""

import json
from decimal import Decimal

import pytest

from market.book import BookSide
from tests.market.captures import SYMBOLS, fed
from tests.shared import CAPTURES, SPLIT, WHOLE, capture_frames, capture_shots, needs_shared

pytestmark = needs_shared

Side = dict[Decimal, Decimal]


class DecimalBook:
    """What one reads in protocol section 3.1, done literally."""

    def __init__(self, name: str, symbol: str) -> None:
        (shot,) = [shot for shot in capture_shots(name) if shot.symbol == symbol]
        body = json.loads(shot.body)
        self.last = int(body["lastUpdateId"])
        self.bids: Side = {Decimal(p): Decimal(q) for p, q in body["bids"]}
        self.asks: Side = {Decimal(p): Decimal(q) for p, q in body["asks"]}
        for arrival in capture_frames(name):
            if f'"stream":"depth.{symbol}"' in arrival.text:
                self.apply(json.loads(arrival.text)["data"])

    def apply(self, data: dict[str, list[tuple[str, str]]]) -> None:
        """A delta."""
        last = int(str(data["u"]))
        if last <= self.last:
            return
        assert int(str(data["U"])) <= self.last + 1
        self.last = last
        for side, changes in ((self.bids, data["b"]), (self.asks, data["a"])):
            for price, qty in changes:
                side[Decimal(price)] = Decimal(qty)

    def resting(self, side: Side) -> Side:
        """Without the levels that were deleted."""
        return {price: qty for price, qty in side.items() if qty != 0}


def decimals(side: BookSide) -> Side:
    """A side of the engine's book in whole quote and base units."""
    return {Decimal(p).scaleb(-9): Decimal(q).scaleb(-6) for p, q in side.top()}


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("name", CAPTURES)
def test_the_last_book_is_the_decimal_one(name: str, symbol: str) -> None:
    """Every level, from a thousand snapshot levels on either side and all deltas after it."""
    book = fed(name).engine.book(symbol)
    model = DecimalBook(name, symbol)
    assert book is not None
    assert book.last_update_id == model.last
    assert decimals(book.bids) == model.resting(model.bids)
    assert decimals(book.asks) == model.resting(model.asks)
    assert len(book.bids) > 1_000


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("name", CAPTURES)
def test_the_depth_rows_alone_rebuild_it(name: str, symbol: str) -> None:
    """For whoever reads the table and nothing else."""
    book, rebuilt = fed(name).engine.book(symbol), fed(name).rebuilt[symbol]
    assert book is not None
    assert rebuilt.bids == dict(book.bids.top())
    assert rebuilt.asks == dict(book.asks.top())


@pytest.mark.parametrize("name", CAPTURES)
def test_nothing_is_missing_or_refused(name: str) -> None:
    """No gap, no reject, nothing unknown: the captures are whole. Nor does a bookTicker differ from
    the book, which would be a row: those that were compared agree."""
    result = fed(name)
    assert result.gaps == []
    assert not result.engine.unknown
    assert set(result.rows) == {"book_ticker", "depth", "session", "trade"}
    assert result.engine.audited == {WHOLE: 1_141, SPLIT: 311}[name]


def test_the_touch_is_the_tickers_wherever_both_stand_at_one_id() -> None:
    """Two streams of the venue, two handlers of ours, one state (section 2.1)."""
    result = fed(WHOLE)
    both = result.quotes.keys() & result.touches.keys()
    assert len(both) > 1_000
    for key in both:
        assert result.quotes[key] == [result.touches[key]], key


def test_the_split_capture_passes_through_the_same_books() -> None:
    """Whoever split it did not know which level changed at which id, so that only the ids that end
    a frame of the whole capture can be compared: there, books and tickers agree."""
    whole, split = fed(WHOLE), fed(SPLIT)
    ends = whole.touches.keys() & split.touches.keys()
    assert len(ends) > 1_500
    assert {key: whole.touches[key] for key in ends} == {key: split.touches[key] for key in ends}
    quoted = ends & split.quotes.keys()
    assert len(quoted) > 300
    for key in quoted:
        assert split.quotes[key] == [split.touches[key]], key
