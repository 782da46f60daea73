"""Which page of trades to ask for next, until all that is missing has come or cannot be had."""

import msgspec

from market.rest_trades import read_trades
from schemas.frames import Frame, Kind
from schemas.requests import DEEPEST, TradesRequest, trades_symbol
from schemas.rows import Row, Trade

TRIES = 3  # in vain, one after another, for a stretch; for all, if nothing is answered


class MissingTrades:
    """Of one market. ranges: first and last id of each stretch, in order. Listens to what comes."""

    def __init__(self, symbol: str, ranges: list[tuple[int, int]]) -> None:
        self._symbol = symbol
        self._ranges = list(ranges)
        self._given_up = 0  # trades
        self._newest: int | None = None
        self._tries = self._failures = 0

    @property
    def left(self) -> int:
        """How many are missing still, those given up as well."""
        return self._given_up + sum(last - first + 1 for first, last in self._ranges)

    def path(self) -> str | None:
        """What to ask for; None where there is nothing more to be had."""
        if self._newest is not None:
            self._give_up_below(self._newest - DEEPEST + 1)
        if self._failures >= TRIES and self._ranges:
            self._give_up_below(self._ranges[-1][1] + 1)
        if self._tries >= TRIES and self._ranges:
            self._give_up_below(self._ranges[0][1] + 1)
            self._tries = 0
        if not self._ranges:
            return None
        if self._newest is None:  # until that is known nobody can say how far back to look
            last = self._ranges[-1][1]
            return TradesRequest(self._symbol, last, last, 0).path(last)
        return TradesRequest(self._symbol, *self._ranges[0], 0).path(self._newest)

    def see(self, frame: Frame, rows: list[Row]) -> None:
        """A frame, and the rows that the engine has made of it."""
        if trades_symbol(frame.topic) != self._symbol:
            return
        came = {row.trade_id for row in rows if isinstance(row, Trade)}
        if frame.kind is Kind.FAILED:
            self._tries += 1
            self._failures += 1
        elif frame.kind is Kind.REPLY:
            self._failures = 0
            learnt = self._newest is None and self._learn(frame.payload)
            # What came of other stretches says nothing of the one that was asked for.
            first, last = self._ranges[0] if self._ranges else (0, -1)
            reached = any(first <= number <= last for number in came)
            self._tries = 0 if reached or learnt else self._tries + 1
        self._take(came)

    def _learn(self, body: bytes) -> bool:
        """Which trade is the newest; whether that is known now."""
        try:
            found = read_trades(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        if found:
            self._newest = found[-1].id
        return bool(found)

    def _take(self, came: set[int]) -> None:
        left = []
        for first, last in self._ranges:
            start = first
            for number in sorted(number for number in came if first <= number <= last):
                left += [(start, number - 1)] if start < number else []
                start = number + 1
            left += [(start, last)] if start <= last else []
        self._ranges = left

    def _give_up_below(self, lowest: int) -> None:
        below = [(first, min(last, lowest - 1)) for first, last in self._ranges if first < lowest]
        self._given_up += sum(last - first + 1 for first, last in below)
        self._ranges = [(max(a, lowest), b) for a, b in self._ranges if b >= lowest]
