"""All depth streams that an engine follows: what opens, closes and answers them together."""

from collections.abc import Iterator

from market.book import Book
from market.control import UNREADABLE, patience_ns
from market.deltas import read_snapshot
from market.depth import DepthTracker
from market.lanes import Lanes
from market.load import Load
from market.memory import Memory
from market.notes import reject_row
from market.sync_states import State
from market.weave import Weave
from schemas.frames import Frame
from schemas.requests import depth_symbol, subscribed, unsubscribed
from schemas.rows import Row
from schemas.topics import WINDOWS, depth_topic


class Books:
    """The depth streams among all that are followed."""

    def __init__(self, lanes: Lanes, weave: Weave, load: Load) -> None:
        self._lanes = lanes
        self._weave = weave
        self._load = load

    def live(self, symbol: str) -> Book | None:
        """The live book of a market, real time before throttled; None while none is live."""
        for window in ("", *WINDOWS):
            tracker = self._tracker(depth_topic(symbol, window))
            if tracker is not None and tracker.sync.state is State.LIVE:
                return tracker.sync.book
        return None

    def state(self, topic: str) -> State:
        """Where the book of a depth stream stands."""
        tracker = self._tracker(topic)
        return State.EMPTY if tracker is None else tracker.sync.state

    def trackers(self) -> Iterator[DepthTracker]:
        """All of them."""
        for lane in self._lanes.values():
            if lane is not None and isinstance(lane.tracker, DepthTracker):
                yield lane.tracker

    def of(self, path: str) -> Iterator[DepthTracker]:
        """Those of the market that a depth request is about; none for any other path, nor those
        whose frames are skipped: no snapshot can join them."""
        symbol = depth_symbol(path)
        return (
            tracker
            for tracker in self.trackers()
            if tracker.topic.symbol == symbol and not self._load.mutes(tracker.topic)
        )

    def subscribed(self, frame: Frame) -> list[Row]:
        """What we subscribe to is waited for, even if the market stays silent; what another
        connection has goes on."""
        result: list[Row] = []
        for name in subscribed(frame.payload):
            lane = self._lanes[name]
            if lane is None or self._weave.joined(name, frame.conn):
                continue
            if isinstance(lane.tracker, DepthTracker):
                result += lane.tracker.opened(frame)
            elif isinstance(lane.tracker, Memory):
                lane.tracker.opened(frame)
        return result

    def unsubscribed(self, frame: Frame) -> list[Row]:
        """Streams end with the last connection on which they are unsubscribed."""
        result: list[Row] = []
        for name in unsubscribed(frame.payload):
            conns = self._weave.left(name, frame.conn)
            if conns:
                result += self._weave.released(frame, name)
                tracker = self._lanes.end(name, conns)
                result += [] if tracker is None else tracker.unsubscribed(frame)
        return result

    def closed(self, frame: Frame) -> list[Row]:
        """A connection ends, and with it all streams that are on it and on no other. What waited of
        them comes first, by name: the order of lanes depends on the segments before."""
        lanes = (lane for lane in self._lanes.values() if lane is not None)
        ended = [lane for lane in lanes if self._weave.ends(lane, frame.conn)]
        result: list[Row] = []
        for name in sorted(lane.name for lane in ended):
            result += self._weave.released(frame, name)
        for lane in ended:
            if isinstance(lane.tracker, DepthTracker):
                result += lane.tracker.closed(frame)
            elif isinstance(lane.tracker, Memory):
                lane.tracker.closed(frame)
        return result

    def requested(self, frame: Frame) -> None:
        """A snapshot was asked for."""
        for tracker in self.of(frame.topic):
            tracker.requested()

    def replied(self, frame: Frame) -> list[Row]:
        """It came; or something else, which is a failure too."""
        if depth_symbol(frame.topic) is None:
            return []
        result: list[Row] = []
        try:
            snapshot = read_snapshot(frame.payload)
        except UNREADABLE as error:
            for tracker in self.of(frame.topic):
                tracker.failed(frame)
            return [reject_row(frame, None, "bad_reply", str(error))]
        for tracker in self.of(frame.topic):
            result += tracker.snapshot(frame, snapshot)
        return result

    def failed(self, frame: Frame) -> None:
        """It will not come."""
        for tracker in self.of(frame.topic):
            tracker.failed(frame, patience_ns(frame.payload))

    def _tracker(self, topic: str) -> DepthTracker | None:
        lane = self._lanes.get(topic)
        tracker = lane.tracker if lane else None
        return tracker if isinstance(tracker, DepthTracker) else None
