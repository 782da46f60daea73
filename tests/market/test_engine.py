"""What each kind of frame means to the engine, by example."""

from decimal import Decimal

import pytest

from market.engine import Engine
from market.sync_states import State
from schemas.frames import Kind
from schemas.rows import (
    BookTicker,
    ExternalTicker,
    Gap,
    Kline,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Reject,
    Row,
    Session,
    StockIndicativeQuote,
    StockPrice,
    Ticker,
    Trade,
)
from tests.market.hand import Hand
from tests.market.stamps import Stamper, event, subscribe
from tests.market.texts import ACCOUNT, WELL_FORMED

CENT = 10_000_000  # 0.01 in the 1e-9 of prices
TABLES = {
    "bookTicker": BookTicker,
    "trade": Trade,
    "ticker": Ticker,
    "kline": Kline,
    "markPrice": MarkPrice,
    "openInterest": OpenInterest,
    "liquidation": Liquidation,
    "externalTicker": ExternalTicker,
    "stockPrice": StockPrice,
    "stockIndicativeQuote": StockIndicativeQuote,
}
SYMBOLS = ["SOL_USDC", "AAPL.US_USDC_PERP", "kPEPE_USDC_PERP", "2Z_USDC_PERP", "0G_USDC"]


class Venue:
    """An engine fed with texts."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.stamper = Stamper()

    def says(self, text: str | bytes) -> list[Row]:
        """One websocket message."""
        return self.engine.feed(self.stamper.data(text))


@pytest.fixture
def venue() -> Venue:
    """Nothing heard yet."""
    return Venue()


class TestStreams:
    """Members to columns (protocol section 2)."""

    @pytest.mark.parametrize("channel", sorted(TABLES))
    def test_each_stream_has_its_table(self, venue: Venue, channel: str) -> None:
        """One row, of the stream's table, with the stamps of the frame."""
        (row,) = venue.says(WELL_FORMED[channel])
        assert type(row) is TABLES[channel]
        assert (row.seq, row.ts_recv) == (1, 1_790_000_000_001_000_000)

    def test_the_order_of_members_does_not_matter(self, venue: Venue) -> None:
        """Section 1: never rely on it."""
        data, stream = WELL_FORMED["bookTicker"][1:-1].rsplit(",", 1)
        (turned,) = venue.says(f"{{{stream}, {data}}}")
        assert isinstance(turned, BookTicker)
        assert turned.update_id == 4330360995

    @pytest.mark.parametrize("symbol", SYMBOLS)
    def test_a_symbol_is_kept_as_the_venue_spells_it(self, venue: Venue, symbol: str) -> None:
        """Fact 6: dots, lower case, leading digits; on plain, throttled and interval topics."""
        (row,) = venue.says(event(f"openInterest.{symbol}", e="openInterest", E=1, s=symbol, o="1"))
        assert row.symbol == symbol
        kline = {"t": "2026-09-02T16:43:00", "T": "2026-09-02T16:44:00", "X": True, "n": 0}
        (row,) = venue.says(event(f"kline.1month.{symbol}", e="kline", E=1, s=symbol, **kline))
        assert isinstance(row, Kline)
        assert (row.symbol, row.interval) == (symbol, "1month")
        for topic in (f"depth.{symbol}", f"depth.1000ms.{symbol}"):
            venue.says(event(topic, e="depth", E=1, T=1, s=symbol, U=1, u=1, a=[], b=[]))
            assert venue.engine.book_state(topic) is State.BUFFERING
        assert {request.symbol for request in venue.engine.take_requests()} == {symbol}

    def test_an_empty_side_is_null(self, venue: Venue) -> None:
        """Section 2.1: null, or not there at all."""
        members = {"e": "bookTicker", "s": "SOL_USDC", "E": 5, "u": 7, "b": "98.96", "B": "1.00"}
        for rest in ({"a": None, "A": None}, {}):
            (row,) = venue.says(event("bookTicker.SOL_USDC", **members, **rest))
            assert isinstance(row, BookTicker)
            assert (row.bid_price, row.bid_qty) == (9896 * CENT, 1_000_000)
            assert (row.ask_price, row.ask_qty, row.ts_engine) == (None, None, None)

    def test_an_id_may_be_a_text(self, venue: Venue) -> None:
        """As the documentation has it; and times, as one parser writes them."""
        members = {"e": "bookTicker", "s": "SOL_USDC", "E": "1694687965941000"}
        (row,) = venue.says(event("bookTicker.SOL_USDC", u="111063070525358080", **members))
        assert isinstance(row, BookTicker)
        assert row.update_id == 111063070525358080
        assert row.ts_event == 1694687965941000_000

    def test_a_candle_without_trades_has_no_prices(self, venue: Venue) -> None:
        """Fact 7; times are UTC and the end is exclusive."""
        nothing = dict.fromkeys("ohlcv")
        times = {"t": "2026-09-02T16:43:00", "T": "2026-09-02T16:44:00"}
        members = {"e": "kline", "s": "SOL_USDC", "E": 1788367440511558, "X": True, "n": 0}
        (row,) = venue.says(event("kline.1m.SOL_USDC", **members, **times, **nothing))
        assert isinstance(row, Kline)
        assert (row.open, row.high, row.low, row.close, row.volume) == (None,) * 5
        assert (row.trades, row.closed, row.interval) == (0, True, "1m")
        assert row.ts_open == 1788367380_000_000_000
        assert row.ts_close == 1788367440_000_000_000

    def test_prediction_markets_have_a_mark_price_alone(self, venue: Venue) -> None:
        """Section 2.6."""
        members = {"e": "markPrice", "s": "X_PREDICTION", "E": 2, "T": 1, "p": "0.5"}
        (row,) = venue.says(event("markPrice.X_PREDICTION", **members))
        assert isinstance(row, MarkPrice)
        assert (row.mark_price, row.ts_engine) == (50 * CENT, 1_000)
        assert (row.index_price, row.funding_rate, row.ts_funding) == (None, None, None)

    def test_next_funding_is_in_milliseconds_and_rates_are_exact(self, venue: Venue) -> None:
        """Facts 8 and 10: 28 decimals."""
        (row,) = venue.says(WELL_FORMED["markPrice"])
        assert isinstance(row, MarkPrice)
        assert row.ts_funding == 1790136000_000_000_000
        assert row.funding_rate == Decimal("-0.0000039641039274236048482914")

    @pytest.mark.parametrize(("maker", "side"), [("true", "sell"), ("false", "buy")])
    def test_the_side_of_a_trade_is_the_aggressors(
        self, venue: Venue, maker: str, side: str
    ) -> None:
        """Section 2.4: ``m`` says that the buyer was the maker; ``b`` is the buyer, ``a`` the
        seller."""
        (row,) = venue.says(WELL_FORMED["trade"].replace('"m":false', f'"m":{maker}'))
        assert isinstance(row, Trade)
        assert row.side == side
        assert (row.buyer_order_id, row.seller_order_id) == ("59885471228", "59885446999")

    def test_one_topic_over_all_markets_takes_the_symbol_of_the_message(self, venue: Venue) -> None:
        """Section 2.8, and by market as well; the side is kept as sent."""
        text = WELL_FORMED["liquidation"]
        by_market = text.replace('"stream":"liquidation"', '"stream":"liquidation.kPEPE_USDC_PERP"')
        for said in (text, by_market):
            (row,) = venue.says(said)
            assert isinstance(row, Liquidation)
            assert (row.symbol, row.side, row.qty) == ("kPEPE_USDC_PERP", "Bid", 10_000_000)


