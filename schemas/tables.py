"""The tables there are: row classes by name."""

from schemas.account_rows import Balance, Order, Position, Rfq
from schemas.check_rows import Audit, Clock, Copy, Silence
from schemas.rows import (
    BookKeyframe,
    BookTicker,
    Depth,
    ExternalTicker,
    Gap,
    Kline,
    Liquidation,
    Market,
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

# What only the owner of an account may see.
ACCOUNT_TABLES: tuple[type[Row], ...] = (Order, Position, Balance, Rfq)

_ALL: tuple[type[Row], ...] = (
    Depth,
    BookTicker,
    Trade,
    Ticker,
    Kline,
    MarkPrice,
    OpenInterest,
    Liquidation,
    ExternalTicker,
    StockPrice,
    StockIndicativeQuote,
    Gap,
    Reject,
    Session,
    BookKeyframe,
    Audit,
    Clock,
    Copy,
    Silence,
    Market,
    *ACCOUNT_TABLES,
)
TABLES = {row.TABLE: row for row in _ALL}
