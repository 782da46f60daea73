"""The venue's market list as it was recorded: each object byte for byte (protocol section 6)."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import msgspec

from market.control import UNREADABLE

KINDS = ("SPOT", "PERP", "IPERP", "DATED", "PREDICTION", "RFQ")
CLOSED = "Closed"
_LISTS = 16  # that are kept parsed: one is 177 KB, and is asked for again and again


class _Object(msgspec.Struct, gc=False):
    """What is needed of a market object, whatever else the venue changes in it."""

    symbol: str
    marketType: str | None = None
    orderBookState: str | None = None
    baseSymbol: str | None = None
    quoteSymbol: str | None = None
    fundingInterval: int | None = None


class Listed(NamedTuple):
    """A market. kind: ``SPOT``, ``PERP``.. raw: the object as the venue wrote it.

    funding_ms: between two fundings; None where there are none.
    """

    symbol: str
    kind: str
    closed: bool
    assets: tuple[str, ...]
    funding_ms: int | None
    raw: bytes


_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_object = msgspec.json.Decoder(_Object).decode


class MarketList:
    """Markets by symbol, in the venue's order; of those listed twice, the first counts."""

    def __init__(self, markets: Iterable[Listed] = ()) -> None:
        self._markets: dict[str, Listed] = {}
        for market in markets:
            self._markets.setdefault(market.symbol, market)
        self._places = {symbol: place for place, symbol in enumerate(self._markets)}

    @classmethod
    def of(cls, *bodies: bytes) -> "MarketList":
        """From the bodies of recorded replies; what cannot be read is left out."""
        return _parsed(bodies)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._markets

    def __iter__(self) -> Iterator[Listed]:
        return iter(self._markets.values())

    def __bool__(self) -> bool:
        return bool(self._markets)

    def get(self, symbol: str) -> Listed | None:
        """A market; None where it is not listed."""
        return self._markets.get(symbol)

    def is_closed(self, symbol: str) -> bool:
        """Whether a market is listed as closed: it has no book and streams nothing."""
        market = self._markets.get(symbol)
        return market is not None and market.closed

    def kind(self, symbol: str) -> str:
        """The type of a market; of one that is not listed, by the end of its symbol."""
        market = self._markets.get(symbol)
        if market is not None:
            return market.kind
        end = symbol.rpartition("_")[2]
        return end if end in KINDS else "SPOT"

    def place(self, symbol: str) -> tuple[int, str]:
        """Sorts as the venue's list does, what is not in it behind."""
        return self._places.get(symbol, len(self._places)), symbol

    def body(self, kinds: Iterable[str]) -> bytes:
        """The list of markets of some types."""
        wanted = set(kinds)
        return b"[%b]" % b",".join(m.raw for m in self if m.kind in wanted)


@lru_cache(_LISTS)
def _parsed(bodies: tuple[bytes, ...]) -> MarketList:
    return MarketList(market for body in bodies for market in _markets_in(body))


def _markets_in(body: bytes) -> Iterator[Listed]:
    try:
        objects = _decode_list(body)
    except UNREADABLE:
        return
    for raw in objects:
        market = _market(bytes(raw))
        if market is not None:
            yield market


def _market(raw: bytes) -> Listed | None:
    try:
        found = _decode_object(raw)
    except UNREADABLE:
        return None
    assets = tuple(name for name in (found.baseSymbol, found.quoteSymbol) if name)
    kind, closed = found.marketType or "", found.orderBookState == CLOSED
    return Listed(found.symbol, kind, closed, assets, found.fundingInterval, raw)
