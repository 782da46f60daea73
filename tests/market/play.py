"""Carries moves out against an engine, with frames as a recorder would store them."""

from collections.abc import Callable
from typing import NamedTuple

from market.engine import Engine
from schemas.frames import (
    ConnectionClosed,
    ConnectionOpened,
    Frame,
    FramesLost,
    Kind,
    LoadTurned,
    RequestFailed,
    to_json,
)
from schemas.rows import Row
from tests.market.model_venue import Change, Delta, ModelVenue, delta, snapshot
from tests.market.moves import (
    Answer,
    Ask,
    Check,
    Connect,
    Cut,
    Deliver,
    Drop,
    Fail,
    Leave,
    Move,
    Renumber,
    Repeat,
    Return,
    Shed,
    Spoil,
    Swap,
    Tick,
)
from tests.market.stamps import Stamper, depth_path, subscribe, unsubscribe

SYMBOL = "kAAPL.US_USDC_PERP"
INEXACT = '["0.0000000001", "1"]'  # a price finer than 1e-9


class Spoiled(NamedTuple):
    """Note of a depth frame that cannot be read."""


class Reply(NamedTuple):
    """Note of a snapshot: its id and time."""

    last: int
    us: int


Note = Delta | Spoiled | Reply | None


class Step(NamedTuple):
    """A frame that was fed, the rows it made, and what it says."""

    frame: Frame
    rows: list[Row]
    note: Note


class Flight(NamedTuple):
    """A request on its way: the connection when it was asked, and the answer of that moment."""

    conn: int
    body: bytes
    reply: Reply


