"""One handler per kind of event that needs no memory: a message of the wire to its rows.

Each takes the topic of the stream, the frame and the decoded message, and raises InexactNumber
where a text does not fit its column. Depth and trades, which remember, have trackers instead.
"""

from schemas import rows, wire
from schemas.frames import Frame
from schemas.numbers import (
    PRICES,
    QUANTITIES,
    optional_price,
    optional_rate,
    optional_wide,
    price,
    qty,
)
from schemas.rows import Row
from schemas.times import iso, optional_micros, optional_millis
from schemas.topics import Topic


def book_ticker(topic: Topic, frame: Frame, message: wire.BookTicker) -> list[Row]:
    """Section 2.1."""
    row = rows.BookTicker(
        frame.seq, frame.ts_recv, message.E * 1_000, topic.symbol, optional_micros(message.T),
        None if message.b is None else PRICES[message.b],
        None if message.B is None else QUANTITIES[message.B],
        None if message.a is None else PRICES[message.a],
        None if message.A is None else QUANTITIES[message.A],
        message.u,
    )  # fmt: skip
    return [row]


def ticker(topic: Topic, frame: Frame, message: wire.Ticker) -> list[Row]:
    """Section 2.5."""
    return _rolling(rows.Ticker, topic, frame, message)


def external_ticker(topic: Topic, frame: Frame, message: wire.ExternalTicker) -> list[Row]:
    """Section 2.9: as ticker."""
    return _rolling(rows.ExternalTicker, topic, frame, message)


def kline(topic: Topic, frame: Frame, message: wire.Kline) -> list[Row]:
    """Section 2.3. The interval stands in the stream name alone."""
    row = rows.Kline(
        frame.seq, frame.ts_recv, message.E * 1_000, topic.symbol,
        topic.variant, iso(message.t), iso(message.T),
        optional_price(message.o), optional_price(message.h),
        optional_price(message.l), optional_price(message.c),
        optional_wide(message.v), message.n, message.X,
    )  # fmt: skip
    return [row]


def mark_price(topic: Topic, frame: Frame, message: wire.MarkPrice) -> list[Row]:
    """Section 2.6."""
    row = rows.MarkPrice(
        frame.seq, frame.ts_recv, message.E * 1_000, topic.symbol, optional_micros(message.T),
        price(message.p), optional_price(message.i),
        optional_rate(message.f), optional_millis(message.n),
    )  # fmt: skip
    return [row]


def open_interest(topic: Topic, frame: Frame, message: wire.OpenInterest) -> list[Row]:
    """Section 2.7."""
    symbol, ts_event = topic.symbol, message.E * 1_000
    return [rows.OpenInterest(frame.seq, frame.ts_recv, ts_event, symbol, qty(message.o))]


def liquidation(topic: Topic, frame: Frame, message: wire.Liquidation) -> list[Row]:
    """Section 2.8. The topic may be over all markets, so the symbol is the message's."""
    del topic
    row = rows.Liquidation(
        frame.seq, frame.ts_recv, message.E * 1_000, message.s, optional_micros(message.T),
        message.S, price(message.p), qty(message.q),
    )  # fmt: skip
    return [row]


def stock_price(topic: Topic, frame: Frame, message: wire.StockPrice) -> list[Row]:
    """Section 2.9."""
    row = rows.StockPrice(
        frame.seq, frame.ts_recv, optional_micros(message.E), topic.symbol,
        optional_millis(message.timestamp),
        optional_price(message.bid), optional_price(message.ask), optional_price(message.mid),
        message.session,
    )  # fmt: skip
    return [row]


def stock_indicative_quote(
    topic: Topic, frame: Frame, message: wire.StockIndicativeQuote
) -> list[Row]:
    """Section 2.9."""
    row = rows.StockIndicativeQuote(
        frame.seq, frame.ts_recv, optional_micros(message.E), topic.symbol,
        optional_millis(message.timestamp),
        optional_price(message.bid), optional_price(message.ask),
        optional_price(message.estimatedBid), optional_price(message.estimatedAsk),
    )  # fmt: skip
    return [row]


def _rolling(
    table: type[rows.Ticker] | type[rows.ExternalTicker],
    topic: Topic,
    frame: Frame,
    message: wire.Rolling,
) -> list[Row]:
    row = table(
        frame.seq, frame.ts_recv, message.E * 1_000, topic.symbol,
        optional_price(message.o), optional_price(message.h),
        optional_price(message.l), optional_price(message.c),
        optional_wide(message.v), optional_wide(message.V), message.n,
    )  # fmt: skip
    return [row]
