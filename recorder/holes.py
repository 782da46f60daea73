"""Counts gaps per stream, and the time without a book, for the summary and metrics."""

from collections import Counter

from market.control import is_stop
from market.engine import Engine
from market.sync_states import State
from schemas.frames import Frame, Kind
from schemas.gaps import GapKey
from schemas.requests import unsubscribed
from schemas.rows import Depth, Gap, Row
from schemas.topics import depth_topic

HEALED = "healed"
EVERY_STREAM = "all streams"  # where a gap has no topic


OPEN_LIMIT = 100_000  # gaps that are known one by one; more than a tracker waits for late ids of


class Holes:
    """Counts gaps, of which there may be several rows, once each.

    counts: per stream. causes: the same by what showed them first. healed: of which nothing is
    missing after all. open: of those that go on, how many per stream.
    """

    def __init__(self, open_limit: int = OPEN_LIMIT) -> None:
        self._open_limit = open_limit
        self.counts: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self.healed = 0
        self._newest: dict[tuple[str | None, str | None], GapKey] = {}
        self._open: dict[GapKey, str] = {}  # oldest first
        self._for_good: Counter[str] = Counter()  # too many to know: they stay open

    def see(self, row: Gap) -> None:
        """Take a row."""
        name, key = row.topic or EVERY_STREAM, GapKey.of(row)
        stream = key.topic, key.cause
        if row.state == HEALED:
            self.healed += 1  # its first row was seen, perhaps before those of others
        elif key not in self._open and self._newest.get(stream) != key:
            self.counts[name] += 1
            self.causes[row.cause] += 1
            self._newest[stream] = key
        if row.ts_until is None:
            self._open[key] = name
            if len(self._open) > self._open_limit:
                self._for_good[self._open.pop(next(iter(self._open)))] += 1
        else:
            self._open.pop(key, None)

    @property
    def open(self) -> Counter[str]:
        """Gaps that go on."""
        return Counter(self._open.values()) + self._for_good


class Absence:
    """For how long there was no book, of those that were there before; in ns, over all streams.
    What comes after we hung up since we were told to stop is not missed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._since: dict[str, int] = {}  # streams without a book, from when on
        self._had: set[str] = set()  # streams that had one at some time
        self._over = 0
        self._stopped: int | None = None

    def see(self, frame: Frame, rows: list[Row]) -> None:
        """Take the rows of a frame that may have cleared a book."""
        if self._stopped is None and frame.kind is Kind.CLOSE and is_stop(frame.payload):
            self._stopped = frame.ts_mono
        if self._stopped is not None:
            return
        for row in rows:
            if type(row) is Depth and row.action == "clear" and row.symbol is not None:
                self._turn(depth_topic(row.symbol, row.window), frame.ts_mono)
        if frame.kind is Kind.SENT:
            for name in unsubscribed(frame.payload):  # nobody misses it any more
                self._over += frame.ts_mono - self._since.pop(name, frame.ts_mono)
                self._had.discard(name)

    def total(self, ts_mono: int) -> int:
        """Until this moment."""
        ts_mono = ts_mono if self._stopped is None else self._stopped
        return self._over + sum(ts_mono - since for since in self._since.values())

    def _turn(self, name: str, ts_mono: int) -> None:
        """A book was cleared: for good, or for the snapshot in the same frame."""
        if self._engine.book_state(name) is State.LIVE:
            self._had.add(name)
            self._over += ts_mono - self._since.pop(name, ts_mono)
        elif name in self._had:
            self._since.setdefault(name, ts_mono)