class TestTrades:
    """Ids are sequential, so a hole shows (section 2.4)."""

    def says(self, venue: Venue, trade_id: int, later_us: int = 0) -> list[Row]:
        """A trade."""
        text = WELL_FORMED["trade"].replace("381737933", str(trade_id))
        return venue.says(text.replace("1788367469345000", str(1788367469345000 + later_us)))

    def test_a_hole_is_a_gap_before_the_trade(self, venue: Venue) -> None:
        """With the ids and the frame before."""
        self.says(venue, 100)
        gap, trade = self.says(venue, 104)
        assert isinstance(gap, Gap)
        assert isinstance(trade, Trade)
        assert (gap.cause, gap.expected_id, gap.received_id, gap.missing) == (
            "trade_ids", 101, 104, 3,
        )  # fmt: skip
        assert (gap.since_seq, gap.topic) == (1, "trade.SOL_USDC")

    def test_a_repeat_makes_no_row(self, venue: Venue) -> None:
        """And the next one no gap."""
        self.says(venue, 100)
        self.says(venue, 101)
        assert self.says(venue, 100, later_us=1_000_000) == []
        assert len(self.says(venue, 102)) == 1

    def test_ids_that_begin_again_are_a_gap(self, venue: Venue) -> None:
        """An old id, more than a second newer."""
        self.says(venue, 100)
        gap, trade = self.says(venue, 5, later_us=1_000_001)
        assert isinstance(gap, Gap)
        assert isinstance(trade, Trade)
        assert (gap.cause, gap.missing) == ("ids_backwards", None)
        assert len(self.says(venue, 6, later_us=1_000_001)) == 1

    def test_a_hole_shows_across_connections(self, venue: Venue) -> None:
        """What an outage cost."""
        self.says(venue, 100)
        venue.engine.feed(venue.stamper.frame(Kind.CLOSE, b"{}", conn=1))
        assert [type(row) for row in self.says(venue, 102)] == [Gap, Trade]


