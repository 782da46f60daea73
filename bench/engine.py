"""Frames a second through ``Engine.feed``, against ccxt.pro on the same frames."""

import asyncio
from typing import Any

import ccxt.pro
import msgspec

from bench.captures import SYMBOLS, frames, received, snapshot
from bench.report import in_turn, line, rate
from market.engine import Engine
from schemas import wire
from schemas.digest import Witness
from schemas.frames import Frame, Kind

CAPTURES = (
    ("spot2_events_90s", "single-level frames, as Backpack sends", 8),
    ("spot2", "many-level frames", 3),
)


def run() -> None:
    """Print the lines of this bench."""
    asyncio.run(_run())


async def _run() -> None:
    for name, what, aim in CAPTURES:
        await _compare(name, what, aim)


async def _compare(name: str, what: str, aim: int) -> None:
    taped = frames(name)
    texts = [item.text for item in received(name)]
    peer = Peer(name)
    decode, ours, witnessed, theirs = in_turn(
        lambda: _decode_only(taped),
        lambda: _feed(taped),
        lambda: _feed_and_digest(taped),
        lambda: peer.run(texts),
    )
    await peer.exchange.close()
    print(f"-- {name}: {what}, {len(texts):,} frames")
    line("decode only (msgspec, typed): the limit", rate(len(taped), decode))
    line("Engine.feed", rate(len(taped), ours), f"{decode / ours:.0%} of decode only")
    line("Engine.feed and both digests, as recorded", rate(len(taped), witnessed))
    ratio = f"ours is {theirs / ours:.1f} times as fast (aim {aim})"
    line(f"ccxt.pro {ccxt.__version__} decode + handle_message", rate(len(texts), theirs), ratio)


def _feed(taped: list[Frame]) -> None:
    feed = Engine().feed
    for frame in taped:
        feed(frame)


def _feed_and_digest(taped: list[Frame]) -> None:
    feed, see = Engine().feed, Witness().see
    for frame in taped:
        see(frame, feed(frame))


def _decode_only(taped: list[Frame]) -> None:
    envelope = wire.decoder(wire.Envelope).decode
    messages: dict[str, type[msgspec.Struct]] = {
        "depth": wire.Depth,
        "bookTicker": wire.BookTicker,
        "trade": wire.Trade,
    }
    decoders = {f"{c}.{s}": wire.decoder(m).decode for c, m in messages.items() for s in SYMBOLS}
    for frame in taped:
        if frame.kind is Kind.DATA:
            opened = envelope(frame.payload)
            decoders[opened.stream](opened.data)


class Peer:
    """ccxt's Backpack class with its order books seeded from the same snapshots.

    ``handle_text_or_binary_message`` is what its socket calls: it decodes and dispatches to
    ``handle_message``. Nobody waits for its futures, which only makes it faster.
    """

    def __init__(self, name: str) -> None:
        self.exchange: Any = ccxt.pro.backpack()
        self.exchange.set_markets([self._market(symbol) for symbol in SYMBOLS])
        self._client = self.exchange.client("ws://127.0.0.1")
        self._snapshots = {
            symbol: msgspec.json.decode(snapshot(name, symbol)) for symbol in SYMBOLS
        }

    def run(self, texts: list[str]) -> None:
        """Feed all frames from a fresh start."""
        self._seed()
        handle = self._client.handle_text_or_binary_message
        for text in texts:
            handle(text)

    def _seed(self) -> None:
        for market_id, body in self._snapshots.items():
            symbol = market_id.replace("_", "/")
            parsed = self.exchange.parse_order_book(body, symbol)
            parsed["nonce"] = int(body["lastUpdateId"])
            book = self.exchange.order_book({})
            book.reset(parsed)
            self.exchange.orderbooks[symbol] = book

    def _market(self, market_id: str) -> Any:
        base, quote = market_id.split("_")
        fields = {"id": market_id, "symbol": f"{base}/{quote}", "base": base, "quote": quote}
        precision = {"amount": 1e-6, "price": 0.01}
        kind = {"spot": True, "type": "spot", "active": True, "info": {}, "precision": precision}
        return self.exchange.safe_market_structure(fields | kind)
