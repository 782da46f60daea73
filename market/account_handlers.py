"""Handlers of the account streams, as those in `market.handlers`.

Their topics may be about all markets, and how an RFQ is spelled in one is not known: the symbol of
a row is always that of the message.
"""

from schemas import account_rows as rows
from schemas import account_wire as wire
from schemas.errors import InexactNumber
from schemas.figures import Figure
from schemas.frames import Frame
from schemas.numbers import (
    optional_price,
    optional_qty,
    optional_signed_qty,
    optional_wide,
    qty,
    signed_qty,
    wide,
)
from schemas.rows import Row
from schemas.times import optional_micros, optional_millis
from schemas.topics import Topic

_LONGEST_SHARE = 64


def order(topic: Topic, frame: Frame, message: wire.Order) -> list[Row]:
    """Section 4.1."""
    del topic
    row = rows.Order(
        frame.seq, frame.ts_recv, message.E * 1_000, message.s, optional_micros(message.T),
        message.e, str(message.i), message.c, message.S, message.o, message.f,
        optional_price(message.p), optional_qty(message.q), optional_wide(message.Q),
        optional_price(message.P), message.B, _optional_share(message.Y),
        optional_price(message.a), optional_price(message.j), message.d,
        optional_price(message.b), optional_price(message.k), message.g,
        message.X, message.er if message.R is None else message.R,
        qty(message.z), wide(message.Z),
        message.t, optional_qty(message.l), optional_price(message.L), message.m,
        optional_wide(message.n), message.N,
        message.V, message.r, message.y, message.O, _optional_text(message.I), message.H,
    )  # fmt: skip
    return [row]


def position(topic: Topic, frame: Frame, message: wire.Position) -> list[Row]:
    """Section 4.2."""
    del topic
    row = rows.Position(
        frame.seq, frame.ts_recv, optional_micros(message.E), message.s,
        optional_micros(message.T), message.e, message.i,
        signed_qty(message.q), optional_signed_qty(message.Q), optional_wide(message.n),
        optional_wide(message.B), optional_wide(message.b), optional_price(message.M),
        optional_wide(message.f), optional_wide(message.m),
        optional_wide(message.p), optional_wide(message.P),
    )  # fmt: skip
    return [row]


def balance(topic: Topic, frame: Frame, message: wire.Balance) -> list[Row]:
    """Section 4.3."""
    del topic
    row = rows.Balance(
        frame.seq, frame.ts_recv, message.E * 1_000, None, optional_micros(message.T),
        message.a, wide(message.A), wide(message.L), optional_wide(message.S),
    )  # fmt: skip
    return [row]


def rfq(topic: Topic, frame: Frame, message: wire.Rfq) -> list[Row]:
    """Section 4.4."""
    del topic
    row = rows.Rfq(
        frame.seq, frame.ts_recv, message.E * 1_000, message.s, optional_micros(message.T),
        message.e, message.R, message.u, _optional_text(message.C), message.S, message.o,
        optional_qty(message.q), optional_wide(message.Q), optional_price(message.p),
        optional_millis(message.w), optional_millis(message.W), _optional_text(message.O),
        message.X, optional_qty(message.z), optional_wide(message.Z),
        optional_qty(message.l), optional_wide(message.L),
    )  # fmt: skip
    return [row]


def _optional_text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _optional_share(value: Figure | None) -> str | None:
    """A quantity, or a share of one; raises InexactNumber for what is neither by its length."""
    if value is not None and len(value) > _LONGEST_SHARE:
        raise InexactNumber(f"{value[:40]!r} is too long for a quantity")
    return _optional_text(value)
