"""A stream's position: its newest id, from its last message or from a REST reply."""

from typing import NamedTuple

import msgspec

from market.audit import quote_of
from market.control import UNREADABLE
from market.deltas import Snapshot, read_snapshot
from market.handlers import book_ticker
from market.streams import STREAMS
from recorder.cadences import Asks
from schemas import wire
from schemas.frames import Frame
from schemas.rows import BookTicker
from schemas.topics import Topic

Best = tuple[int | None, ...]  # bid, its quantity, ask, its quantity


class Mark(NamedTuple):
    """Newest update or trade id; the touch there, where only that is told."""

    id: int
    best: Best | None = None

    def is_ahead(self, heard: "Mark") -> bool:
        """Whether a stream that brought ``heard`` last should have said more by here."""
        if self.id <= heard.id or heard.best is None:
            return self.id > heard.id
        return self.best is not None and self.best != heard.best


class _Traded(msgspec.Struct):
    id: wire.Id


class _BookId(msgspec.Struct):
    lastUpdateId: wire.Id


_envelope = wire.decoder(wire.Envelope).decode
_trades = msgspec.json.Decoder(list[_Traded], strict=False).decode
_book_id = msgspec.json.Decoder(_BookId, strict=False).decode


def heard_mark(frame: Frame) -> Mark | None:
    """By a message of the venue; None where it has no ids, or cannot be read."""
    try:
        envelope = _envelope(frame.payload)
        topic = Topic.parse(envelope.stream or "")
        message = wire.decoder(STREAMS[topic.channel].message).decode(envelope.data)
        if isinstance(message, wire.Depth):
            return Mark(message.u)
        if isinstance(message, wire.Trade):
            return Mark(message.t)
        if not isinstance(message, wire.BookTicker):
            return None
        row = book_ticker(topic, frame, message)[0]
        quote = quote_of(row) if isinstance(row, BookTicker) else None
    except (*UNREADABLE, KeyError):
        return None
    return None if quote is None else Mark(quote[0], quote[1:])


def reply_mark(asks: Asks, body: bytes, touch: bool = False) -> Mark:
    """By a REST reply; raises one of UNREADABLE. touch: also of the best prices of a book."""
    if asks is Asks.TRADES:
        return Mark(max((trade.id for trade in _trades(body)), default=0))
    if not touch:
        return Mark(_book_id(body).lastUpdateId)
    snapshot = read_snapshot(body)
    return Mark(snapshot.last, _best(snapshot))


def _best(snapshot: Snapshot) -> Best:
    bids = [level for level in snapshot.bids if level[1]]
    asks = [level for level in snapshot.asks if level[1]]
    nothing = (None, None)
    return *max(bids, default=nothing), *min(asks, default=nothing)
