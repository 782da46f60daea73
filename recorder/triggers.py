"""What a ring (``--ring``) is written for: finding it in the rows, and when the dump is due."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from market.engine import Engine
from market.gaps import LOSS
from schemas.frames import DUMP, Frame
from schemas.rows import Depth, Gap, Row
from schemas.shedding import LOAD

_OWN = frozenset((LOSS, LOAD))  # causes of our own making: to write more would not help
_SHOWN = 3  # causes of one dump
_LONGEST = 160  # characters of a cause


class Pulled(NamedTuple):
    """What one dump is for, in words. seq: the newest frame when the first of it happened."""

    why: str
    seq: int

    @property
    def end(self) -> str:
        """For the end of the last segment."""
        return f"{DUMP}{self.why} at frame {self.seq}"


class _Pull(NamedTuple):
    why: str
    seq: int
    mono: int


class Triggers:
    """Merges what happens before a dump begins: it is due ``after`` ns behind the first of it.
    Where that is too early for the last, another one is due, for the rest. Times are monotonic, in
    ns.

    after: as it was given.
    """

    def __init__(self, after: int) -> None:
        self.after = after
        self._first: _Pull | None = None
        self._last: _Pull | None = None
        self._counts = Counter[str]()

    @property
    def since(self) -> int | None:
        """When the first thing happened that a dump is still to come for."""
        return None if self._first is None else self._first.mono

    def pull(self, why: str, seq: int, mono: int) -> None:
        """Something has happened."""
        why = "".join(c if c.isprintable() else "?" for c in why[:_LONGEST])
        self._counts[why] += 1
        self._last = _Pull(why, seq, mono)
        self._first = self._first or self._last

    def is_due(self, now: int) -> bool:
        """Whether a dump is to begin."""
        return self._first is not None and now >= self._first.mono + self.after

    def take(self, now: int) -> Pulled:
        """What a dump that begins now is for; something has to have happened."""
        first, last = self._first, self._last
        assert first is not None, "nothing has happened"
        assert last is not None
        pulled = Pulled(self._why(first), first.seq)
        self._counts.clear()
        self._first = last if last.mono + self.after > now else None
        return pulled

    def _why(self, first: _Pull) -> str:
        if not self._counts:
            return f"what followed on {first.why}"
        shown = self._counts.most_common(_SHOWN)
        texts = [why if count == 1 else f"{count} x {why}" for why, count in shown]
        more = len(self._counts) - len(shown)
        return ", ".join(texts) + (f" and {more} others" if more else "")


class RowTriggers:
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
