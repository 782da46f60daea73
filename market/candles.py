"""Candles of a stream: closed ones, and the one that is open."""

from collections.abc import Iterable, Sequence
from typing import Any

from market.memory import Memory
from schemas.rows import Kline, Row

CANDLES_KEPT = 64  # of a market and interval


class Candles(Memory):
    """By start. What was heard of a candle last is kept, unless it was sent earlier than what is
    known, and a closed one is never open again. One whose end was missed stays as it was heard, and
    one that was missed is not made up."""

    __slots__ = ("_rows",)

    def reset(self) -> None:
        super().reset()
        self._rows: list[Kline] = []  # by ts_open

    def keep(self, made: Sequence[Any]) -> None:
        for row in made:
            self._put(row)

    def kept(self) -> Iterable[Row]:
        return self._rows

    def _put(self, row: Kline) -> None:
        rows = self._rows
        at = len(rows)
        while at and rows[at - 1].ts_open >= row.ts_open:
            at -= 1
        if at < len(rows) and rows[at].ts_open == row.ts_open:
            if not _is_older(row, rows[at]):
                rows[at] = row
            return
        rows.insert(at, row)
        if len(rows) > CANDLES_KEPT:
            del rows[0]


def _is_older(row: Kline, known: Kline) -> bool:
    if known.closed and not row.closed:
        return True
    return (row.ts_event or 0) < (known.ts_event or 0)
