"""The venue's market lists to rows: what is new in a list against the one before, path by path."""

from collections.abc import Iterator
from typing import Any

import msgspec

from market.control import UNREADABLE
from market.notes import reject_row
from schemas.columns import Count, Price, Qty, Time
from schemas.errors import InexactNumber
from schemas.figures import figure_of_number
from schemas.frames import Frame
from schemas.nesting import too_deep
from schemas.numbers import price, qty
from schemas.requests import is_market_list
from schemas.rows import Market, Row
from schemas.times import iso

MARKETS_LIMIT = 10_000  # in a list, so that its keyframe is bounded; the venue has about 200
_LONGEST_WORD = 64
_INT64_MAX = 2**63 - 1
_MS = 1_000_000  # ns


class Listing(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """What is remembered of a market: the members of a row, in its order, in its units.

    unfit: ticks and steps that fit no column, as they were said.
    """

    base: str | None
    quote: str | None
    market_type: str | None
    order_book_state: str | None
    tick_size: Price | None
    step_size: Qty | None
    min_price: Price | None
    max_price: Price | None
    min_qty: Qty | None
    max_qty: Qty | None
    funding_interval_ns: Count | None
    visible: bool | None
    ts_created: Time | None
    unfit: tuple[str, ...] = ()


Listings = dict[str, Listing]  # by symbol, in the order of the list


class Markets:
    """The newest list of each path. A list is complete for its own path alone: prediction markets
    have one of their own."""

    __slots__ = ("_lists",)

    def __init__(self) -> None:
        self._lists: dict[str, Listings] = {}

    def reset(self) -> None:
        """Back to the beginning."""
        self._lists.clear()

    def replied(self, frame: Frame) -> list[Row]:
        """What a reply says that is new; none where it is about something else."""
        if not is_market_list(frame.topic):
            return []
        try:
            listings = read_listings(frame.payload)
        except UNREADABLE as error:
            return [reject_row(frame, None, "bad_reply", str(error))]
        before = self._lists.get(frame.topic, {})
        self._lists[frame.topic] = listings
        return list(_news(frame, before, listings))

    def export(self) -> Iterator[tuple[str, bytes]]:
        """Path and keyframe of each list."""
        for path, listings in self._lists.items():
            yield path, msgspec.json.encode(listings)

    def restore(self, path: str, payload: bytes) -> None:
        """Become what a keyframe says; raises MsgspecError if it cannot be read."""
        self._lists[path] = _decode_state(payload)


def read_listings(body: bytes) -> Listings:
    """The body of a market list; raises MsgspecError where it is none, has too many, or a market
    has no name."""
    if too_deep(body):
        raise msgspec.DecodeError("nested too deep")
    found = _decode(body)
    if len(found) > MARKETS_LIMIT:
        raise msgspec.ValidationError(f"a list of {len(found)} markets")
    return {_symbol(members): _listing(members) for members in found}


def _news(frame: Frame, before: Listings, listings: Listings) -> Iterator[Row]:
    for symbol, listing in listings.items():
        known = before.get(symbol)
        if known != listing:
            yield _row(frame, "listed" if known is None else "changed", symbol, listing)
            for unfit in listing.unfit:
                yield reject_row(frame, None, "inexact", f"{symbol}: {unfit}")
    for symbol, listing in before.items():
        if symbol not in listings:
            yield _row(frame, "delisted", symbol, listing)


def _row(frame: Frame, event: str, symbol: str, listing: Listing) -> Row:
    *members, _ = msgspec.structs.astuple(listing)
    return Market(frame.seq, frame.ts_recv, None, None, frame.topic, event, symbol, *members)


def _symbol(members: dict[str, Any]) -> str:
    symbol = _word(members.get("symbol"))
    if symbol is None:
        raise msgspec.ValidationError("a market has no symbol")
    return symbol


def _listing(members: dict[str, Any]) -> Listing:
    filters = _members(members.get("filters"))
    prices, quantities = _members(filters.get("price")), _members(filters.get("quantity"))
    tick, step = prices.get("tickSize"), quantities.get("stepSize")
    sizes = {"tickSize": (tick, _price(tick)), "stepSize": (step, _qty(step))}
    visible = members.get("visible")
    return Listing(
        _word(members.get("baseSymbol")), _word(members.get("quoteSymbol")),
        _word(members.get("marketType")), _word(members.get("orderBookState")),
        sizes["tickSize"][1], sizes["stepSize"][1],
        _price(prices.get("minPrice")), _price(prices.get("maxPrice")),
        _qty(quantities.get("minQuantity")), _qty(quantities.get("maxQuantity")),
        _interval(members.get("fundingInterval")),
        visible if isinstance(visible, bool) else None, _created(members.get("createdAt")),
        tuple(
            f"{name} {str(said)[:40]!r} does not fit"
            for name, (said, size) in sizes.items()
            if said is not None and size is None
        ),
    )  # fmt: skip


def _members(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: Any) -> str | None:
    """A text, which a number as it was written (`Figure`) is not."""
    return value if type(value) is str and 0 < len(value) <= _LONGEST_WORD else None


def _number(value: Any) -> str:
    """A number as text, whether it came as one or not; raises InexactNumber."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InexactNumber("no number")


def _price(value: Any) -> int | None:
    try:
        return price(_number(value))
    except InexactNumber:
        return None


def _qty(value: Any) -> int | None:
    try:
        return qty(_number(value))
    except InexactNumber:
        return None


def _interval(value: Any) -> int | None:
    """Milliseconds to ns."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _INT64_MAX // _MS:
        return value * _MS
    return None


def _created(value: Any) -> int | None:
    try:
        return iso(value) if isinstance(value, str) else None
    except InexactNumber:
        return None


_decode = msgspec.json.Decoder(list[dict[str, Any]], float_hook=figure_of_number).decode
_decode_state = msgspec.json.Decoder(Listings).decode
