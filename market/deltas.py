"""Levels of depth frames and snapshot replies in exact integers."""

import msgspec

from market.book import PriceQty
from market.gaps import Seen
from schemas import wire
from schemas.columns import Time
from schemas.nesting import too_deep
from schemas.numbers import PRICES, QUANTITIES
from schemas.times import optional_micros


class Snapshot(msgspec.Struct, gc=False, frozen=True):
    """A REST depth reply; ``ts_engine`` in ns where the venue gave it."""

    last: wire.Id
    ts_engine: Time | None
    bids: list[PriceQty]
    asks: list[PriceQty]

    def is_behind(self, first_kept: int | None, heard: Seen | None) -> bool:
        """Whether ids between the snapshot and the deltas that are kept are missing; or, with none
        kept, the book would lack what had been heard."""
        if first_kept is not None:
            return self.last + 1 < first_kept
        if heard is None or heard.id <= self.last:
            return False
        return not heard.is_long_before(self.ts_engine)


def read_snapshot(body: bytes) -> Snapshot:
    """The body of a REST depth reply; raises MsgspecError or InexactNumber."""
    if too_deep(body):
        raise msgspec.DecodeError("nested too deep")
    message = _decode_snapshot(body)
    ts_engine = optional_micros(message.timestamp)
    bids, asks = read_levels(message.bids), read_levels(message.asks)
    return Snapshot(message.lastUpdateId, ts_engine, bids, asks)


def read_levels(texts: list[wire.Level]) -> list[PriceQty]:
    """Price in 1e-9 and quantity in 1e-6 of each level; raises InexactNumber."""
    return [(PRICES[p], QUANTITIES[q]) for p, q in texts]


_decode_snapshot = wire.decoder(wire.DepthSnapshot).decode
