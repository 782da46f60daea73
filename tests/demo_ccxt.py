"""An unmodified ccxt.pro in a recorded minute: ``make demo-ccxt``.

``bp-replay --serve`` plays the sample. ccxt.pro, of which nothing but its addresses is changed,
loads the markets and watches five kinds of streams of two of them, until the server has played
everything and closes the connection. Its order books are then compared with ours level by level,
and its trades one by one.

Arguments go to bp-replay: with ``--chaos seed=7,drop=0.01`` one frame in a hundred is lost. ccxt
does not notice that, but the comparison does.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import ccxt.pro
from rich.console import Console
from rich.live import Live
from rich.table import Table

from replay import Replay
from schemas.rows import Trade
from tests.final_books import FinalBook, Levels, final_books, price_of, qty_of

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = "data/sample"
MARKETS = ("SOL_USDC", "BTC_USDC_PERP")
SPEED = "2.5x"  # a minute of recording in 24 seconds

_REFRESHES = 8  # of the table on a terminal, per second
_SHOWN = 3  # of what a check finds wrong

_screen = Console(highlight=False, soft_wrap=True)


class Stream(NamedTuple):
    """A kind of stream: how ccxt.pro watches it for a symbol, and a line on what it gave last."""

    name: str
    watch: Callable[[Any, str], Awaitable[Any]]
    line: Callable[[Any], str]


def _book(book: Any) -> str:
    bids, asks = book["bids"], book["asks"]
    return f"{bids[0][0]} x {asks[0][0]}, {len(bids)} bids, {len(asks)} asks"


def _trade(trades: Any) -> str:
    trade = trades[-1]
    return f"{trade['side']} {trade['amount']} at {trade['price']}"


def _touch(touches: Any) -> str:
    (touch,) = touches.values()
    return f"{touch['bidVolume']} at {touch['bid']} x {touch['askVolume']} at {touch['ask']}"


def _ticker(ticker: Any) -> str:
    return f"{ticker['last']}, in 24 h {ticker['low']} to {ticker['high']}"


def _candle(candles: Any) -> str:
    _, first, _, _, last, volume = candles[-1]
    return f"open {first}, close {last}, volume {volume}"


STREAMS = (
    Stream("order book", lambda peer, symbol: peer.watch_order_book(symbol), _book),
    Stream("trades", lambda peer, symbol: peer.watch_trades(symbol), _trade),
    Stream("bids, asks", lambda peer, symbol: peer.watch_bids_asks([symbol]), _touch),
    Stream("ticker", lambda peer, symbol: peer.watch_ticker(symbol), _ticker),
    Stream("1m candles", lambda peer, symbol: peer.watch_ohlcv(symbol, "1m"), _candle),
)


class SomeTrade(NamedTuple):
    """A trade, whoever says so."""

    id: int
    price: Decimal
    qty: Decimal
    side: str


class Check(NamedTuple):
    """Something that has to be so, and what is not."""

    what: str
    wrong: list[str]


class Seen:
    """What came, by symbol and kind of stream; on a screen a table."""

    def __init__(self, symbols: list[str]) -> None:
        self._updates: Counter[tuple[str, str]] = Counter()
        self._lines: dict[tuple[str, str], str] = {}
        self._keys = [(symbol, stream.name) for symbol in symbols for stream in STREAMS]

    def note(self, symbol: str, stream: Stream, given: Any) -> None:
        """ccxt.pro gave something."""
        self._updates[symbol, stream.name] += 1
        self._lines[symbol, stream.name] = stream.line(given)

    def check(self) -> Check:
        """Whether something came on every stream."""
        silent = [", ".join(key) for key in self._keys if not self._updates[key]]
        return Check(f"{len(self._keys)} streams: something came on each", silent)

    def __rich__(self) -> Table:
        table = Table("market", "stream", box=None, pad_edge=False)
        table.add_column("updates", justify="right")
        table.add_column("last", no_wrap=True)
        for key in self._keys:
            table.add_row(*key, f"{self._updates[key]:,}", self._lines.get(key, ""))
        return table


def main(*options: str) -> int:
    """Run the demo; 0 only if ccxt.pro was given everything and all of it is equal."""
    try:
        return asyncio.run(_demo(options))
    except KeyboardInterrupt:
        return 130  # as of any command that Ctrl-C ended


async def _demo(options: tuple[str, ...]) -> int:
    async with _served(options) as (ready, server), _peer(ready) as peer:
        await peer.load_markets()
        symbols = {market: peer.markets_by_id[market][0]["symbol"] for market in MARKETS}
        watched = " and ".join(symbols.values())
        _say(f"{len(peer.markets)} markets loaded, {watched} watched; the server says")
        seen = await _watch(peer, list(symbols.values()), server)
        _say("What ccxt.pro saw")
        _screen.print(seen)
        _say("Compared with replay.Replay at the end of the recording")
        failed = [c for c in (seen.check(), *_checks(peer, symbols)) if not _told(c)]
    _say(f"ccxt.pro {'does NOT have' if failed else 'has'} what was recorded.")
    _print(f"Now yours: bp-replay {SAMPLE} --serve 9000, and send it to 127.0.0.1:9000", "dim")
    return 1 if failed else 0


@asynccontextmanager
async def _served(options: tuple[str, ...]) -> AsyncIterator[tuple[dict[str, Any], Process]]:
    """``bp-replay --serve`` as a process of its own, and what it said when it was ready."""
    command = ["bp-replay", SAMPLE, "--serve", "0", "--start", "on-subscribe", "--speed", SPEED]
    command += ["--at-end", "exit", *options]
    _say(f"$ {' '.join(command)}")
    program = Path(sys.executable).parent / command[0]
    server = await asyncio.create_subprocess_exec(program, *command[1:], stdout=PIPE, cwd=ROOT)
    try:
        assert server.stdout is not None
        line = await server.stdout.readline()
        if not line:
            raise SystemExit(f"bp-replay ended early, with exit code {await server.wait()}")
        yield json.loads(line), server
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()


@asynccontextmanager
async def _peer(ready: dict[str, Any]) -> AsyncIterator[Any]:
    """ccxt.pro as it comes, with other addresses."""
    peer: Any = ccxt.pro.backpack()
    peer.urls["api"]["public"] = ready["rest"]
    peer.urls["api"]["ws"]["public"] = ready["ws"]
    _say(f"ccxt.pro {ccxt.__version__} as it comes from the package index, but for two addresses")
    _print(f'exchange.urls["api"]["public"] = "{ready["rest"]}"')
    _print(f'exchange.urls["api"]["ws"]["public"] = "{ready["ws"]}"')
    try:
        yield peer
    finally:
        await peer.close()


async def _watch(peer: Any, symbols: list[str], server: Process) -> Seen:
    """Watch everything at once, until the server closes the connection."""
    seen = Seen(symbols)
    with Live(seen, console=_screen, refresh_per_second=_REFRESHES, transient=True):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_listen(server))
            for symbol in symbols:
                for stream in STREAMS:
                    tasks.create_task(_follow(peer, symbol, stream, seen))
    return seen


async def _follow(peer: Any, symbol: str, stream: Stream, seen: Seen) -> None:
    """Watch one stream, as any program written for ccxt.pro does."""
    with suppress(ccxt.NetworkError):  # the connection was closed: that was all
        while True:
            seen.note(symbol, stream, await stream.watch(peer, symbol))


async def _listen(server: Process) -> None:
    """Print what the server says of itself."""
    assert server.stdout is not None
    async for line in server.stdout:
        _print(line.decode().rstrip(), "dim")


def _checks(peer: Any, symbols: dict[str, str]) -> Iterator[Check]:
    """What ccxt.pro has at the end, against the recording."""
    books = final_books(ROOT / SAMPLE, *symbols)
    trades = _recorded_trades(*symbols)
    for market, symbol in symbols.items():
        yield _book_check(symbol, peer.orderbooks[symbol], books[market])
        yield _trades_check(symbol, list(peer.trades.get(symbol, [])), trades[market])


def _book_check(symbol: str, theirs: Any, ours: FinalBook) -> Check:
    """Level by level."""
    wrong = []
    if theirs["nonce"] != ours.update_id:
        wrong.append(f"it ends at update {theirs['nonce']} instead of {ours.update_id}")
    for side, levels in (("bids", ours.bids), ("asks", ours.asks)):
        found = [(_exact(price), _exact(qty)) for price, qty, *_ in theirs[side]]
        wrong += [f"{side} {difference}" for difference in _in_levels(found, levels)]
    what = f"{len(ours.bids)} bids and {len(ours.asks)} asks at update {ours.update_id}"
    return Check(f"{symbol}: {what} are equal, level by level", wrong)


def _in_levels(theirs: Levels, ours: Levels) -> Iterator[str]:
    """Where two sides of a book differ."""
    here, recorded = dict(theirs), dict(ours)
    for price in sorted(here.keys() | recorded.keys()):
        found, expected = here.get(price, Decimal()), recorded.get(price, Decimal())
        if found != expected:
            yield f"at {_plain(price)}: {_plain(found)} instead of {_plain(expected)}"
    if here == recorded and theirs != ours:
        yield "are in another order"


def _recorded_trades(*markets: str) -> dict[str, list[SomeTrade]]:
    trades: dict[str, list[SomeTrade]] = {market: [] for market in markets}
    for row in Replay(ROOT / SAMPLE, topics=[f"trade.{market}" for market in markets]):
        if isinstance(row, Trade) and row.symbol is not None:
            trade = SomeTrade(row.trade_id, price_of(row.price), qty_of(row.qty), row.side)
            trades[row.symbol].append(trade)
    return trades


def _trades_check(symbol: str, theirs: list[Any], recorded: list[SomeTrade]) -> Check:
    """One by one, from the first one that came."""
    found = [
        SomeTrade(int(trade["id"]), _exact(trade["price"]), _exact(trade["amount"]), trade["side"])
        for trade in theirs
    ]
    ours = [trade for trade in recorded if found and trade.id >= found[0].id]
    wrong = [f"trade {number} is not" for number in sorted({t.id for t in {*found} ^ {*ours}})]
    if not wrong and found != ours:
        wrong = ["they are in another order"]
    return Check(f"{symbol}: {len(ours)} trades are equal, one by one", wrong)


def _exact(number: float) -> Decimal:
    """What a float of ccxt.pro stands for: the shortest decimal that gives it."""
    return Decimal(repr(number))


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _told(check: Check) -> bool:
    """Print a check; whether nothing is wrong."""
    what, wrong = check
    _print(f"{'NOT SO' if wrong else 'ok':<8}{what}", "red" if wrong else "green")
    shown, more = wrong[:_SHOWN], len(wrong) - _SHOWN
    for line in [*shown, f"and {more} more"] if more > 0 else shown:
        _print(f"        {line}", "red")
    return not wrong


def _say(text: str) -> None:
    _print(f"\n== {text}", "bold")


def _print(text: str, style: str = "") -> None:
    _screen.print(text, style=style, markup=False)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
