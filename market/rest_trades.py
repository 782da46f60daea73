"""What REST says of trades: the newest first, without the ids of orders (protocol section 6)."""

import msgspec

from schemas import wire
from schemas.frames import Frame
from schemas.nesting import too_deep
from schemas.numbers import pretty_price, pretty_qty, price, qty
from schemas.rows import Trade

REST = "rest"  # source of such a row


def read_trades(body: bytes) -> list[wire.RestTrade]:
    """The body of a reply, the oldest trade first; raises MsgspecError."""
    if too_deep(body):
        raise msgspec.DecodeError("nested too deep")
    return sorted(_decode(body), key=lambda trade: trade.id)


def rest_row(frame: Frame, symbol: str, said: wire.RestTrade) -> Trade:
    """A trade of a reply as a row; raises InexactNumber."""
    return Trade(
        frame.seq, frame.ts_recv, None, symbol, said.timestamp * 1_000_000,
        said.id, price(said.price), qty(said.quantity), "sell" if said.isBuyerMaker else "buy",
        None, None, REST,
    )  # fmt: skip


def contradiction(one: Trade, other: Trade) -> str:
    """What two rows of one trade differ in, for a message; empty if in nothing. Their times may, as
    REST has them to the ms."""
    said, known = _told(one), _told(other)
    return "" if said == known else f"trade {one.trade_id}: {said} by {one.source}, was {known}"


def _told(row: Trade) -> str:
    return f"{row.side} {pretty_qty(row.qty)} at {pretty_price(row.price)}"


_decode = msgspec.json.Decoder(list[wire.RestTrade], strict=False).decode
