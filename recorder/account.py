"""The streams of an account: each is asked for by a signed request of its own, again if refused."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

import msgspec
from websockets.exceptions import ConnectionClosed

from recorder.connection import TapConnection, answered
from recorder.intake import Intake
from recorder.keys import HOW
from recorder.messages import Level, Message
from recorder.settings import Settings
from recorder.signing import WINDOW_MS, Signer
from recorder.stamp import Clock
from recorder.tally import ERROR_REPLY
from recorder.worker import Worker
from schemas.errors import ConfigError
from schemas.frames import Frame, Kind
from schemas.requests import SUBSCRIBE, UNSUBSCRIBE
from schemas.rows import Row, Session

INVALID_SIGNATURE = 4003  # protocol section 1
REDACTED = "redacted"
LONGEST_DELAY_S = 60.0
KEYS_S = 10.0  # to read a key file

_NOTABLE_S = 1.0  # a clock this wrong may be why a signature was refused

Notice = Callable[[str], None]
Behind = Callable[[], Awaitable[float | None]]


class Refusal(NamedTuple):
    """What became of a request for a topic, when it is made again by the loop's clock, and the
    delay before that."""

    why: str
    due: float
    delay: float


class _Error(msgspec.Struct):
    code: int = 0


class _ErrorReply(msgspec.Struct):
    error: _Error


_decode_error = msgspec.json.Decoder(_ErrorReply, strict=False).decode


class Request(NamedTuple):
    """What is to be asked next."""

    method: str
    topic: str


class Timestamps:
    """Of signatures, in ms: now, but no two alike, as their signatures would be too."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_ms = 0

    def take(self) -> int:
        """One that no signature had."""
        now = self._clock().ts_recv // 1_000_000
        if 0 <= self._last_ms - now < WINDOW_MS // 5:
            now = self._last_ms + 1
        self._last_ms = now
        return now


