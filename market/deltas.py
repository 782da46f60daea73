"""Depth frames and snapshot replies in exact integers."""

import msgspec

from market.book import PriceQty
from schemas import wire
from schemas.numbers import price, qty


class Delta(msgspec.Struct, gc=False, frozen=True):
    """A depth frame.

    first, last: update ids ``U`` and ``u``.
    ts_event, ts_engine: ``E`` and ``T`` in ns.
    bids, asks: (price, absolute quantity) in the order of the frame.
    """

    first: int
    last: int
    ts_event: int
    ts_engine: int
    bids: list[PriceQty]
    asks: list[PriceQty]


class Snapshot(msgspec.Struct, gc=False, frozen=True):
    """A REST depth reply; ``ts_engine`` in ns where the venue gave it."""

    last: int
    ts_engine: int | None
    bids: list[PriceQty]
    asks: list[PriceQty]


def read_delta(message: wire.Depth) -> Delta:
    """A depth message; raises InexactNumber."""
    return Delta(
        message.U,
        message.u,
        message.E * 1_000,
        message.T * 1_000,
        _levels(message.b) if message.b else [],
        _levels(message.a) if message.a else [],
    )


def read_snapshot(body: bytes) -> Snapshot:
    """The body of a REST depth reply; raises MsgspecError or InexactNumber."""
    message = _decode_snapshot(body)
    ts_engine = None if message.timestamp is None else message.timestamp * 1_000
    return Snapshot(message.lastUpdateId, ts_engine, _levels(message.bids), _levels(message.asks))


def _levels(texts: list[wire.Level]) -> list[PriceQty]:
    return [(price(p), qty(q)) for p, q in texts]


_decode_snapshot = wire.decoder(wire.DepthSnapshot).decode
