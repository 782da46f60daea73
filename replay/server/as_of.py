"""The recording as of the moment of a request, with its times as clients are to see them."""

from functools import cached_property

from replay.server.histories import Known
from replay.server.market_list import MarketList
from replay.server.replies import INVALID_SYMBOL, Refused
from replay.server.shift import Shift
from schemas import rows
from schemas.requests import MARKETS_PATH
from tape.history import Mark

_KNOWN_BY = (
    *(rows.Depth, rows.BookTicker, rows.Trade, rows.Ticker),
    *(rows.Kline, rows.MarkPrice, rows.OpenInterest),
)
_MS = 1_000_000
_US = 1_000


class AsOf:
    """A moment of a recording.

    mark: nothing after it is known, but for what `history` looks ahead for.
    now: tape time, ns since the epoch, UTC.
    """

    def __init__(self, history: Known, mark: Mark, now: int, shift: Shift | None) -> None:
        self.history = history
        self.mark = mark
        self.now = now
        self._shift = shift

    @cached_property
    def markets(self) -> MarketList:
        """The market lists that were recorded; empty without any."""
        paths = (MARKETS_PATH, f"{MARKETS_PATH}?marketType=PREDICTION")
        bodies = (self.history.said(path, self.mark) for path in paths)
        return MarketList.of(*(body for body in bodies if body is not None))

    def check(self, symbol: str) -> str:
        """A symbol that there is; raises Refused."""
        if not self.is_known(symbol):
            raise Refused(INVALID_SYMBOL)
        return symbol

    def is_known(self, symbol: str) -> bool:
        """Whether there is a market: in the list, or it was recorded all the same."""
        if symbol in self.markets:
            return True
        return any(symbol in self.history.symbols(row) for row in _KNOWN_BY)

    def in_order(self, symbols: list[str]) -> list[str]:
        """Symbols in the order of the market list, others behind."""
        return sorted(symbols, key=self.markets.place)

    def moved(self, ts: int) -> int:
        """A time of the tape in ns, as clients see it."""
        return ts if self._shift is None else self._shift.ns(ts)

    def moved_back(self, ts: int) -> int:
        """A client's time, as it is on the tape."""
        return ts if self._shift is None else ts - self._shift.by

    def moved_candle(self, interval: str, ts: int) -> int:
        """Start or end of a candle, as clients see it."""
        return ts if self._shift is None else self._shift.candle(interval, ts)

    def millis(self, ts: int) -> int:
        """A time of the tape in ms, as clients see it."""
        return self.moved(ts) // _MS

    def micros(self, ts: int) -> int:
        """A time of the tape in microseconds, as clients see it."""
        return self.moved(ts) // _US
