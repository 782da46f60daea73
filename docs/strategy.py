"""One strategy, run live or on a recording. See docs/strategy.md.

    python docs/strategy.py replay data/sample
    python docs/strategy.py live data/tape --seconds 60

It watches how far the best bid outweighs the best ask, and says so when that turns. Not a way to
earn money; a way to see that the same loop body makes the same decisions both ways.
"""

import argparse
import asyncio

from market.feed import Feed
from recorder import Live
from replay import Replay
from schemas.rows import Depth, Trade


async def decide(feed: Feed, symbol: str) -> None:
    """The strategy. ``feed`` is a Live or a Replay: it cannot tell, and need not."""
    leaning, traded = "", 0
    async for row in feed:
        if row.symbol != symbol:
            continue
        if isinstance(row, Trade):
            traded += row.qty
        if isinstance(row, Depth):
            book = feed.book(symbol)
            if book is None or book.best_bid is None or book.best_ask is None:
                continue  # not live: there is no price to act on
            bid, ask = book.best_bid, book.best_ask
            now = "up" if bid.qty > 3 * ask.qty else "down" if ask.qty > 3 * bid.qty else leaning
            if now != leaning:
                leaning = now
                print(f"{book.last_update_id} {now:<4} {bid.pretty} / {ask.pretty} {traded}")


def main() -> None:
    """Choose the door."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("door", choices=("live", "replay"))
    parser.add_argument("data", nargs="?", default=None, help="folder of the recording")
    parser.add_argument("--symbol", default="SOL_USDC")
    parser.add_argument("--seconds", type=float, default=60, help="live: how long")
    parser.add_argument("--ws-url", default="wss://ws.backpack.exchange")
    parser.add_argument("--rest-url", default="https://api.backpack.exchange")
    args = parser.parse_args()
    feed: Feed
    if args.door == "replay":
        feed = Replay(args.data or "data/sample")
    else:
        feed = Live(
            [f"depth.{args.symbol}", f"trade.{args.symbol}"],
            data=args.data,
            ws_url=args.ws_url,
            rest_url=args.rest_url,
            duration=args.seconds,
        )
    asyncio.run(decide(feed, args.symbol))


if __name__ == "__main__":
    main()
