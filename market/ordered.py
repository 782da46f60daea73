"""A stream with ids that several connections bring: its messages in order of their ids."""

from collections.abc import Set
from typing import Any, Protocol

from market.depth import DepthTracker
from market.held import HOLD_NS, Held, Waiting
from market.trades import TradeTracker
from schemas.frames import Frame, Kind
from schemas.rows import Row

IdTracker = DepthTracker | TradeTracker


class Company(Protocol):
    """The connections there are beside that of a message."""

    def alive(self, name: str) -> Set[int]:
        """Connections that may bring a stream."""

    def heard(self, name: str, conn: int, last: int) -> bool:
        """A stream came on a connection, and before on ``last``; whether both are open."""

    def hold(self, name: str, ordered: "Ordered") -> None:
        """Messages of a stream are held."""


class Ordered:
    """Stands before the tracker of a stream while several connections are open.

    A message beyond the next id waits for what belongs before it, which another connection may
    bring, for `HOLD_NS` by the clock of the frames that come meanwhile. Then the tracker sees it,
    and that something is missing. Its rows are of the frame that let it go.
    """

    __slots__ = ("_company", "_name", "_tracker")

    def __init__(self, name: str, tracker: IdTracker, company: Company) -> None:
        self._name = name
        self._tracker: Any = tracker
        self._company = company

    @property
    def held(self) -> Waiting[Any]:
        """What waits, by ids."""
        held: Waiting[Any] = self._tracker.held
        return held

    def rows(self, frame: Frame, message: Any) -> list[Row]:
        """Rows of a message, if it is its turn, and of those that waited for it."""
        tracker = self._tracker
        last = tracker.last_id
        in_turn = last is None or tracker.span(message)[0] <= last + 1
        if not tracker.held and (in_turn or not self._waits()):
            return self._take(frame, message)
        tracker.check(message)  # what raises must do so before anything is let go
        rows = self.overdue(frame)
        if self._in_turn(message):
            rows += self._take(frame, message)
            return rows + self._follow(frame)
        return rows + self._hold(frame, message)

    def overdue(self, frame: Frame) -> list[Row]:
        """Rows of what has waited long enough, and of what follows on it."""
        rows: list[Row] = []
        held = self.held
        while held and held.since + HOLD_NS <= frame.ts_mono:
            rows += self._force(frame)
        return rows

    def release(self, frame: Frame) -> list[Row]:
        """Rows of all that waits: nothing will come before it."""
        rows: list[Row] = []
        while self.held:
            rows += self._force(frame)
        return rows

    def _waits(self) -> bool:
        """Whether what is missing may come: the stream goes on, and on another connection too."""
        alive = self._company.alive(self._name)
        return len(alive) > 1 and self._tracker.conn in alive

    def _in_turn(self, message: Any) -> bool:
        last = self._tracker.last_id
        return last is None or self._tracker.span(message)[0] <= last + 1

    def _hold(self, frame: Frame, message: Any) -> list[Row]:
        held, span = self.held, self._tracker.span
        newest = Held(frame.conn, frame.seq, frame.ts_recv, frame.ts_mono, message)
        held.add(newest, span)
        self._company.hold(self._name, self)
        rows: list[Row] = []
        if len(self._company.alive(self._name)) < 2:
            while newest in held:
                rows += self._force(frame)
        while held.is_too_much:
            rows += self._force(frame)
        return rows

    def _force(self, frame: Frame) -> list[Row]:
        """Let the first go, and what follows on it."""
        rows = self._let_go(frame, self.held.pop())
        return rows + self._follow(frame)

    def _follow(self, frame: Frame) -> list[Row]:
        held, rows = self.held, []
        while held and self._in_turn(held.first):
            rows += self._let_go(frame, held.pop())
        return rows

    def _let_go(self, frame: Frame, held: Held[Any]) -> list[Row]:
        tracker, before = self._tracker, self._tracker.conn
        stamp = Frame(frame.seq, frame.ts_recv, frame.ts_mono, held.conn, Kind.DATA, "", b"")
        if held.conn in self._company.alive(self._name):
            rows = self._take(stamp, held.message)
        else:
            rows = self._splice(stamp, held.message)
            tracker.moved(before)  # its own is over
        if isinstance(tracker, TradeTracker):
            tracker.waited(held)
        return rows

    def _take(self, frame: Frame, message: Any) -> list[Row]:
        """The tracker's rows. Where another connection than before brings the message and both are
        open, the stream goes on."""
        tracker = self._tracker
        if frame.conn != tracker.conn and self._company.heard(self._name, frame.conn, tracker.conn):
            return self._splice(frame, message)
        rows: list[Row] = tracker.rows(frame, message)
        return rows

    def _splice(self, frame: Frame, message: Any) -> list[Row]:
        tracker = self._tracker
        last, before = tracker.last_id, tracker.conn
        rows: list[Row] = tracker.spliced(frame, message)
        if last is not None and tracker.span(message)[1] <= last:
            tracker.conn = before  # which brought the newest
        return rows
