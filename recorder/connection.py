"""One websocket connection. Each message is stamped when its bytes leave the socket."""

from collections.abc import Callable
from logging import INFO, Logger, getLogger

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.frames import CloseCode, Opcode
from websockets.frames import Frame as WireFrame

from recorder.backlog import Backlog
from recorder.settings import Patience
from recorder.stamp import Clock, Stamp
from schemas.errors import VenueError
from schemas.frames import ConnectionClosed as Closed
from schemas.frames import Kind

LARGEST_MESSAGE = 32 << 20  # with what may wait before it, it fits into a batch of the journal

LOOK_EVERY = 128  # messages

Sink = Callable[[Kind, bytes, Stamp], None]


class TapConnection(ClientConnection):
    """Hands messages to a sink where the library would queue them for ``recv``.

    So the stamp is the moment the socket was read, not the moment somebody came to ask, the
    socket is never left unread, and no second queue can fill up.
    """

    clock: Clock
    sink: Sink
    stamp: Stamp
    backlog: Backlog | None = None  # is told of each reading, and now and then amid a large one
    parts = 0

    def data_received(self, data: bytes) -> None:
        self.stamp = self.clock()
        super().data_received(data)
        if self.backlog is not None:
            self.backlog.read(self, len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.backlog is not None:
            self.backlog.gone(self)

    def process_event(self, event: object) -> None:
        if isinstance(event, WireFrame) and event.opcode in _MESSAGE:
            self._message_part(event)
            self.parts += 1
            if not self.parts % LOOK_EVERY and self.backlog is not None:
                self.backlog.amid(self)
        else:
            super().process_event(event)  # type: ignore[arg-type]

    def _message_part(self, part: WireFrame) -> None:
        if part.fin and part.opcode is Opcode.TEXT:
            self.sink(Kind.DATA, bytes(part.data), self.stamp)
            return
        if part.opcode is not Opcode.CONT:
            self._kind = Kind.DATA if part.opcode is Opcode.TEXT else Kind.BINARY
            self._parts: list[bytes] = []
        self._parts.append(bytes(part.data))
        if part.fin:
            self.sink(self._kind, b"".join(self._parts), self.stamp)

    @property
    def end(self) -> Closed:
        """Why it ended, once it has: by the Close frame that came first, the venue's or ours, which
        is there even if nobody answered it; 1006 where it was just cut off."""
        protocol = self.protocol
        theirs, ours = protocol.close_rcvd, protocol.close_sent
        if theirs is not None and (ours is None or protocol.close_rcvd_then_sent):
            return Closed(theirs.code, theirs.reason)
        if ours is not None:
            reason = (
                ours.reason if ours.code == CloseCode.NORMAL_CLOSURE else f"ours: {ours.reason}"
            )
            return Closed(int(ours.code), reason)
        return Closed(CloseCode.ABNORMAL_CLOSURE.value, "")


_MESSAGE = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


def _logger() -> Logger:
    """For a connection: at DEBUG the library would log all that is sent, signatures included. This
    one is known to nobody who could turn it on."""
    logger = Logger("websockets.client", INFO)
    logger.parent = getLogger(logger.name)
    return logger


async def dial(url: str, sink: Sink, patience: Patience, clock: Clock) -> TapConnection:
    """A new connection; raises VenueError where there is none to be had."""

    def tapped(*args: object, **kwargs: object) -> TapConnection:
        connection = TapConnection(*args, **kwargs)  # type: ignore[arg-type]
        connection.clock, connection.sink = clock, sink
        return connection

    try:
        return await connect(  # type: ignore[return-value]
            url,
            create_connection=tapped,  # type: ignore[arg-type]
            open_timeout=patience.opening,
            ping_interval=patience.ping,
            ping_timeout=patience.pong,
            close_timeout=patience.closing,
            max_size=LARGEST_MESSAGE,
            logger=_logger(),
        )
    except (OSError, WebSocketException, ValueError, EOFError) as error:
        # ValueError: a host name that cannot be one; EOFError: a reply cut off.
        text = str(error) or type(error).__name__
        raise VenueError(f"no websocket at {url}: {text}") from None


async def answered(connection: TapConnection) -> None:
    """Wait until the venue has read all that was sent, and its answer to that would be here; raises
    ConnectionClosed. The first pong may overtake an answer, as pings are answered below the level
    at which requests are read; the second comes after both."""
    for _ in range(2):
        await (await connection.ping())
