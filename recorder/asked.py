"""When each topic was subscribed, by what is on the tape."""

from collections.abc import Iterator
from typing import NamedTuple

from recorder.cadences import CADENCES, Cadence
from schemas.frames import Frame, Kind, Moment
from schemas.requests import subscribed, unsubscribed
from schemas.rows import Row
from schemas.topics import Topic

_UNKNOWN = Cadence("", None)


class Ask(NamedTuple):
    """The newest request for a topic: its connection and moment; and what the topic is."""

    conn: int
    at: Moment
    topic: Topic
    cadence: Cadence
    patience_ns: int


class Asked:
    """Listens to the intake. slow: what the patience of all channels is multiplied with.

    topics: those that are subscribed on a connection that is up, and that have a patience at all.
    dropped: those that were unsubscribed since somebody emptied this, and when.
    """

    def __init__(self, slow: float) -> None:
        self.topics: dict[str, Ask] = {}
        self.dropped: dict[str, Moment] = {}
        self._slow = slow

    def hear(self, frame: Frame, rows: list[Row]) -> None:
        """Only requests and ends of connections matter."""
        del rows
        if frame.kind is Kind.SENT:
            at = moment(frame)
            for name in subscribed(frame.payload):
                self._add(name, frame.conn, at)
            for name in unsubscribed(frame.payload):
                self.topics.pop(name, None)
                self.dropped[name] = at
        elif frame.kind is Kind.CLOSE:
            for name in [name for name, ask in self.topics.items() if ask.conn == frame.conn]:
                del self.topics[name]

    def of_market(self, symbol: str) -> Iterator[str]:
        """Names of the topics of a market whose ids have one numbering."""
        for name, ask in self.topics.items():
            if ask.topic.symbol == symbol and ask.topic.channel in ("depth", "bookTicker"):
                yield name

    def _add(self, name: str, conn: int, at: Moment) -> None:
        topic = Topic.parse(name)
        cadence = CADENCES.get(topic.channel, _UNKNOWN)
        if cadence.patience is not None:
            patience_ns = int(cadence.patience * self._slow * 1e9)
            self.topics[name] = Ask(conn, at, topic, cadence, patience_ns)


def moment(frame: Frame) -> Moment:
    """When a frame came."""
    return Moment(frame.seq, frame.ts_recv, frame.ts_mono)
