"""What REST says, as of a moment of the recording. Pure: no sockets, no clock."""

from collections.abc import Callable
from contextlib import suppress

from replay.server.as_of import AsOf
from replay.server.asked import Asked
from replay.server.asset_list import ASSETS_PATH, SECURITIES_PATH, assets, securities
from replay.server.candle_list import klines
from replay.server.depth_reply import depth
from replay.server.futures_list import funding_rates, mark_prices, open_interest
from replay.server.histories import Known
from replay.server.market_list import KINDS
from replay.server.replies import (
    INVALID_SYMBOL,
    NO_PATH,
    NOT_FOUND,
    Refused,
    Reply,
    as_json,
    as_text,
    error,
    raw_json,
)
from replay.server.shift import Shift
from replay.server.ticker_list import ticker, tickers
from replay.server.trade_list import trade_history, trades
from schemas.errors import TapeError
from schemas.requests import DEPTH_PATH, MARKETS_PATH
from schemas.rows import Depth, Trade
from tape.history import Mark

_PREFIX = "/api/"


def _markets(asked: Asked, at: AsOf) -> Reply:
    """As it was recorded, or the objects of some types of it."""
    kinds = asked.all_of("marketType", "MarketType", KINDS)
    if not at.markets:
        raise Refused(NOT_FOUND)  # the recording says of no market what it was
    body = None if kinds else at.history.said(MARKETS_PATH, at.mark)
    return raw_json(at.markets.body(kinds) if body is None else body)


def _market(asked: Asked, at: AsOf) -> Reply:
    found = at.markets.get(asked.text("symbol"))
    if found is None:
        raise Refused(INVALID_SYMBOL)
    return raw_json(found.raw)


def _time(asked: Asked, at: AsOf) -> Reply:
    return as_text(str(at.millis(at.now)))


def _status(asked: Asked, at: AsOf) -> Reply:
    return as_json({"message": None, "status": "Ok"})


def _ping(asked: Asked, at: AsOf) -> Reply:
    return as_text("pong")


ENDPOINTS: dict[str, Callable[[Asked, AsOf], Reply]] = {
    DEPTH_PATH: depth,
    MARKETS_PATH: _markets,
    "/api/v1/market": _market,
    ASSETS_PATH: assets,
    SECURITIES_PATH: securities,
    "/api/v1/ticker": ticker,
    "/api/v1/tickers": tickers,
    "/api/v1/trades": trades,
    "/api/v1/trades/history": trade_history,
    "/api/v1/klines": klines,
    "/api/v1/markPrices": mark_prices,
    "/api/v1/openInterest": open_interest,
    "/api/v1/fundingRates": funding_rates,
    "/api/v1/time": _time,
    "/api/v1/status": _status,
    "/api/v1/ping": _ping,
}


class Rest:
    """Answers requests from a recording.

    shift: how far all times are moved for the client; None: not at all.
    """

    def __init__(self, history: Known, shift: Shift | None = None) -> None:
        self._history = history
        self.shift = shift

    def warm(self, mark: Mark) -> None:
        """Do once, before anybody waits for it, what is slow the first time."""
        with suppress(TapeError):
            for symbol in self._history.symbols(Trade)[:1]:
                self._history.last(Trade, symbol, mark)
            for symbol in self._history.symbols(Depth)[:1]:
                self._history.book(symbol, mark)

    def reply(self, target: str, mark: Mark, now: int) -> Reply:
        """The reply to ``GET <target>``, whatever that is.

        target: path and query as in the request line. mark: nothing after it is known.
        now: tape time, ns since the epoch, UTC.
        """
        asked = Asked.of(target)
        endpoint = ENDPOINTS.get(asked.path)
        try:
            if endpoint is None:
                return self._recorded(target, mark)
            return endpoint(asked, AsOf(self._history, mark, now, self.shift))
        except Refused as refused:
            return refused.reply
        except TapeError as damaged:
            return error(500, "SERVER_ERROR", str(damaged))

    def _recorded(self, target: str, mark: Mark) -> Reply:
        """Any other reply that the recorder happened to ask for, as it was."""
        plain = target.startswith(_PREFIX) and target.isascii() and target.isprintable()
        body = self._history.said(target, mark) if plain else None
        return NO_PATH if body is None else raw_json(body)