class Account:
    """Brings what is subscribed on a connection to what is wanted, one topic after another.

    An error reply does not say whose it is (protocol section 1), so the next request waits until
    the venue had time to refuse this one.

    refused: topics that are not as they are wanted, and why.
    """

    def __init__(
        self, settings: Settings, intake: Intake, notice: Notice, times: Timestamps
    ) -> None:
        self.refused: dict[str, Refusal] = {}
        self._keys = settings.keys
        self._patience = settings.patience
        self._intake = intake
        self._notice = notice
        self._wanted: dict[str, None] = {}
        self._asked: dict[str, None] = {}  # by what is on the tape, and not known to be left
        self._parted: set[str] = set()  # those of them that are left by what is on the tape
        self._joined: dict[str, None] = {}  # those not refused on this connection, newest last
        self._connection: TapConnection | None = None
        self._conn = 0
        self._denials = 0  # refusals heard that are nobody's yet
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._times = times
        self._files = Worker("bp-keys")
        if self._keys is not None:
            intake.listeners.append(self._hear)

    def want(self, names: Iterable[str]) -> None:
        """All topics that are wanted from now on; the requests go out in the background."""
        self._wanted = dict.fromkeys(names)
        for name in list(self.refused):
            if name in self._joined or name not in self._wanted:
                del self.refused[name]
        self._idle.clear()
        self._changed.set()

    async def settled(self) -> None:
        """Wait until all that is wanted was asked for; what was refused may be asked for again."""
        await self._idle.wait()

    def begin(self, connection: TapConnection, conn: int) -> None:
        """A connection is up: all is asked for anew, but what was refused only when due."""
        self._connection, self._conn = connection, conn
        self._denials = 0
        self.want(self._wanted)

    def end(self) -> None:
        """It is gone; the next one begins anew. What is not wanted any more by then is left there,
        as replay would go on with it else."""
        self._connection = None
        for name in self._parted:
            self._asked.pop(name, None)
        self._parted.clear()
        self._joined.clear()

    def inherit(self, other: "Account") -> None:
        """The other one will leave nothing any more: what it still had to is left here."""
        self._asked.update((name, None) for name in other._asked if name not in self._wanted)
        self._changed.set()

    def close(self) -> None:
        """No keys will be read any more."""
        self._files.close()
        with suppress(ValueError):  # it does not listen without keys
            self._intake.listeners.remove(self._hear)

    async def run(self, behind: Behind) -> None:
        """Work until cancelled. behind: by how many seconds our clock is behind the venue's."""
        while True:
            self._changed.clear()
            if self._denials:
                await self._refused_late(behind)
            elif self._connection is not None and (request := self._next()) is not None:
                with suppress(ConnectionClosed):  # whoever keeps it up sees that too
                    await self._ask(self._connection, request, behind)
            else:
                self._idle.set()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._due()):
                        await self._changed.wait()

    def _next(self) -> Request | None:
        """A request that is due."""
        now = asyncio.get_running_loop().time()
        for request in self._open():
            refusal = self.refused.get(request.topic)
            if refusal is None or refusal.due <= now:
                return request
        return None

    def _open(self) -> list[Request]:
        """What is still to be asked. What was refused is left all the same when nobody wants it any
        more, as the refusal may have been for another."""
        joined = self._joined.keys() - self._parted
        join = [Request(SUBSCRIBE, name) for name in self._wanted if name not in joined]
        leave = [Request(UNSUBSCRIBE, name) for name in self._asked if name not in self._wanted]
        return join + leave

    def _due(self) -> float | None:
        """When something is tried again; None if nothing is."""
        if self._connection is None:
            return None
        refusals = (self.refused.get(request.topic) for request in self._open())
        return min((refusal.due for refusal in refusals if refusal is not None), default=None)

    async def _ask(self, connection: TapConnection, request: Request, behind: Behind) -> None:
        """Ask, and wait until it is refused or had the time to be; raises ConnectionClosed."""
        signer = await self._signer()
        if connection is not self._connection or self._denials:
            return  # what has changed meanwhile comes first
        if isinstance(signer, str):
            self._put_off(request, f"not asked for: {signer}")
            return
        await self._send(connection, request, signer)
        await self._settle(connection)
        if connection is not self._connection:
            return
        if self._denials:
            self._denials -= 1
            await self._refused(request, behind)
        elif request.method == UNSUBSCRIBE:
            self._left(request.topic)
        else:
            self._joined[request.topic] = None
            if self.refused.pop(request.topic, None):
                text = f"{request.topic} was not refused this time"
                self._notice(Message(text, "topic_taken", topic=request.topic))

    def _left(self, topic: str) -> None:
        self._parted.discard(topic)
        for names in (self._asked, self._joined, self.refused):
            names.pop(topic, None)

    async def _signer(self) -> Signer | str:
        """The keys as they are now, as they may have been replaced; or why there are none."""
        if self._keys is None:
            return f"there are no keys: {HOW}"
        try:
            async with asyncio.timeout(KEYS_S):
                return await self._files.do(self._keys.read)
        except ConfigError as error:
            return str(error)
        except TimeoutError:
            return f"the keys could not be read within {KEYS_S:g} s: is the disk all right?"

    async def _send(self, connection: TapConnection, request: Request, signer: Signer) -> None:
        """What goes on the tape first is the request without key and signature."""
        self._asked[request.topic] = None
        if request.method == UNSUBSCRIBE:
            self._parted.add(request.topic)
        else:
            self._parted.discard(request.topic)
            self._joined.pop(request.topic, None)
        command = {"method": request.method, "params": [request.topic]}
        *_, timestamp, window = signature = signer.sign(self._times.take())
        shown = [REDACTED, REDACTED, timestamp, window]
        taped = msgspec.json.encode({**command, "signature": shown})
        self._intake.take(Kind.SENT, taped, conn=self._conn)
        await connection.send(msgspec.json.encode({**command, "signature": signature}), text=True)

    async def _settle(self, connection: TapConnection) -> None:
        """Until a refusal would be here."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience.pong):
                await answered(connection)

    def _hear(self, frame: Frame, rows: list[Row]) -> None:
        """Listens to the intake for refusals."""
        if not rows or type(rows[0]) is not Session or rows[0].event != ERROR_REPLY:
            return
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            code = _decode_error(frame.payload).error.code
            if code == INVALID_SIGNATURE and frame.conn == self._conn:
                self._denials += 1
                self._changed.set()

    async def _refused_late(self, behind: Behind) -> None:
        """After its time, so nobody can say whose it is: most likely the newest one's."""
        self._denials -= 1
        if self._joined:
            name, _ = self._joined.popitem()
            await self._refused(Request(SUBSCRIBE, name), behind)

    async def _refused(self, request: Request, behind: Behind) -> None:
        if request.method == UNSUBSCRIBE and request.topic not in self._joined:
            self._left(request.topic)  # it was refused before, so nobody need insist
            return
        cause = _cause(await behind())
        what = "refused" if request.method == SUBSCRIBE else "not let go"
        self._put_off(request, f"{what} ({INVALID_SIGNATURE} Invalid signature): {cause}")

    def _put_off(self, request: Request, why: str) -> None:
        """Until later, longer each time; not where it has been asked off meanwhile."""
        if request not in self._open():
            return
        topic = request.topic
        before = self.refused.get(topic)
        first = self._patience.refused
        delay = first if before is None else min(2 * before.delay, max(first, LONGEST_DELAY_S))
        due = asyncio.get_running_loop().time() + delay
        self.refused[topic] = Refusal(why, due, delay)
        text = f"{topic} was {why}; tried again in {delay:g} s"
        self._notice(Message(text, "topic_refused", Level.WARNING, topic=topic))


def _cause(behind: float | None) -> str:
    """Why a signature may have been refused, by how far our clock is behind the venue's, in s."""
    window = WINDOW_MS / 1_000
    if behind is not None and abs(behind) > _NOTABLE_S:
        way = "behind" if behind > 0 else "ahead of"
        part = "beyond" if abs(behind) > window else "much of"
        return (
            f"this machine's clock is {abs(behind):.1f} s {way} the venue's, {part} the"
            f" {window:g} s a signature is good for: set the clock (ntpd, chrony)"
        )
    cause = "the key may be unknown or revoked, or lack the permission to read"
    if behind is None:
        return f"{cause}; or it is this machine's clock, which could not be compared"
    return cause
