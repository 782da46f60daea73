"""What was missing: holes per stream, and the time in which there was no book."""

from collections import Counter

from market.engine import Engine
from market.sync_states import State
from schemas.frames import Frame
from schemas.rows import Depth, Gap, Row
from schemas.topics import depth_topic

EVERY_STREAM = "all streams"  # where a gap has no topic

_DISCONNECT = "disconnect"
_Key = tuple[str, int, str]


class Holes:
    """Counts gaps, of which there are two rows where an end was seen, once each.

    counts: per stream. open: of those that go on, how many per stream. is_over: a connection that
        ends from here on was ended by us.
    """

    def __init__(self) -> None:
        self.is_over = False
        self.counts: Counter[str] = Counter()
        self._open: dict[_Key, str] = {}

    def see(self, row: Gap) -> None:
        """Take a row."""
        name = row.topic or EVERY_STREAM
        if self.is_over and row.topic is None and row.cause == _DISCONNECT:
            return
        key = (name, row.since_seq, "" if row.topic else row.cause)
        if row.ts_until is not None and self._open.pop(key, None) is not None:
            return
        if row.ts_until is None:
            self._open[key] = name
        self.counts[name] += 1

    @property
    def open(self) -> Counter[str]:
        """Gaps that go on."""
        return Counter(self._open.values())


class Absence:
    """For how long there was no book, of those that were there before; in ns, over all streams."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._since: dict[str, int] = {}  # streams without a book, from when on
        self._had: set[str] = set()  # streams that had one at some time
        self._over = 0

    def see(self, frame: Frame, rows: list[Row]) -> None:
        """Take the rows of a frame that may have cleared a book."""
        for row in rows:
            if type(row) is Depth and row.action == "clear" and row.symbol is not None:
                self._turn(depth_topic(row.symbol, row.window), frame.ts_mono)

    def total(self, ts_mono: int) -> int:
        """Until this moment."""
        return self._over + sum(ts_mono - since for since in self._since.values())

    def _turn(self, name: str, ts_mono: int) -> None:
        """A book was cleared: for good, or for the snapshot in the same frame."""
        if self._engine.book_state(name) is State.LIVE:
            self._had.add(name)
            self._over += ts_mono - self._since.pop(name, ts_mono)
        elif name in self._had:
            self._since.setdefault(name, ts_mono)
