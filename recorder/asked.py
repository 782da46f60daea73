"""When each topic was last subscribed, and on which connections, read from the taped requests."""

from collections.abc import Collection
from typing import NamedTuple

from recorder.cadences import CADENCES, Asks, Cadence
from schemas.frames import Frame, Kind, Moment
from schemas.requests import subscribed, unsubscribed
from schemas.rows import Row
from schemas.topics import Topic

_UNKNOWN = Cadence("", None)


class Ask(NamedTuple):
    """The newest request for a topic, and all connections that it is on; and what the topic is."""

    conns: frozenset[int]
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
        self._numbered: dict[str, dict[str, None]] = {}  # by market

    def hear(self, frame: Frame, rows: list[Row]) -> None:
        """Only requests and ends of connections matter."""
        del rows
        if frame.kind is Kind.SENT:
            at = moment(frame)
            for name in subscribed(frame.payload):
                self._add(name, frame.conn, at)
            for name in unsubscribed(frame.payload):
                self._remove(name)
                self.dropped[name] = at
        elif frame.kind is Kind.CLOSE:
            self._close(frame.conn)

    def numbered(self, symbol: str) -> Collection[str]:
        """Names of the topics of a market whose ids have one numbering."""
        return self._numbered.get(symbol, ())

    def _add(self, name: str, conn: int, at: Moment) -> None:
        topic = Topic.parse(name)
        cadence = CADENCES.get(topic.channel, _UNKNOWN)
        if cadence.patience is None:
            return
        patience_ns = int(cadence.patience * self._slow * 1e9)
        before = self.topics.get(name)
        conns = frozenset((conn,)) | (before.conns if before else frozenset())
        self.topics[name] = Ask(conns, at, topic, cadence, patience_ns)
        if cadence.asks is Asks.BOOK:
            self._numbered.setdefault(topic.symbol, {})[name] = None

    def _close(self, conn: int) -> None:
        for name, ask in list(self.topics.items()):
            if ask.conns == {conn}:
                self._remove(name)
            elif conn in ask.conns:
                self.topics[name] = ask._replace(conns=ask.conns - {conn})

    def _remove(self, name: str) -> None:
        ask = self.topics.pop(name, None)
        if ask is not None and ask.cadence.asks is Asks.BOOK:
            names = self._numbered[ask.topic.symbol]
            del names[name]
            if not names:
                del self._numbered[ask.topic.symbol]


def moment(frame: Frame) -> Moment:
    """When a frame came."""
    return Moment(frame.seq, frame.ts_recv, frame.ts_mono)
