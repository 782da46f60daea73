"""What a market maker would quote, live or on a recording. See docs/strategy.md.

    python docs/maker.py replay data/tape
    BP_API_KEY=.. BP_API_SECRET=.. python docs/maker.py live data/tape --seconds 60

It looks at the book, the trades, the candles, our own orders and our position, and says what it
would quote each time that changes. It sends no orders: this project only listens.
"""

import argparse
import asyncio

from market.feed import Feed
from recorder import Live
from replay import Replay
from schemas.account_rows import Order, Position
from schemas.numbers import pretty_price, pretty_qty
from schemas.rows import Trade

DECIDES = Trade, Order, Position
TRADES = 20  # how many trades the pressure is taken of
CANDLES = 5


def pressure(feed: Feed, symbol: str) -> int:
    """What was bought less what was sold by the last trades, in quantity."""
    trades = feed.state.trades(symbol, limit=TRADES)
    return sum(trade.qty if trade.side == "buy" else -trade.qty for trade in trades)


def swing(feed: Feed, symbol: str) -> int:
    """How far the price went in the last minutes, the one that is open among them."""
    candles = feed.state.candles(symbol, "1m", limit=CANDLES)
    highs = [candle.high for candle in candles if candle.high is not None]
    lows = [candle.low for candle in candles if candle.low is not None]
    return max(highs) - min(lows) if highs and lows else 0


def quotes(feed: Feed, symbol: str) -> str:
    """Bid and ask to be quoted; empty while there is no price to act on."""
    book = feed.book(symbol)
    if book is None or book.best_bid is None or book.best_ask is None:
        return ""
    position = feed.state.position(symbol)
    held = 0 if position is None else position.net_qty
    lean = pressure(feed, symbol) // 1_000 - held // 1_000
    half = max(swing(feed, symbol) // 10, book.best_ask.price - book.best_bid.price)
    middle = (book.best_bid.price + book.best_ask.price) // 2 + lean
    return f"{pretty_price(middle - half)} / {pretty_price(middle + half)}"


async def decide(feed: Feed, symbol: str) -> None:
    """The strategy. ``feed`` is a Live or a Replay: it cannot tell, and need not."""
    said = ""
    async for row in feed:
        if row.symbol != symbol or not isinstance(row, DECIDES):
            continue
        working = [
            f"{order.row.side} {pretty_qty((order.row.qty or 0) - order.executed_qty)}"
            f"{'' if order.sure else ' (?)'}"
            for order in feed.state.open_orders(symbol)
        ]
        now = f"{quotes(feed, symbol)} working {', '.join(working) or 'nothing'}"
        if now != said:
            said = now
            print(f"{row.ts_event} {now} after {len(feed.state.my_trades(symbol))} fills")


def main() -> None:
    """Choose the door."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("door", choices=("live", "replay"))
    parser.add_argument("data", help="folder of the recording")
    parser.add_argument("--symbol", default="BTC_USDC_PERP")
    parser.add_argument("--seconds", type=float, default=60, help="live: how long")
    parser.add_argument("--ws-url", default="wss://ws.backpack.exchange")
    parser.add_argument("--rest-url", default="https://api.backpack.exchange")
    args = parser.parse_args()
    feed: Feed
    if args.door == "replay":
        feed = Replay(args.data)
    else:
        symbol = args.symbol
        feed = Live(
            [f"depth.{symbol}", f"trade.{symbol}", f"kline.1m.{symbol}", "account.*"],
            data=args.data,
            ws_url=args.ws_url,
            rest_url=args.rest_url,
            duration=args.seconds,
        )
    asyncio.run(decide(feed, args.symbol))


if __name__ == "__main__":
    main()
