"""Several connections bring the same streams: one stream of each, as if one had brought all.

What a connection loses the other has, so what follows is not that nothing is missing, but that it
may come yet, milliseconds late. While one connection is open none of this is in the way of a frame.
"""

from collections.abc import Iterator, Set
from functools import partial

from market.connections import Connections, ConnectionState, all_ended
from market.depth import DepthTracker
from market.gaps import Seen
from market.lanes import Handle, Lane, Lanes
from market.memory import Memory
from market.ordered import Ordered
from market.trades import TradeTracker
from schemas.frames import Frame, Kind
from schemas.rows import Row

# A selection of streams leaves these out, or what they make: nothing may depend on them.
_PASSED_OVER = frozenset(
    {
        *(Kind.SEGMENT, Kind.KEYFRAME, Kind.CHECKPOINT, Kind.SILENCE),
        *(Kind.REQUEST, Kind.REPLY, Kind.FAILED),
    }
)


class Weave:
    """Knows which streams go on on another connection, and which of their messages wait."""

    def __init__(self, lanes: Lanes, connections: Connections) -> None:
        self._lanes = lanes
        self._connections = connections
        self._holding: dict[str, Ordered] = {}
        self._on = False

    @property
    def held(self) -> int:
        """Bytes of all that waits, about."""
        waiting = self._holding  # mostly nothing, and asked for each frame
        return sum(ordered.held.bytes for ordered in waiting.values()) if waiting else 0

    def alive(self, name: str) -> Set[int]:
        """Connections that may bring a stream: those that are open; where that is not known, those
        that have shown it by this stream. None is known by another, which may not be selected."""
        known = self._connections.open
        if self._connections.wary:
            return known | self._connections.carriers.proven(name)
        return known

    def opened(self, frame: Frame) -> list[Row]:
        """A connection was opened."""
        gap = self._connections.opened(frame)
        self.follow()
        return gap

    def closed(self, frame: Frame, heard: Frame | Seen | None) -> list[Row]:
        """A connection ended."""
        gap = self._connections.closed(frame, heard)
        self._lanes.closed(frame.conn)
        self.follow()
        return gap

    def follow(self) -> None:
        """Connections were opened, closed, or restored: let messages pass here, or no more."""
        on = self._connections.several or self._connections.wary or bool(self._holding)
        if on != self._on:
            self._on = on
            self._lanes.weave(self._through if on else None)

    def reset(self) -> None:
        """Nothing is open, and nothing waits."""
        self._connections.reset()
        self._holding.clear()
        self.follow()

    def restore(self, payload: bytes) -> ConnectionState:
        """Connections are what a keyframe says; all that it says. Raises MsgspecError."""
        saved = self._connections.restore(payload)
        self._lanes.restore(all_ended(saved))
        self.follow()
        return saved

    def restored(self, lane: Lane) -> None:
        """A stream is what a keyframe says."""
        tracker = lane.tracker
        if isinstance(tracker, DepthTracker | TradeTracker) and tracker.held:
            self.hold(lane.name, Ordered(lane.name, tracker, self))
            self.follow()

    def overdue(self, frame: Frame) -> list[Row]:
        """Rows of what has waited long enough when a frame comes that is about no stream."""
        if not self._holding or frame.kind in _PASSED_OVER:
            return []
        rows = [row for ordered in self._waiting() for row in ordered.overdue(frame)]
        self._forget()
        return rows

    def release(self, frame: Frame) -> list[Row]:
        """Rows of all that waits."""
        rows = [row for ordered in self._waiting() for row in ordered.release(frame)]
        self._forget()
        return rows

    def released(self, frame: Frame, name: str) -> list[Row]:
        """Rows of what waits of one stream."""
        ordered = self._holding.get(name)
        rows = [] if ordered is None else ordered.release(frame)
        self._forget()
        return rows

    def joined(self, name: str, conn: int) -> bool:
        """A stream was subscribed on a connection; whether another has it."""
        others = self._others(name, conn)
        self._connections.carriers.subscribed(name, conn)
        return bool(others)

    def left(self, name: str, conn: int) -> frozenset[int]:
        """A stream was unsubscribed on a connection: those on which frames of it may still be on
        their way, now that it has ended; none if another has it."""
        carriers, before = self._connections.carriers, self._lanes.ended.get(name, frozenset())
        if self.goes_on(name, conn):
            carriers.unsubscribed(name, conn)
            return frozenset()
        conns = (before | carriers.left(name)) & self.alive(name) | {conn}
        carriers.ended(name)
        return conns

    def goes_on(self, name: str, conn: int) -> bool:
        """A connection has a stream no more; whether it goes on on another."""
        others, lane = self._others(name, conn), self._lanes.get(name)
        if others and lane is not None and lane.tracker.conn == conn:
            lane.tracker.moved(min(others))
        return bool(others)

    def heard(self, name: str, conn: int, last: int) -> bool:
        """A stream came on a connection, and before on ``last``; whether both are open."""
        carriers = self._connections.carriers
        if self._connections.wary and conn < last:  # numbers grow: neither is the other's end
            carriers.prove(name, {conn, last})
        both = {conn, last} <= self.alive(name)
        if both:
            carriers.heard(name, conn)
        return both

    def hold(self, name: str, ordered: Ordered) -> None:
        """Messages of a stream are held."""
        self._holding[name] = ordered

    def ends(self, lane: Lane, conn: int) -> bool:
        """A connection is over; whether a stream has been on that, and goes on on no other."""
        carriers, tracker = self._connections.carriers, lane.tracker
        if tracker.conn in carriers.left(lane.name) and conn in carriers.of(lane.name):
            tracker.moved(conn)  # from one that brought something late
        return tracker.conn == conn and not self.goes_on(lane.name, conn)

    def _others(self, name: str, conn: int) -> set[int]:
        """Connections that have a stream, beside one, where that is open too."""
        alive = self.alive(name)
        if conn not in alive:
            return set()
        carriers, lane = self._connections.carriers, self._lanes.get(name)
        known = set(carriers.of(name))
        if lane is not None:  # it came there last
            known |= {lane.tracker.conn} - carriers.left(name)
        return (known & alive) - {conn}

    def _waiting(self) -> Iterator[Ordered]:
        """Whose messages wait; in an order that does not depend on the past."""
        return (self._holding[name] for name in sorted(self._holding))

    def _forget(self) -> None:
        self._holding = {name: one for name, one in self._holding.items() if one.held}
        self.follow()

    def _through(self, lane: Lane) -> Handle:
        tracker = lane.tracker
        if isinstance(tracker, DepthTracker | TradeTracker):
            return Ordered(lane.name, tracker, self).rows
        return partial(self._newest, lane.name, tracker)

    def _newest(self, name: str, memory: Memory, frame: Frame, message: object) -> list[Row]:
        """Without ids, what comes late makes rows too, and is not kept over what is newer."""
        if frame.conn != memory.conn and self.heard(name, frame.conn, memory.conn):
            return memory.spliced(frame, message)
        return memory.rows(frame, message)
