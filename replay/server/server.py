"""The exchange as it was, put together: `Server` is what ``bp-replay --serve`` runs."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import WSCloseCode

from replay.selection import Selection
from replay.server.audience import Audience
from replay.server.breakpoints import Breakpoints
from replay.server.chaos import Chaos
from replay.server.client import PING_S, QUEUE_BYTES, STUCK_S
from replay.server.clock import TapeClock
from replay.server.control import Control
from replay.server.door import Door
from replay.server.lockstep import Lockstep
from replay.server.log import Facts, Say, unsaid
from replay.server.playback import Playback, State
from replay.server.player import Player, events
from replay.server.relay import Relay
from replay.server.replies import JSON_TYPE, Reply, as_json
from replay.server.replies import error as refusal
from replay.server.rest import Rest
from replay.server.shift import Shift
from replay.server.source import book_behind, course_of, history_of, opened
from schemas.errors import BackpackError, UsageError
from schemas.requests import depth_symbol
from schemas.topics import Topic
from tape.recorded import recorded_topics
from tape.recordings import Folders

_CACHE_BYTES = 32 << 20
_REST_CACHE_BYTES = 128 << 20  # the books of a busy hour, decoded

LOOPBACK = "127.0.0.1"
LINGER_S = 1.0  # REST is open after the end, for clients that ask for a book only now


@dataclass(frozen=True, slots=True)
class Serving:
    """How a recording is served.

    host, port: where; port 0: any that is free. speed: 1 as it happened; None: as fast as can be.
    topics: patterns; none: all. start, until: as of `replay.Replay`.
    generation: as of `replay.Replay`.
    on_subscribe: time begins with the first subscription.
    lockstep: wait for the clients where the recorder acted, see `replay.server.lockstep`.
    session_now: move all timestamps so that the recording begins when time begins to run.
    chaos: faults on purpose.
    queue: bytes that may wait for a client before it is cut off.
    ping_s: between two Pings to a client.
    """

    host: str = LOOPBACK
    port: int = 9000
    speed: float | None = 1.0
    topics: tuple[str, ...] = ()
    start: int | str | None = None
    until: int | str | None = None
    generation: int | None = None
    on_subscribe: bool = False
    lockstep: bool = False
    session_now: bool = False
    chaos: Chaos | None = None
    queue: int = QUEUE_BYTES
    ping_s: float = PING_S
    say: Say = unsaid


class Server:
    """Serves a recording, or several shards as one, while its context lasts.

    >>> async with Server("data/tape", Serving(speed=10)) as server:  # doctest: +SKIP
    ...     print(server.ws_url, server.rest_url)
    ...     await server.ended()

    control: carries out commands. playback: where it is and what it does.
    audience: its clients. asked: requests of REST so far.
    topics: streams that were recorded and are served. notes: on what was pruned, and on shards
        that are not there.

    Raises NotARecording, TopicError or another UsageError for what cannot be served, and OSError
    where the port cannot be had.
    """

    def __init__(self, data: Folders, serving: Serving) -> None:
        # Nothing of an account is served, nor read: whose it is nobody could prove to this server.
        there, self.notes = opened(data, serving.generation)
        selection = Selection(serving.topics)
        parts = [part for each in there for part in each.segments]
        recorded = [name for name in recorded_topics(parts) if not Topic.parse(name).private]
        selection.check(recorded)
        self.topics = [topic for topic in recorded if selection.wants(topic)]
        self._serving = serving
        self._history = history_of(there, _CACHE_BYTES)
        self.audience = Audience()
        course = course_of(there, serving.start, serving.until)
        clock = TapeClock(serving.speed, course.time(course.start))
        self.playback = Playback(
            course,
            self.audience,
            clock,
            on_subscribe=serving.on_subscribe or serving.lockstep,
            say=serving.say,
        )
        lockstep = None
        if serving.lockstep:
            lockstep = Lockstep(self._history, selection, lambda: self.audience.wanted)
        relay = Relay(
            self._history,
            self.audience,
            recorded,
            Breakpoints(book_behind(self._history), course.gaps),
            selection=selection,
            events=events(serving.lockstep),
            chaos=serving.chaos,
            say=serving.say,
        )
        self.control = Control(self.playback, relay)
        self._relay = relay
        self._lockstep = lockstep
        self._player = Player(self.playback, relay, lockstep)
        # One that is for another thread, see `rest`.
        self._rest = Rest(history_of(there, _REST_CACHE_BYTES))
        self.asked = 0
        self._door = Door(
            self, self.audience, frozenset(self.topics), serving.queue, serving.ping_s
        )
        self._reader = ThreadPoolExecutor(1, "rest")  # files are read in it, and not in the loop
        if serving.session_now:
            self._begin_now()  # for who asks before it begins
            self.playback.began = self._begin_now

    async def __aenter__(self) -> Self:
        self.port = await self._door.open(self._serving.host, self._serving.port)
        self._playing = asyncio.create_task(self._player.run())
        self._reader.submit(self._rest.warm, self.playback.mark)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._playing.cancel()
        await asyncio.wait([self._playing])
        await self._door.close()
        self._reader.shutdown(cancel_futures=True)

    @property
    def faults(self) -> dict[str, int]:
        """What was done on purpose, by kind."""
        return dict(self._relay.faults)

    @property
    def ws_url(self) -> str:
        """Where the websocket is."""
        return f"ws://{self._address}"

    @property
    def rest_url(self) -> str:
        """Where REST is, without a trailing slash."""
        return f"http://{self._address}"

    async def ended(self) -> None:
        """Wait until the recording is at its end and all clients have it; raises TapeError for
        what cannot be read."""
        end = asyncio.create_task(self._end())
        try:
            await asyncio.wait([end, self._playing], return_when=asyncio.FIRST_COMPLETED)
            if self._playing.done():
                self._playing.result()
            await end
        finally:
            end.cancel()

    async def left(self) -> None:
        """As `ended`; then say goodbye to all clients, and stay a little for what they ask last."""
        await self.ended()
        self.audience.close(WSCloseCode.GOING_AWAY, "the recording ends here")
        await self._door.gone(STUCK_S)
        await asyncio.sleep(LINGER_S)

    async def failed(self) -> None:
        """Wait until it cannot go on; raises what keeps it from that."""
        await asyncio.wait([self._playing])
        self._playing.result()

    # What the door asks for

    async def rest(self, target: str) -> Reply:
        """The reply to a GET, as of now."""
        self.asked += 1
        chaos = self._serving.chaos
        status = None if chaos is None else chaos.rest_fails(self.asked)
        if status is not None:
            self._relay.faults["rest"] += 1
            return refusal(status, "SERVER_ERROR", "made to fail on purpose")
        mark, now = self.playback.mark, self.playback.clock.now()
        reply = await asyncio.get_running_loop().run_in_executor(
            self._reader, self._rest.reply, target, mark, now
        )
        self._note(target, reply)
        return reply

    async def command(self, body: bytes | None) -> Reply:
        """Carry out a command; None: just tell."""
        try:
            if body is not None:
                await self.control.carry_out(body)
        except BackpackError as error:
            status = 400 if isinstance(error, UsageError) else 500
            return Reply(status, msgspec.json.encode({"error": str(error)}), JSON_TYPE)
        return as_json(self.control.status())

    def subscribed(self, topics: list[str]) -> None:
        """Somebody is subscribed to these now."""
        self._relay.subscribed(topics, self.playback.mark, self.playback.clock.now())

    def unsubscribed(self) -> None:
        """Somebody is subscribed to less."""
        self._relay.unsubscribed()

    def say(self, event: str, facts: Facts) -> None:
        """Write to the log."""
        self._serving.say(event, facts)

    def _begin_now(self) -> None:
        """Move all times so that it is now."""
        ms = (time.time_ns() - self.playback.clock.now()) // 1_000_000
        shift = Shift(ms * 1_000_000)
        self._relay.shift = self._rest.shift = shift

    def _note(self, target: str, reply: Reply) -> None:
        """A book that was given to somebody is not waited for any more."""
        if self._lockstep is None or reply.status != 200:
            return
        symbol = depth_symbol(target)
        if symbol is not None:
            self._lockstep.asked.add(symbol)
            self.playback.poke()

    async def _end(self) -> None:
        await self.playback.until(State.ENDED)
        await self.audience.empty()

    @property
    def _address(self) -> str:
        host = self._serving.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
