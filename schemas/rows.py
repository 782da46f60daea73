"""The rows: one class per table. The class is the schema; Arrow types and docs derive from it.
Those about an account are in `schemas.account_rows`, of comparisons in `schemas.check_rows`, and
all together in `schemas.tables`.

In memory prices are ints of 1e-9 and quantities ints of 1e-6, times ints of ns (design section 3).
Rows of one frame share its ``seq``; within a file, rows stand in the order they were made.
"""

from typing import Annotated, Any, ClassVar

import msgspec

from schemas.columns import Added, Count, Doc, Flag, Price, Qty, Rate, Text, Time, Wide, Word

SCHEMA = 5  # of the tables; a column that came later than 1 says with which (`Added`)


class Row(msgspec.Struct, gc=False, array_like=True, tag=True):
    """What every row begins with. ``TABLE`` is the name of its table."""

    TABLE: ClassVar[str]

    seq: Annotated[Count, Doc("frame that made this row; the order of everything")]
    ts_recv: Annotated[Time, Doc("wall clock when that frame arrived")]
    ts_event: Annotated[Time | None, Doc("when the venue's websocket server sent it (`E`)")]
    symbol: Annotated[Word | None, Doc("market as the venue spells it; the partition on disk")]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__name__.startswith("_"):
            cls.TABLE = table_name(cls.__name__)


