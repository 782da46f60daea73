"""The tables there are: row classes by name."""

from schemas.rows import (
    Audit,
    BookKeyframe,
    BookTicker,
    Clock,
    Depth,
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
)
TABLES = {row.TABLE: row for row in _ALL}
