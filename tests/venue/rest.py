"""The venue's REST door: markets, depth, trades, time, status; and the faults a test queues."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Response

from replay.server import replies
from replay.server.depth_reply import LIMITS
from replay.server.replies import JSON_TYPE, TEXT_TYPE
from tests.venue.accounts import VenueClock
from tests.venue.past_trades import PastTrades, bounds
from tests.venue.shadow_book import Truth

DOOR = "websocket"  # where faults of the handshake are queued


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply: status, body text, content type and further headers."""

    status: int
    body: str
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one REST request instead of, or besides, the true reply.

    `status` and `body` replace those of the true reply; `delay` is in seconds, and the reply is
    still the one of the moment of the request (a slow network); `drop` cuts the connection without
    a reply; `stale` serves the depth as of that many depth frames ago; `headers` are added.
    """

    status: int | None = None
    body: str | None = None
    delay: float = 0.0
    drop: bool = False
    stale: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


def _error(reply: replies.Reply) -> Reply:
    """The server of recordings has the venue's words."""
    return Reply(reply.status, reply.body.decode(), reply.content_type)


class Faults:
    """Queues of faults by path prefix (`DOOR`: of the websocket's handshake, where `status`,
    `delay` and `drop` count); each request takes at most one, oldest first."""

    def __init__(self) -> None:
        self._queues: dict[str, list[Fault]] = {}

    def add(self, prefix: str, fault: Fault, times: int = 1) -> None:
        """Queue a fault for the next `times` requests whose path starts with `prefix`."""
        self._queues.setdefault(prefix, []).extend([fault] * times)

    def clear(self, prefix: str | None = None) -> None:
        """Forget the faults still queued, all or those of one prefix."""
        if prefix is None:
            self._queues.clear()
        else:
            self._queues.pop(prefix, None)

    def take(self, target: str) -> Fault | None:
        """Remove and return the fault for a request target; the longest prefix wins."""
        for prefix in sorted(self._queues, key=len, reverse=True):
            if target.startswith(prefix) and self._queues[prefix]:
                return self._queues[prefix].pop(0)
        return None


class Rest:
    """Answers GET requests from the market list and the venue's own books."""

    def __init__(self, truth: Truth, markets: str, clock: VenueClock) -> None:
        self.faults = Faults()
        self.trades = PastTrades()
        self._truth = truth
        self._clock = clock
        self.relist(markets)

    def relist(self, markets: str) -> None:
        """From here on this is the market list."""
        self._markets = markets
        self._by_symbol: dict[str, Any] = {m["symbol"]: m for m in json.loads(markets)}

    def streams(self, symbol: str) -> bool:
        """Whether a market is in the list and not closed (protocol section 6, orderBookState)."""
        market = self._by_symbol.get(symbol)
        return market is not None and market["orderBookState"] != "Closed"

    async def reply(self, target: str) -> Reply | None:
        """The reply to `GET <target>`; None means: cut the connection."""
        fault = self.faults.take(target) or Fault()
        reply = self._true_reply(target, fault.stale)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop:
            return None
        status = reply.status if fault.status is None else fault.status
        body = reply.body if fault.body is None else fault.body
        return Reply(status, body, reply.content_type, fault.headers)

    def _true_reply(self, target: str, stale: int) -> Reply:
        url = urlsplit(target)
        query = parse_qs(url.query)
        if url.path == "/api/v1/depth":
            return self._depth(query, stale)
        if url.path in ("/api/v1/trades", "/api/v1/trades/history"):
            return self._trades(query)
        if url.path == "/api/v1/markets":
            return self._market_list(query)
        if url.path == "/api/v1/market":
            return self._market(query.get("symbol", [""])[0])
        return self._small(url.path)

    def _depth(self, query: dict[str, list[str]], stale: int) -> Reply:
        symbol = query.get("symbol", [""])[0]
        limit = query.get("limit", [None])[0]
        if limit is not None and limit not in LIMITS:
            return _error(replies.BAD_LIMIT)
        if symbol not in self._by_symbol:
            return _error(replies.INVALID_SYMBOL)
        if not self.streams(symbol):
            return _error(replies.NOT_FOUND)
        book = self._truth.book(symbol).as_of(stale)
        return Reply(200, book.body(None if limit is None else int(limit)))

    def _trades(self, query: dict[str, list[str]]) -> Reply:
        symbol, asked = query.get("symbol", [""])[0], bounds(query)
        if symbol not in self._by_symbol:
            return _error(replies.INVALID_SYMBOL)
        if asked is None:
            return Reply(400, '{"code":"INVALID_RANGE","message":"no such page"}')
        return Reply(200, self.trades.page(symbol, *asked))

    def _market_list(self, query: dict[str, list[str]]) -> Reply:
        kinds = query.get("marketType")
        if kinds is None:
            return Reply(200, self._markets)
        chosen = [m for m in self._by_symbol.values() if m["marketType"] in kinds]
        return Reply(200, json.dumps(chosen, separators=(",", ":")))

    def _market(self, symbol: str) -> Reply:
        if symbol not in self._by_symbol:
            return _error(replies.INVALID_SYMBOL)
        return Reply(200, json.dumps(self._by_symbol[symbol], separators=(",", ":")))

    def _small(self, path: str) -> Reply:
        if path == "/api/v1/time":
            return Reply(200, str(self._clock.now_ms()), TEXT_TYPE)
        if path == "/api/v1/status":
            return Reply(200, '{"message":null,"status":"Ok"}')
        if path == "/api/v1/ping":
            return Reply(200, "pong", TEXT_TYPE)
        return _error(replies.NO_PATH)


def http_response(reply: Reply) -> Response:
    """A reply as the websockets server writes it; the connection ends with it."""
    payload = reply.body.encode()
    headers = Headers(
        {
            "Content-Type": reply.content_type,
            "Content-Length": str(len(payload)),
            "Connection": "close",
            **reply.headers,
        }
    )
    known = {status.value: status.phrase for status in HTTPStatus}
    return Response(reply.status, known.get(reply.status, "Unknown"), headers, payload)
