"""The venue's messages as it spells them (protocol sections 2 and 3.2).

Members that may be missing have a default; new members are ignored. Numbers written as texts are
accepted for ids and times (decode with ``strict=False``), as some samples have them so.
Prices and quantities stay texts here.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from schemas.figures import figure_of, figure_of_number

# Bounds are those of an int64, in ns for times: what is beyond cannot be stored and is refused.
# Ids end one earlier, as a gap row says the one that should have come next.
Id = Annotated[int, Meta(ge=0, le=2**63 - 2)]
Micros = Annotated[int, Meta(ge=0, le=(2**63 - 1) // 1_000)]
Millis = Annotated[int, Meta(ge=0, le=(2**63 - 1) // 1_000_000)]
Symbol = Annotated[str, Meta(min_length=1, max_length=64)]
Word = Annotated[str, Meta(max_length=64)]  # texts are bounded, as some are kept by the thousand
Text = Annotated[str, Meta(max_length=128)]
Level = tuple[str, str]


class Envelope(Struct, gc=False):
    """``{"data": {...}, "stream": "..."}``; an error reply has neither."""

    stream: str | None = None
    data: Raw = Raw()
    error: Raw = Raw()


class StreamName(Struct, gc=False):
    """An envelope of which only the stream's name is wanted."""

    stream: str | None = None


class Event(Struct, gc=False, kw_only=True):
    """Members that every event of the older streams has, beside its name ``e``.

    ``e`` is checked by the decoder: another name on a known stream is an unknown event.
    """

    s: str
    E: Micros


class StockEvent(Struct, gc=False, kw_only=True):
    """Section 2.9: long names, and nobody has said whether these three are there."""

    s: str = ""
    E: Micros | None = None
    bid: str | None = None
    ask: str | None = None
    timestamp: Millis | None = None


class Depth(Event, gc=False, kw_only=True):
    """Section 2.2. Quantities are absolute; ``U``..``u`` are the update ids contained."""

    e: Literal["depth"]
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


class BookTicker(Event, gc=False, kw_only=True):
    """Section 2.1. A null or missing side is empty."""

    e: Literal["bookTicker"]
    u: Id
    T: Micros | None = None
    a: str | None = None
    A: str | None = None
    b: str | None = None
    B: str | None = None


class Trade(Event, gc=False, kw_only=True):
    """Section 2.4. ``m``: the buyer is the maker."""

    e: Literal["trade"]
    T: Micros
    t: Id
    p: str
    q: str
    m: bool
    a: Text = ""
    b: Text = ""


class RestTrade(Struct, gc=False):
    """Section 6: a trade as ``/api/v1/trades`` has it. It names no orders."""

    id: Id
    price: str
    quantity: str
    isBuyerMaker: bool
    timestamp: Millis


class Rolling(Event, gc=False, kw_only=True):
    """What both tickers hold: statistics of the last 24 hours."""

    o: str | None = None
    h: str | None = None
    l: str | None = None
    c: str | None = None
    v: str | None = None
    V: str | None = None
    n: Id | None = None


class Ticker(Rolling, gc=False, kw_only=True):
    """Section 2.5."""

    e: Literal["ticker"]


class ExternalTicker(Rolling, gc=False, kw_only=True):
    """Section 2.9."""

    e: Literal["externalTicker"]


class Kline(Event, gc=False, kw_only=True):
    """Section 2.3. ``t``, ``T``: naive ISO 8601 in UTC; ``T`` is exclusive."""

    e: Literal["kline"]
    t: str
    T: str
    X: bool
    o: str | None = None
    h: str | None = None
    l: str | None = None
    c: str | None = None
    v: str | None = None
    n: Id | None = None


class MarkPrice(Event, gc=False, kw_only=True):
    """Section 2.6. Prediction markets omit ``f``, ``i``, ``n``; ``n`` is in milliseconds."""

    e: Literal["markPrice"]
    p: str
    T: Micros | None = None
    f: str | None = None
    i: str | None = None
    n: Millis | None = None


class OpenInterest(Event, gc=False, kw_only=True):
    """Section 2.7."""

    e: Literal["openInterest"]
    o: str


class Liquidation(Event, gc=False, kw_only=True):
    """Section 2.8. The symbol is in the data: the topic may be over all markets."""

    e: Literal["liquidation"]
    p: str
    q: str
    S: Word
    s: Symbol
    T: Micros | None = None


class StockPrice(StockEvent, gc=False, kw_only=True):
    """Section 2.9."""

    e: Literal["stockPrice", ""] = ""
    mid: str | None = None
    session: Word | None = None


class StockIndicativeQuote(StockEvent, gc=False, kw_only=True):
    """Section 2.9."""

    e: Literal["stockIndicativeQuote", ""] = ""
    estimatedBid: str | None = None
    estimatedAsk: str | None = None


class Several(Struct, gc=False):
    """Messages of one frame; ``s``: together they are about no market."""

    each: list[Any]
    s: str = ""


def decoder(message: type[Struct]) -> msgspec.json.Decoder[Any]:
    """Decoder of one kind of message; its ``decode`` raises msgspec.MsgspecError."""
    return _decoder(message)


def several(message: type[Struct]) -> Callable[[Raw], Several]:
    """``decode`` for where one message comes, or an array of them."""
    decode = _decoder(message | list[message]).decode  # type: ignore[valid-type]

    def decoded(data: Raw) -> Several:
        found = decode(data)
        return Several(found if isinstance(found, list) else [found])

    return decoded


@cache
def events(message: type[Struct]) -> frozenset[str]:
    """The names that events of this kind give themselves (``e``)."""
    return frozenset(_texts(get_type_hints(message)["e"]))


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=False, dec_hook=figure_of, float_hook=figure_of_number)


def _texts(hint: Any) -> Iterator[str]:
    for part in get_args(hint):
        if isinstance(part, str):
            yield part
