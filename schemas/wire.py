"""The venue's messages as it spells them (protocol sections 2 and 3.2).

Members that may be missing have a default; new members are ignored. Numbers written as texts are
accepted for ids and times (decode with ``strict=False``), as some samples have them so.
Prices and quantities stay texts here.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

# Bounds are those of an int64, in ns for times: what is beyond cannot be stored and is refused.
Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Micros = Annotated[int, Meta(ge=0, le=(2**63 - 1) // 1_000)]
Millis = Annotated[int, Meta(ge=0, le=(2**63 - 1) // 1_000_000)]
Symbol = Annotated[str, Meta(min_length=1, max_length=64)]
Level = tuple[str, str]


class Envelope(Struct, gc=False):
    """``{"data": {...}, "stream": "..."}``; an error reply has neither."""

    stream: str | None = None
    data: Raw = Raw()
    error: Raw = Raw()


class Depth(Struct, gc=False):
    """Section 2.2. Quantities are absolute; ``U``..``u`` are the update ids contained."""

    e: str
    s: str
    E: Micros
    T: Micros
    U: Id
    u: Id
    a: list[Level]
    b: list[Level]


class DepthSnapshot(Struct, gc=False):
    """REST depth reply, section 3.2. Bids ascending: the best is the last."""

    lastUpdateId: Id
    asks: list[Level]
    bids: list[Level]
    timestamp: Micros | None = None


class BookTicker(Struct, gc=False):
    """Section 2.1. A null or missing side is empty."""

    E: Micros
    u: Id
    T: Micros | None = None
    a: str | None = None
    A: str | None = None
    b: str | None = None
    B: str | None = None


class Trade(Struct, gc=False):
    """Section 2.4. ``m``: the buyer is the maker."""

    E: Micros
    T: Micros
    t: Id
    p: str
    q: str
    m: bool
    a: str = ""
    b: str = ""


class Ticker(Struct, gc=False):
    """Sections 2.5 and 2.9 (externalTicker)."""

    E: Micros
    o: str | None = None
    h: str | None = None
    l: str | None = None
    c: str | None = None
    v: str | None = None
    V: str | None = None
    n: Id | None = None


class Kline(Struct, gc=False):
    """Section 2.3. ``t``, ``T``: naive ISO 8601 in UTC; ``T`` is exclusive."""

    E: Micros
    t: str
    T: str
    X: bool
    o: str | None = None
    h: str | None = None
    l: str | None = None
    c: str | None = None
    v: str | None = None
    n: Id | None = None


class MarkPrice(Struct, gc=False):
    """Section 2.6. Prediction markets omit ``f``, ``i``, ``n``; ``n`` is in milliseconds."""

    E: Micros
    p: str
    T: Micros | None = None
    f: str | None = None
    i: str | None = None
    n: Millis | None = None


class OpenInterest(Struct, gc=False):
    """Section 2.7."""

    E: Micros
    o: str


class Liquidation(Struct, gc=False):
    """Section 2.8. The symbol is in the data: the topic may be over all markets."""

    E: Micros
    p: str
    q: str
    S: str
    s: Symbol
    T: Micros | None = None


class StockPrice(Struct, gc=False):
    """Section 2.9. Long names; presence of ``E`` is not known; timestamp in milliseconds."""

    E: Micros | None = None
    bid: str | None = None
    ask: str | None = None
    mid: str | None = None
    session: str | None = None
    timestamp: Millis | None = None


class StockIndicativeQuote(Struct, gc=False):
    """Section 2.9."""

    E: Micros | None = None
    bid: str | None = None
    ask: str | None = None
    estimatedBid: str | None = None
    estimatedAsk: str | None = None
    timestamp: Millis | None = None


class MarketFilterPrice(Struct, gc=False):
    """Part of a market object."""

    tickSize: str | None = None


class MarketFilterQuantity(Struct, gc=False):
    """Part of a market object."""

    stepSize: str | None = None


class MarketFilters(Struct, gc=False):
    """Part of a market object."""

    price: MarketFilterPrice = msgspec.field(default_factory=MarketFilterPrice)
    quantity: MarketFilterQuantity = msgspec.field(default_factory=MarketFilterQuantity)


class Market(Struct, gc=False):
    """One market of REST ``/markets`` (protocol section 6)."""

    symbol: Symbol
    baseSymbol: str = ""
    marketType: str = ""
    orderBookState: str = ""
    filters: MarketFilters = msgspec.field(default_factory=MarketFilters)


def decoder(message: type[Struct]) -> msgspec.json.Decoder[Any]:
    """Decoder of one kind of message; its ``decode`` raises msgspec.MsgspecError."""
    return msgspec.json.Decoder(message, strict=False)