class Play:
    """One recorder and one depth stream of the model venue."""

    def __init__(
        self, topic: str = f"depth.{SYMBOL}", on_step: Callable[[Step], None] | None = None
    ) -> None:
        self.topic = topic
        self.engine = Engine()
        self.venue = ModelVenue()
        self.frames: list[Frame] = []
        self.conn = 0
        self.connected = self.left = False
        self.asked = False  # by the engine, and not carried out yet
        self.flying: list[Flight] = []
        self.unsent: list[Change] = []
        self._on_step = on_step
        self._stamper = Stamper()
        self._sent: list[Delta] = []
        self._untold: list[int] = []  # connections opened, of which no end is on the tape

    def run(self, moves: list[Move]) -> "Play":
        """Carry out all moves."""
        for move in moves:
            self.do(move)
        return self

    def do(self, move: Move) -> None:
        """Carry out one move; one that makes no sense now does nothing."""
        match move:
            case Tick(bids, asks, after_us):
                change = self.venue.change(bids, asks, after_us)
                if self.connected:
                    self.unsent.append(change)
            case Renumber(after_us):
                self.venue.renumber(after_us)
            case Cut(told):
                self._cut(told)
            case Connect(told):
                self._connect(told)
            case Leave() if self.connected and not self.left:
                self.left = True
                self._feed(self._stamper.frame(Kind.SENT, unsubscribe(self.topic), conn=self.conn))
            case Return() if self.connected and self.left:
                self.left = False
                self._feed(self._stamper.frame(Kind.SENT, subscribe(self.topic), conn=self.conn))
            case Ask(eager) if self.asked and (eager or not self.is_flying(self.conn)):
                self.asked = False
                self._request()
            case Check() if self.connected:
                self._request()
            case Shed(ended, frames):
                payload = to_json(FramesLost("memory", frames, 100 * frames, ended))
                self._feed(self._stamper.frame(Kind.LOSS, payload))
            case Answer(as_asked, behind) if self.flying:
                self._answer(self.flying.pop(0), as_asked, behind)
            case Fail(status) if self.flying:
                self.flying.pop(0)
                self._fail(status)
            case _:
                self._send(move)

    def turn(self, level: int) -> None:
        """More or less is shed from here on."""
        self._feed(self._stamper.frame(Kind.LOAD, to_json(LoadTurned(level))))

    def settle(self) -> None:
        """The venue behaves from here on: all that it sends arrives, all requests are answered."""
        self._connect(told=True)
        self.do(Return())
        self.do(Tick({99: 10}, {}, 2_000_000))
        while self.unsent:
            self.do(Deliver(1))
        while self.flying:
            self.do(Answer(as_asked=False, behind=0))
        self.do(Ask(eager=False))
        self.do(Answer(as_asked=False, behind=0))

    def _send(self, move: Move) -> None:
        """What reaches the websocket, or should have."""
        match move:
            case Deliver(ids):
                self._deliver(self._take(ids))
            case Drop(ids):
                self._take(ids)
            case Swap():
                first, second = self._take(1), self._take(1)
                self._deliver(second)
                self._deliver(first)
            case Spoil():
                self._spoil(self._take(1))
            case Repeat(back) if self._sent and self.connected:
                self._data(self._sent[-1 - back % len(self._sent)])

    def _take(self, ids: int) -> list[Change]:
        """The oldest changes of one numbering that were not sent yet."""
        taken: list[Change] = []
        while self.unsent and len(taken) < ids:
            if taken and self.unsent[0].id != taken[-1].id + 1:
                break
            taken.append(self.unsent.pop(0))
        return taken

    def _deliver(self, changes: list[Change]) -> None:
        if changes:
            self._sent.append(delta(self.topic, changes))
            self._data(self._sent[-1])

    def _data(self, message: Delta) -> None:
        self._feed(self._stamper.data(message.text, self.conn), message)

    def _spoil(self, changes: list[Change]) -> None:
        if changes:
            text = delta(self.topic, changes).text.replace('"a":[', f'"a":[{INEXACT},', 1)
            text = text.replace(",]", "]")
            self._feed(self._stamper.data(text, self.conn), Spoiled())

    def _cut(self, told: bool) -> None:
        if self.connected and told:
            payload = to_json(ConnectionClosed(1006, ""))
            self._feed(self._stamper.frame(Kind.CLOSE, payload, conn=self.conn))
            self._untold = [conn for conn in self._untold if conn != self.conn]
        self.connected = False
        self.unsent.clear()

    def _connect(self, told: bool) -> None:
        if self.connected:
            return
        self.connected = True
        self.left = False
        self.conn += 1
        self._sent.clear()
        if told:
            self._tell()
            opened = to_json(ConnectionOpened("wss://venue"))
            self._feed(self._stamper.frame(Kind.OPEN, opened, conn=self.conn))
            self._feed(self._stamper.frame(Kind.SENT, subscribe(self.topic), conn=self.conn))

    def _tell(self) -> None:
        """Late, but before another is opened: or there would be several at once."""
        for conn in self._untold:
            ended = to_json(ConnectionClosed(1006, ""))
            self._feed(self._stamper.frame(Kind.CLOSE, ended, conn=conn))
        self._untold = [self.conn]

    def _request(self) -> None:
        era = self.venue.now
        reply = Reply(era.last_id, era.us_of(era.last_id))
        self.flying.append(Flight(self.conn, snapshot(era, era.last_id), reply))
        self._feed(self._stamper.frame(Kind.REQUEST, topic=depth_path(SYMBOL)))

    def is_flying(self, conn: int) -> bool:
        """Whether a request made since a connection began is on its way."""
        return any(flight.conn >= conn for flight in self.flying)

    def _answer(self, flight: Flight, as_asked: bool, behind: int) -> None:
        body, reply = flight.body, flight.reply
        if not as_asked:
            era = self.venue.now
            last = max(era.base_id, era.last_id - behind)
            body, reply = snapshot(era, last), Reply(last, era.us_of(last))
        self._feed(self._stamper.frame(Kind.REPLY, body, topic=depth_path(SYMBOL)), reply)

    def _fail(self, status: int) -> None:
        if status == 200:
            kind, payload = Kind.REPLY, b"<html>"
        else:
            kind, payload = Kind.FAILED, to_json(RequestFailed(status, "failed", ""))
        self._feed(self._stamper.frame(kind, payload, topic=depth_path(SYMBOL)))

    def _feed(self, frame: Frame, note: Note = None) -> None:
        self.frames.append(frame)
        rows = self.engine.feed(frame)
        self.asked = bool(self.engine.take_requests()) or self.asked
        if self._on_step:
            self._on_step(Step(frame, rows, note))