class TestDoubt:
    """What is not understood is kept raw, counted or rejected, never guessed."""

    @pytest.mark.parametrize(
        ("text", "counted"),
        [
            (
                '{"data":{"e":"newsUpdate"},"stream":"account.newsUpdate.SOL_USDC"}',
                "account.newsUpdate",
            ),
            ('{"data":{"e":"orderFill","s":"SOL_USDC"},"stream":"account"}', "account"),
            (
                ACCOUNT["account.orderUpdate"].replace("orderFill", "orderUpdate"),
                "account.orderUpdate/orderUpdate",
            ),
            (
                ACCOUNT["account.positionUpdate"].replace("positionOpened", "positionLent"),
                "account.positionUpdate/positionLent",
            ),
            ('{"data":[1],"stream":"news.SOL_USDC"}', "news"),
            ('{"data":{"e":"tickerV2","x":[]},"stream":"ticker.SOL_USDC"}', "ticker/tickerV2"),
            (WELL_FORMED["ticker"].replace('"e":"t', '"e":"T'), "ticker/Ticker"),
            (WELL_FORMED["depth"].replace('"e":"d', '"e":"D'), "depth/Depth"),
            (
                WELL_FORMED["stockPrice"].replace('"mid"', '"e":"stockHalt","mid"'),
                "stockPrice/stockHalt",
            ),
        ],
    )
    def test_unknown_streams_and_events_are_counted(
        self, venue: Venue, text: str, counted: str
    ) -> None:
        """No row."""
        assert venue.says(text) == []
        assert venue.says(text) == []
        assert venue.engine.unknown == {counted: 2}

    def test_an_error_reply_is_a_session_row(self, venue: Venue) -> None:
        """Section 1: it belongs to nothing, so it ends nothing."""
        text = '{"id":null,"error":{"code":4006,"message":"Invalid stream"}}'
        (row,) = venue.says(text)
        assert isinstance(row, Session)
        assert (row.event, row.conn, row.detail) == ("error", 1, text)

    @pytest.mark.parametrize(
        ("text", "reason", "topic"),
        [
            ("hello", "not_json", None),
            ("", "not_json", None),
            ('{"data":{}', "not_json", None),
            ("[]", "bad_field", None),
            ('{"data":{}}', "no_stream", None),
            ('{"stream":7}', "bad_field", None),
            ('{"stream":"ticker.SOL_USDC"}', "bad_field", "ticker.SOL_USDC"),
            ('{"data":7,"stream":"trade.SOL_USDC"}', "bad_field", "trade.SOL_USDC"),
            (WELL_FORMED["trade"].replace('"5.14"', "5.14"), "bad_field", "trade.SOL_USDC"),
            (WELL_FORMED["trade"].replace('"5.14"', '"5.1400001"'), "inexact", "trade.SOL_USDC"),
            (WELL_FORMED["trade"].replace('"s":"SOL', '"s":"ETH'), "bad_field", "trade.SOL_USDC"),
            (WELL_FORMED["ticker"].replace("32259", "-1"), "bad_field", "ticker.BTC_USDC_PERP"),
            (WELL_FORMED["kline"].replace("-02T", "-32T"), "inexact", "kline.1m.SOL_USDC"),
        ],
    )
    def test_what_cannot_be_read_is_rejected_with_its_reason(
        self, venue: Venue, text: str, reason: str, topic: str | None
    ) -> None:
        """One row, which names the stream where there is one."""
        (row,) = venue.says(text)
        assert isinstance(row, Reject)
        assert (row.reason, row.topic) == (reason, topic)
        assert row.detail
        assert not venue.engine.unknown

    def test_a_binary_message_is_rejected(self, venue: Venue) -> None:
        """The venue sends texts."""
        (row,) = venue.engine.feed(venue.stamper.frame(Kind.BINARY, b"\x00\x01", conn=1))
        assert isinstance(row, Reject)
        assert row.reason == "binary"

    def test_new_members_are_ignored(self, venue: Venue) -> None:
        """Section 6 shows that they come without notice."""
        text = WELL_FORMED["trade"].replace('"m":', '"zz":{"a":[1,2]},"m":')
        assert venue.says(text) == Venue().says(WELL_FORMED["trade"])


