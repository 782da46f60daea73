"""An engine and one depth stream, fed by hand; levels are texts as the venue would write them."""

import json
from collections.abc import Sequence
from typing import Any

from market.engine import Engine
from schemas.frames import ConnectionClosed, Kind, RequestFailed, to_json
from schemas.numbers import pretty_price, pretty_qty
from schemas.rows import Depth, Row
from schemas.topics import Topic
from tests.market.stamps import Stamper, depth_path, event, subscribe

SYMBOL = "SOL_USDC"
START_US = 1_788_367_430_000_000

Texts = Sequence[tuple[str, str]]


class Hand:
    """Each call feeds one frame and gives its rows."""

    def __init__(self, topic: str = f"depth.{SYMBOL}", step_ns: int = 1_000_000) -> None:
        self.engine = Engine()
        self.topic = topic
        self.stamper = Stamper(step_ns)

    def subscribe(self, conn: int = 1) -> list[Row]:
        """We subscribe on a connection."""
        return self._feed(Kind.SENT, subscribe(self.topic), conn=conn)

    def close(self, conn: int = 1) -> list[Row]:
        """A connection ends."""
        return self._feed(Kind.CLOSE, to_json(ConnectionClosed(1006, "")), conn=conn)

    def delta(
        self, first: int, last: int | None = None, *, bids: Texts = (), asks: Texts = (),
        us: int = 0, conn: int = 1,
    ) -> list[Row]:  # fmt: skip
        """A depth frame of ids ``first..last``, ``us`` microseconds after the start."""
        members = {"E": START_US + us + 200, "T": START_US + us, "U": first, "u": last or first}
        symbol = Topic.parse(self.topic).symbol
        text = event(self.topic, e="depth", s=symbol, a=asks, b=bids, **members)
        return self._feed(Kind.DATA, text.encode(), conn=conn)

    def data(self, text: str, conn: int = 1) -> list[Row]:
        """Any websocket message."""
        return self._feed(Kind.DATA, text.encode(), conn=conn)

    def quote(
        self, update_id: int, bid: tuple[str, str] | None, ask: tuple[str, str] | None
    ) -> list[Row]:
        """A bookTicker: best bid and ask with their quantities, None for an empty side."""
        b, a = bid or (None, None), ask or (None, None)
        members: dict[str, Any] = {"E": START_US, "T": START_US, "u": update_id}
        members |= {"b": b[0], "B": b[1], "a": a[0], "A": a[1]}
        stream = f"bookTicker.{SYMBOL}"
        return self.data(event(stream, e="bookTicker", s=SYMBOL, **members))

    def noted(self, kind: Kind, payload: bytes, conn: int = 0) -> list[Row]:
        """Any frame that is about the recording itself."""
        return self._feed(kind, payload, conn=conn)

    def ask(self) -> list[Row]:
        """The door asks for the snapshot."""
        return self._feed(Kind.REQUEST, topic=depth_path(SYMBOL))

    def reply(self, last: int, *, bids: Texts = (), asks: Texts = (), us: int = 0) -> list[Row]:
        """The snapshot arrives."""
        body = {"asks": asks, "bids": bids, "lastUpdateId": str(last), "timestamp": START_US + us}
        return self._feed(Kind.REPLY, json.dumps(body).encode(), topic=depth_path(SYMBOL))

    def fail(self, status: int) -> list[Row]:
        """The request fails."""
        payload = to_json(RequestFailed(status, "", ""))
        return self._feed(Kind.FAILED, payload, topic=depth_path(SYMBOL))

    def join(self, last: int, *, bids: Texts = (), asks: Texts = ()) -> list[Row]:
        """Ask and be answered; what the engine wanted before is forgotten."""
        self.ask()
        rows = self.reply(last, bids=bids, asks=asks)
        self.wanted()
        return rows

    def wanted(self) -> list[int]:
        """Delays in ms of the snapshots asked for since the last call."""
        requests = self.engine.take_requests()
        assert {request.symbol for request in requests} <= {SYMBOL}
        return [request.delay_ns // 1_000_000 for request in requests]

    @property
    def id(self) -> int | None:
        """Where the live book stands; None while it is not live."""
        book = self.engine.book(SYMBOL)
        return None if book is None else book.last_update_id

    @property
    def bids(self) -> list[tuple[str, str]]:
        """Bids of the live book, best first."""
        book = self.engine.book(SYMBOL)
        assert book is not None
        return [(pretty_price(p), pretty_qty(q)) for p, q in book.bids.top()]

    @property
    def asks(self) -> list[tuple[str, str]]:
        """Asks of the live book, best first."""
        book = self.engine.book(SYMBOL)
        assert book is not None
        return [(pretty_price(p), pretty_qty(q)) for p, q in book.asks.top()]

    def _feed(
        self, kind: Kind, payload: bytes = b"", *, conn: int = 0, topic: str = ""
    ) -> list[Row]:
        return self.engine.feed(self.stamper.frame(kind, payload, conn=conn, topic=topic))


def actions(rows: list[Row]) -> list[tuple[str, int | None, int | None]]:
    """Action and ids of depth rows, in order."""
    return [
        (row.action, row.first_update_id, row.last_update_id)
        for row in rows
        if isinstance(row, Depth)
    ]
