"""Detects, among several connections, one that brings nothing while the others do: its server has
forgotten it, though it may still answer pings."""

from collections.abc import Mapping
from typing import NamedTuple

ENOUGH = 100  # messages of the others, before which it may just be quiet


class _LastMessage(NamedTuple):
    """When a connection brought its last message, by the loop's clock: how many it had brought by
    then, and how many all of them."""

    at: float
    mine: int
    all: int


class Stalls:
    """Compares what connections have brought from one look to the next. patience: in seconds."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._marks: dict[int, _LastMessage] = {}
        self._all = 0  # of those that went, too
        self._before: Mapping[int, int] = {}

    def find(self, brought: Mapping[int, int], now: float) -> int | None:
        """A connection that has stalled, if any; it is not told again before another patience is
        over. brought: messages so far by connection, of those that are up."""
        self._all += sum(mine - self._before.get(conn, mine) for conn, mine in brought.items())
        self._before = brought
        self._marks = {conn: mark for conn, mark in self._marks.items() if conn in brought}
        for conn, mine in brought.items():
            mark = self._marks.get(conn)
            if mark is None or mark.mine != mine:
                self._marks[conn] = _LastMessage(now, mine, self._all)
            elif now - mark.at >= self._patience and self._all - mark.all >= ENOUGH:
                self._marks[conn] = _LastMessage(now, mine, self._all)
                return conn
        return None
