"""Commands to a replay that is served, as JSON: what the control endpoint and the keyboard say."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from replay.server.breakpoints import Condition
from replay.server.playback import Playback, State
from replay.server.relay import Relay
from replay.speeds import speed_of, speed_text
from schemas.errors import UsageError
from tape.history import Mark
from tape.moment import stamp

LONGEST_WAIT_S = 3_600.0


class Command(msgspec.Struct, forbid_unknown_fields=True):
    """One command. Which of the others it needs is said in docs/serving.md.

    speed: ``10x`` or ``max``. frames: of a step. to, start, until: a time as `tape.moment` reads
    it, or ``#SEQ`` of the present session, or ``SESSION#SEQ``.
    """

    command: str
    speed: str | None = None
    frames: int = 1
    to: str | int | None = None
    start: str | int | None = None
    until: str | int | None = None
    on: str | None = None
    symbol: str = ""
    timeout: float = 30.0


_decode = msgspec.json.Decoder(Command).decode


class Control:
    """Carries commands out, and tells how things are."""

    def __init__(self, playback: Playback, relay: Relay) -> None:
        self._playback = playback
        self._relay = relay
        self._commands: dict[str, Callable[[Command], Awaitable[None]]] = {
            "status": self._status,
            "pause": self._pause,
            "resume": self._resume,
            "speed": self._speed,
            "step": self._step,
            "seek": self._seek,
            "loop": self._loop,
            "break": self._break,
            "clear": self._clear,
            "wait": self._wait,
        }

    async def carry_out(self, body: bytes) -> None:
        """Raises UsageError that says what is wrong with it."""
        try:
            command = _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UsageError(f'not a command ({error}): send {{"command":"pause"}}') from None
        act = self._commands.get(command.command)
        if act is None:
            names = ", ".join(self._commands)
            raise UsageError(f"no command {command.command[:40]!r}: there are {names}")
        await act(command)

    def status(self) -> dict[str, object]:
        """How things are, for JSON."""
        playback, relay = self._playback, self._relay
        loop = playback.loop
        return {
            "state": playback.state,
            "time": stamp(playback.clock.now()),
            "session": playback.session,
            "seq": playback.mark.seq,
            "speed": speed_text(playback.clock.speed),
            "hit": None if playback.hit is None else playback.hit._asdict(),
            "breakpoints": [
                {"on": c.text, "symbol": c.symbol} for c in relay.breakpoints.conditions
            ],
            "loop": None if loop is None else [self._place(mark) for mark in loop],
            "faults": dict(relay.faults),
            "clients": [client.facts() for client in playback.audience.clients],
        }

    def mark(self, where: str | int | None, name: str) -> Mark:
        """A position somebody wrote; raises UsageError."""
        playback = self._playback
        if where is None:
            raise UsageError(f'this needs "{name}": a time, #SEQ or SESSION#SEQ')
        if isinstance(where, str) and "#" in where:
            session, _, seq = where.rpartition("#")
            if not (seq.isascii() and seq.isdigit() and len(seq) < 19):
                raise UsageError(f"{where[:60]!r} is no position: give #71 or SESSION#71")
            return playback.course.at_seq(session or playback.session, int(seq))
        return playback.course.at_time(where)

    async def _status(self, command: Command) -> None:
        del command

    async def _pause(self, command: Command) -> None:
        del command
        self._playback.pause()

    async def _resume(self, command: Command) -> None:
        del command
        self._playback.resume()

    async def _speed(self, command: Command) -> None:
        if command.speed is None:
            raise UsageError('speed needs "speed": 10x or max')
        self._playback.pace(speed_of(command.speed))

    async def _step(self, command: Command) -> None:
        if command.frames < 1:
            raise UsageError(f"{command.frames} frames cannot be stepped: give 1 or more")
        self._playback.step(command.frames)
        await self._playback.until(State.PAUSED, State.ENDED)

    async def _seek(self, command: Command) -> None:
        self._playback.seek(self.mark(command.to, "to"))

    async def _loop(self, command: Command) -> None:
        if command.start is None and command.until is None:
            self._playback.repeat(None)
            return
        ends = self.mark(command.start, "start"), self.mark(command.until, "until")
        self._playback.repeat(ends)

    async def _break(self, command: Command) -> None:
        if command.on is None:
            raise UsageError('break needs "on": gap, crossed, spread>0.05 or trade>250')
        self._relay.breakpoints.arm(Condition.parse(command.on, command.symbol))

    async def _clear(self, command: Command) -> None:
        del command
        self._relay.breakpoints.disarm()

    async def _wait(self, command: Command) -> None:
        """Until it is paused or at its end."""
        if not 0 < command.timeout <= LONGEST_WAIT_S:
            raise UsageError(f"timeout is in seconds, up to {LONGEST_WAIT_S:.0f}")
        try:
            async with asyncio.timeout(command.timeout):
                await self._playback.until(State.PAUSED, State.ENDED)
        except TimeoutError:
            raise UsageError(
                f"it is still {self._playback.state} after {command.timeout:g} s"
            ) from None

    def _place(self, mark: Mark) -> str:
        return f"{self._playback.course.session(mark)}#{mark.seq + 1}"