def table_name(class_name: str) -> str:
    """``BookTicker`` -> ``book_ticker``."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in class_name).lstrip("_")


class Depth(Row, tag="depth"):
    """Changes of an order book; this table alone rebuilds it.

    One row per level. A ``clear`` and an empty delta are one row with null level. Rows that
    a snapshot releases from the buffer carry the ``seq`` of the snapshot reply and their own ids.
    """

    ts_engine: Annotated[Time | None, Doc("matching engine time (`T`)")]
    action: Annotated[Word, Doc("`snapshot` level, `update` (absolute), `clear` the whole book")]
    side: Annotated[Word | None, Doc("`bid` or `ask`")]
    price: Annotated[Price | None, Doc("level")]
    qty: Annotated[Qty | None, Doc("new absolute quantity; zero deletes the level")]
    first_update_id: Annotated[Count | None, Doc("`U`: first update id in the frame")]
    last_update_id: Annotated[Count | None, Doc("`u`: last update id in the frame")]
    window: Annotated[Word, Doc("throttle of the stream: `200ms`..; empty for real time")]


class BookTicker(Row, tag="book_ticker"):
    """Best bid and ask, on change. A null side is an empty side."""

    ts_engine: Annotated[Time | None, Doc("matching engine time (`T`)")]
    bid_price: Annotated[Price | None, Doc("best bid (`b`)")]
    bid_qty: Annotated[Qty | None, Doc("quantity there (`B`)")]
    ask_price: Annotated[Price | None, Doc("best ask (`a`)")]
    ask_qty: Annotated[Qty | None, Doc("quantity there (`A`)")]
    update_id: Annotated[Count, Doc("`u`, same numbering as depth")]


class Trade(Row, tag="trade"):
    """A public trade. One that was missing and was asked for by REST has the `seq` of the reply."""

    ts_engine: Annotated[Time, Doc("matching engine time (`T`), ms resolution since mid 2025")]
    trade_id: Annotated[Count, Doc("`t`, sequential per symbol")]
    price: Annotated[Price, Doc("`p`")]
    qty: Annotated[Qty, Doc("`q`")]
    side: Annotated[Word, Doc("side of the aggressor: `sell` if the buyer was the maker (`m`)")]
    buyer_order_id: Annotated[Text | None, Doc("`b`; REST does not say")]
    seller_order_id: Annotated[Text | None, Doc("`a`; REST does not say")]
    source: Annotated[
        Word, Doc("`stream`, or `rest` where it was missing there"), Added(5, "stream")
    ] = "stream"


class _Rolling(Row):
    """24 h statistics, whoever supplies them."""

    open: Annotated[Price | None, Doc("first price of the window (`o`)")]
    high: Annotated[Price | None, Doc("`h`")]
    low: Annotated[Price | None, Doc("`l`")]
    last: Annotated[Price | None, Doc("last price (`c`)")]
    volume: Annotated[Wide | None, Doc("base volume (`v`)")]
    quote_volume: Annotated[Wide | None, Doc("quote volume (`V`)")]
    trades: Annotated[Count | None, Doc("trades in the window (`n`); may fall")]


class Ticker(_Rolling, tag="ticker"):
    """Rolling 24 h statistics, once a second."""


class ExternalTicker(_Rolling, tag="external_ticker"):
    """As ticker, from an outside data provider (tokenised stocks)."""


class Kline(Row, tag="kline"):
    """A candle as it stands; null prices: no trade in the interval."""

    interval: Annotated[Word, Doc("`1m`, `1h`.. of the stream name")]
    ts_open: Annotated[Time, Doc("start of the candle (`t`)")]
    ts_close: Annotated[Time, Doc("end, exclusive (`T`)")]
    open: Annotated[Price | None, Doc("`o`")]
    high: Annotated[Price | None, Doc("`h`")]
    low: Annotated[Price | None, Doc("`l`")]
    close: Annotated[Price | None, Doc("`c`")]
    volume: Annotated[Wide | None, Doc("base volume (`v`)")]
    trades: Annotated[Count | None, Doc("`n`")]
    closed: Annotated[Flag, Doc("`X`: the candle is final")]


class MarkPrice(Row, tag="mark_price"):
    """Mark and index price, funding. Prediction markets have only the mark price."""

    ts_engine: Annotated[Time | None, Doc("matching engine time (`T`)")]
    mark_price: Annotated[Price, Doc("`p`")]
    index_price: Annotated[Price | None, Doc("`i`")]
    funding_rate: Annotated[Rate | None, Doc("estimate for the running interval (`f`)")]
    ts_funding: Annotated[Time | None, Doc("next funding (`n`)")]


class OpenInterest(Row, tag="open_interest"):
    """Open interest, every 60 s."""

    open_interest: Annotated[Qty, Doc("contracts, which are base units (`o`)")]


class Liquidation(Row, tag="liquidation"):
    """A liquidation. Whose side it is, the venue does not say: kept as sent."""

    ts_engine: Annotated[Time | None, Doc("matching engine time (`T`)")]
    side: Annotated[Word, Doc("`Bid` or `Ask` as sent (`S`)")]
    price: Annotated[Price, Doc("`p`")]
    qty: Annotated[Qty, Doc("`q`")]


class StockPrice(Row, tag="stock_price"):
    """Price of a stock from its own market. The symbol is the bare stock ticker."""

    ts_source: Annotated[Time | None, Doc("clock of the source (`timestamp`)")]
    bid: Annotated[Price | None, Doc("`bid`")]
    ask: Annotated[Price | None, Doc("`ask`")]
    mid: Annotated[Price | None, Doc("`mid`")]
    session: Annotated[Word | None, Doc("trading session of that market, as sent")]


class StockIndicativeQuote(Row, tag="stock_indicative_quote"):
    """Indicative quote of a stock, once a second."""

    ts_source: Annotated[Time | None, Doc("clock of the source (`timestamp`)")]
    bid: Annotated[Price | None, Doc("`bid`")]
    ask: Annotated[Price | None, Doc("`ask`")]
    estimated_bid: Annotated[Price | None, Doc("`estimatedBid`")]
    estimated_ask: Annotated[Price | None, Doc("`estimatedAsk`")]


class Gap(Row, tag="gap"):
    """A stretch of which something is missing. One row when it shows; a second one, with the same
    `topic` and `since_seq` (and `cause`, where `topic` is null), when it has ended, unless the
    first could say so already. A book that is lost may show more gaps before it is resynced: their
    rows have the `since_seq` of the first, and the row that ends it repeats the first.
    """

    topic: Annotated[Word | None, Doc("stream with the gap; null: all streams")]
    cause: Annotated[
        Word,
        Doc(
            "`depth_ids`, `trade_ids`: ids are missing; `ids_backwards`: the numbering went back;"
            " `disconnect`: no connection, or ids missing because of that; `unreadable`: a frame"
            " of a book could not be read; `audit`: the book was not the venue's; `loss`: frames"
            " that arrived could not be kept (disk full, journal damaged), or nobody knows for that"
            " whether the stream was subscribed; `unrecorded`: nobody recorded, between two"
            " sessions; `load`: ids missing as the recorder did not keep up;"
            " `load_frames`, `load_rows`: frames that it did not keep for that, or kept without"
            " making rows"
        ),
    ]
    expected_id: Annotated[Count | None, Doc("id that should have come")]
    received_id: Annotated[Count | None, Doc("id that came")]
    missing: Annotated[
        Count | None,
        Doc(
            "ids in between, or frames where `topic` is null or the cause is `load_..`; null: not"
            " known; in the row that ends it, of all its rows together"
        ),
    ]
    since_seq: Annotated[Count, Doc("last frame before the gap")]
    ts_since: Annotated[Time, Doc("when that frame arrived")]
    state: Annotated[
        Word,
        Doc(
            "`open`: what is missing never came so far (of what is missing in more than 100"
            " stretches of a stream, nothing is waited for in the oldest); `resynced`: the book was"
            " made anew from a snapshot; `resumed`: frames arrive again; `healed`: all trades that"
            " were missing came late, or by REST; `unsubscribed`: nobody asked for the stream any"
            " more"
        ),
        Added(2, "open"),
    ]
    ts_engine_since: Annotated[
        Time | None, Doc("matching engine time of the last frame before"), Added(2)
    ]
    ts_until: Annotated[
        Time | None, Doc("when the first frame after it arrived; null: it goes on"), Added(2)
    ]
    ts_engine_until: Annotated[Time | None, Doc("matching engine time of that frame"), Added(2)]
    lasted_ns: Annotated[
        Count | None, Doc("how long it was, by the monotonic clock; null: it goes on"), Added(2)
    ]
    resync_id: Annotated[Count | None, Doc("update id of the snapshot that ended it"), Added(2)]
    session: Annotated[
        Word | None, Doc("session that `since_seq` is of; null: this one"), Added(5)
    ] = None


class Market(Row, tag="market"):
    """A market that is new in the venue's list, is said otherwise than before, or is gone from it.

    The first list of a session makes a row of each market. It is the column `market` that names it:
    `symbol` is null, so that the rows of a list lie in one file. A member that the venue leaves
    out, or that does not fit its column exactly, is null; of a tick or a step a `reject` row says
    so. A market that is gone has what was last said of it.
    """

    path: Annotated[Word, Doc("REST path of the list, which is complete for itself alone")]
    event: Annotated[Word, Doc("`listed`, `changed`, `delisted`")]
    market: Annotated[Word, Doc("as the venue spells it (`symbol`)")]
    base: Annotated[Word | None, Doc("`baseSymbol`")]
    quote: Annotated[Word | None, Doc("`quoteSymbol`")]
    market_type: Annotated[Word | None, Doc("`SPOT`, `PERP`, `PREDICTION`.. (`marketType`)")]
    order_book_state: Annotated[
        Word | None,
        Doc("`Open`, `PostOnly`, `LimitOnly`, `CancelOnly`, `Closed` (`orderBookState`)"),
    ]
    tick_size: Annotated[Price | None, Doc("`tickSize`")]
    step_size: Annotated[Qty | None, Doc("`stepSize`")]
    min_price: Annotated[Price | None, Doc("`minPrice`")]
    max_price: Annotated[Price | None, Doc("`maxPrice`")]
    min_qty: Annotated[Qty | None, Doc("`minQuantity`")]
    max_qty: Annotated[Qty | None, Doc("`maxQuantity`")]
    funding_interval_ns: Annotated[Count | None, Doc("`fundingInterval`, in ns")]
    visible: Annotated[Flag | None, Doc("`visible`")]
    ts_created: Annotated[Time | None, Doc("`createdAt`")]


class Reject(Row, tag="reject"):
    """A frame, or part of one, that could not be made into rows. The frame itself is kept."""

    topic: Annotated[Word | None, Doc("stream, where it could be read")]
    reason: Annotated[
        Word,
        Doc(
            "`not_json`, `no_stream`, `bad_field`, `inexact`, `bad_reply`, `binary`;"
            " `internal`: a fault of this program"
        ),
    ]
    detail: Annotated[Text, Doc("what was wrong, at most 200 characters")]


class Session(Row, tag="session"):
    """What happened to the recording itself: segments, connections, requests, error replies."""

    event: Annotated[Word, Doc("kind of the frame, or `error` for an error reply of the venue")]
    conn: Annotated[Count, Doc("connection number, 0: none")]
    topic: Annotated[Text | None, Doc("REST path, where it is about a request")]
    detail: Annotated[Text | None, Doc("the frame's payload, at most 2,000 characters")]


class BookKeyframe(Row, tag="book_keyframe"):
    """A level of a book as it stood when the segment began, so that each segment reads alone."""

    side: Annotated[Word, Doc("`bid` or `ask`")]
    price: Annotated[Price, Doc("level")]
    qty: Annotated[Qty, Doc("quantity there")]
    last_update_id: Annotated[Count, Doc("update id the book stands at")]
    window: Annotated[Word, Doc("throttle of the stream; empty for real time")]
