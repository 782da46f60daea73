"""Sees in the rows of a recording what a ring is to be written for."""

from collections.abc import Callable

from market.engine import Engine
from market.gaps import LOSS
from schemas.frames import Frame
from schemas.rows import Depth, Gap, Row
from schemas.shedding import LOAD

_OWN = frozenset((LOSS, LOAD))  # causes of our own making: to write more would not help


class Watcher:
    """Listens to the intake. ``pull`` is called with what happened: a gap that is open, or a live
    book whose best bid is not below its best ask any more, once until it is again."""

    def __init__(self, engine: Engine, pull: Callable[[str, Frame], None]) -> None:
        self._engine = engine
        self._pull = pull
        self._crossed: set[str] = set()

    def __call__(self, frame: Frame, rows: list[Row]) -> None:
        changed = ""
        for row in rows:
            if type(row) is Depth:
                changed = row.symbol or ""
                if row.action == "clear":
                    self._crossed.discard(changed)
            elif type(row) is Gap and row.state == "open" and row.cause not in _OWN:
                self._pull(_gap(row), frame)
        if changed:
            self._look(changed, frame)

    def _look(self, symbol: str, frame: Frame) -> None:
        book = self._engine.book(symbol)
        spread = None if book is None else book.spread
        if spread is None or spread > 0:
            self._crossed.discard(symbol)
        elif symbol not in self._crossed:
            self._crossed.add(symbol)
            self._pull(f"crossed book of {symbol}", frame)


def _gap(row: Gap) -> str:
    return f"gap of {row.topic}" if row.topic else f"gap of all streams ({row.cause})"