class TestSession:
    """Frames about the recording itself."""

    @pytest.mark.parametrize(
        "kind", [Kind.SEGMENT, Kind.OPEN, Kind.SENT, Kind.REQUEST, Kind.FAILED]
    )
    def test_a_control_frame_is_a_session_row(self, venue: Venue, kind: Kind) -> None:
        """With its payload, however long, cut."""
        frame = venue.stamper.frame(kind, b"x" * 3_000, conn=3, topic="/api/v1/markets")
        (row,) = venue.engine.feed(frame)
        assert isinstance(row, Session)
        assert (row.event, row.conn, row.topic) == (kind.value, 3, "/api/v1/markets")
        assert (row.symbol, row.detail) == (None, "x" * 2_000)

    def test_a_reply_says_its_market_and_not_its_body(self, venue: Venue) -> None:
        """A book has no place in a detail."""
        frame = venue.stamper.frame(Kind.REPLY, b"{}", topic="/api/v1/depth?symbol=MU.US_USDC")
        session, reject = venue.engine.feed(frame)
        assert isinstance(session, Session)
        assert (session.symbol, session.detail) == ("MU.US_USDC", None)
        assert isinstance(reject, Reject)
        assert reject.reason == "bad_reply"

    def test_a_checkpoint_says_nothing(self, venue: Venue) -> None:
        """Or sealing would have to know it before making it."""
        assert venue.engine.feed(venue.stamper.frame(Kind.CHECKPOINT, b"{}")) == []

    def test_each_kind_of_frame_is_known(self, venue: Venue) -> None:
        """None raises, with an empty payload or not."""
        for kind in Kind:
            for payload in (b"", b"{}", b"\xff"):
                venue.engine.feed(venue.stamper.frame(kind, payload))

    def test_only_depth_is_waited_for(self, venue: Venue) -> None:
        """What we subscribe to is followed at once, where it has a book."""
        topics = ("trade.SOL_USDC", "depth.600ms.SOL_USDC", "depth.MU.US_USDC")
        venue.engine.feed(venue.stamper.frame(Kind.SENT, subscribe(*topics), conn=1))
        assert [r.symbol for r in venue.engine.take_requests()] == ["SOL_USDC", "MU.US_USDC"]
        assert venue.engine.take_requests() == []

    def test_nothing_is_waited_for_after_an_unsubscribe(self, venue: Venue) -> None:
        """It is no subscription, and neither is nonsense."""
        for text in (b'{"method":"UNSUBSCRIBE","params":["depth.SOL_USDC"]}', b'{"method":7}'):
            venue.engine.feed(venue.stamper.frame(Kind.SENT, text, conn=1))
        assert venue.engine.take_requests() == []


def test_a_book_is_none_for_whoever_has_none() -> None:
    """Unknown markets, markets without depth."""
    hand = Hand()
    hand.data(WELL_FORMED["trade"])
    assert hand.engine.book("SOL_USDC") is None
    assert hand.engine.book("") is None
    assert hand.engine.book_state("trade.SOL_USDC") is State.EMPTY
