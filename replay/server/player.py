"""Plays a recording to its audience as its `Playback` says."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress

import msgspec
from aiohttp import WSCloseCode

from market.control import UNREADABLE, is_stop
from replay.server.course import Stretch
from replay.server.lockstep import ACTS, Lockstep
from replay.server.playback import Playback, State
from replay.server.relay import Relay
from schemas.frames import ConnectionClosed, Frame, Kind
from tape.history import Mark

SETTLE_S = 0.2  # without a new subscription, before a replay that waits for one begins
LOOP_S = 0.02  # from the end of a loop to its beginning, as it may be of no length
_BATCH = 256  # frames that pass in one go at most
_NO_CLOSE_FRAME = 1006
_NEVER_SENT = frozenset({1004, 1005, _NO_CLOSE_FRAME, 1015})  # RFC 6455 section 7.4.1

_decode_close = msgspec.json.Decoder(ConnectionClosed).decode


def events(lockstep: bool) -> frozenset[Kind]:
    """Kinds of frames that are more to a player than something to be sent."""
    return frozenset({Kind.CLOSE}) | (ACTS if lockstep else frozenset())


class Player:
    """Passes the frames of a course on to a relay when they are due."""

    def __init__(self, playback: Playback, relay: Relay, lockstep: Lockstep | None = None) -> None:
        self._playback = playback
        self._relay = relay
        self._lockstep = lockstep
        self._last: Frame | None = None  # that passed, since it was moved

    async def run(self) -> None:
        """Play, for ever; raises TapeError for what cannot be read."""
        playback = self._playback
        playback.moved = self._restart
        playback.clock.set(playback.course.time(playback.mark))
        playback.become(playback.state)
        while True:
            jumps = playback.jumps
            await self._subscribed()
            if playback.jumps == jumps and await self._play(jumps):
                await self._ended(jumps)

    def _restart(self) -> None:
        self._relay.restart()
        self._last = None
        if self._lockstep is not None:
            self._lockstep.restart()

    async def _subscribed(self) -> None:
        """Wait for the first subscription, and until no more of them come for a while."""
        playback, wanted = self._playback, self._playback.audience.wanted
        before, since = 0, 0.0
        while playback.state is State.WAITING:
            if wanted.total() != before:
                before, since = wanted.total(), time.monotonic()
            left = since + SETTLE_S - time.monotonic()
            if before and left <= 0:
                playback.become(State.PLAYING)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left if before else None):
                    await playback.rest()

    async def _play(self, jumps: int) -> bool:
        """Play from the mark to the end; False where it was moved away from there."""
        for stretch in self._stretches():
            at = 0
            while at < len(stretch.frames):
                at = await self._advance(stretch, at)
                if self._playback.jumps != jumps:
                    return False
        return True

    def _stretches(self) -> Iterator[Stretch]:
        playback = self._playback
        for stretch in playback.course.read(playback.mark):
            if stretch.session != playback.session:
                self._next_session(stretch)
            elif self._last is not None and playback.course.begins_anew(stretch):
                playback.audience.close(WSCloseCode.GOING_AWAY, "nothing was kept behind this")
                self._restart()
            yield stretch

    def _next_session(self, stretch: Stretch) -> None:
        """The recorder was started again. How long it was away only the wall clock can say."""
        playback, first = self._playback, stretch.frames[0].frame
        away = 0 if self._last is None else max(first.ts_recv - self._last.ts_recv, 0)
        playback.session = stretch.session
        playback.clock.set(stretch.zero + first.ts_mono - away)
        playback.audience.close(WSCloseCode.GOING_AWAY, "the recorder had stopped here")
        self._restart()

    async def _advance(self, stretch: Stretch, at: int) -> int:
        """Pass the frames that are due, or wait for the next one; where it is then."""
        until = await self._allowed(stretch, at)
        if until == at:
            return at
        playback, relay = self._playback, self._relay
        passed = relay.passing(stretch, at, until)
        if passed > at:
            self._passed(stretch, stretch.frames[passed - 1].frame)
        relay.flush()
        if passed < until and relay.hit is None and relay.is_event(stretch.frames[passed].frame):
            passed = await self._event(stretch, passed)
        if relay.hit is not None:
            playback.hit, relay.hit = relay.hit, None
            playback.steps = 0
            playback.become(State.PAUSED)
        elif playback.state is State.PAUSED and not playback.steps:
            playback.become(State.PAUSED)  # the last step: says so to who waits for it
        return passed

    def _passed(self, stretch: Stretch, frame: Frame) -> None:
        playback = self._playback
        playback.mark = Mark(stretch.segment, frame.seq)
        self._last = frame
        if playback.clock.speed is None or not playback.clock.running:
            playback.clock.set(max(stretch.zero + frame.ts_mono, playback.clock.now()))

    async def _allowed(self, stretch: Stretch, at: int) -> int:
        """Up to where frames may pass now; ``at`` if none may, after a while."""
        playback = self._playback
        if playback.state is not State.PLAYING and not playback.steps:
            await playback.rest()
            return at
        last = self._within_loop(stretch, at)
        if last == at:
            await asyncio.sleep(LOOP_S)
            if playback.loop is not None:
                playback.seek(playback.loop[0])
            return at
        if playback.state is not State.PLAYING:
            return await self._stepping(stretch, at)
        if playback.clock.speed is None:
            return await self._unpaced(stretch, at, last)
        return await self._paced(stretch, at, last)

    def _within_loop(self, stretch: Stretch, at: int) -> int:
        """Up to where frames are within the loop, if there is one, and no more than a batch."""
        playback, last = self._playback, min(at + _BATCH, len(stretch.frames))
        if playback.loop is None:
            return last
        end = playback.loop[1]
        while last > at and (stretch.segment, stretch.frames[last - 1].frame.seq) > end:
            last -= 1
        return last

    async def _unpaced(self, stretch: Stretch, at: int, last: int) -> int:
        playback, jumps = self._playback, self._playback.jumps
        await playback.audience.room()
        await self._late(stretch.time(at))
        moved = playback.jumps != jumps or playback.state is not State.PLAYING
        return at if moved else last

    async def _paced(self, stretch: Stretch, at: int, last: int) -> int:
        playback, frames = self._playback, stretch.frames
        jumps, due, until = playback.jumps, playback.clock.now() - stretch.zero, at
        while until < last and frames[until].frame.ts_mono <= due:
            until += 1
        if until == at:
            await playback.rest(min(stretch.time(at), self._relay.due))
            await self._late(min(stretch.time(at), playback.clock.now()))
            return at
        await self._late(stretch.time(at))
        if until == last:
            await asyncio.sleep(0)  # behind its time: others get their turn all the same
        moved = playback.jumps != jumps or playback.state is not State.PLAYING
        return at if moved else until

    async def _late(self, now: int) -> None:
        """What is due besides the frames: some at a time, as it may be much after a quiet hour."""
        jumps = self._playback.jumps
        while self._playback.jumps == jumps and self._relay.late(now):
            await self._playback.audience.room()

    async def _stepping(self, stretch: Stretch, at: int) -> int:
        playback, jumps = self._playback, self._playback.jumps
        await playback.audience.room()
        await self._late(stretch.time(at))
        if playback.jumps != jumps or not playback.steps:
            return at
        playback.steps -= 1
        return at + 1

    async def _event(self, stretch: Stretch, at: int) -> int:
        """A frame that is more than something to be sent; where it is then."""
        playback, frame, jumps = self._playback, stretch.frames[at].frame, self._playback.jumps
        if frame.kind is Kind.CLOSE:
            self._closed(frame)
        elif self._lockstep is not None:
            await self._in_step(self._lockstep, frame)
            if playback.jumps != jumps:
                return at
            self._lockstep.passed(frame)
        self._passed(stretch, frame)
        self._relay.look(None, frame, stretch.segment)
        return at + 1

    def _closed(self, frame: Frame) -> None:
        """The connection of the recorder ended; so do those of all clients, unless it was the
        recorder that was told to stop."""
        if is_stop(frame.payload):
            return
        try:
            closed = _decode_close(frame.payload)
        except UNREADABLE:
            closed = ConnectionClosed(_NO_CLOSE_FRAME, "")
        if self._lockstep is not None:
            self._lockstep.restart()
        audience = self._playback.audience
        self._playback.say("closed", {"code": closed.code, "reason": closed.reason})
        can_be_sent = closed.code not in _NEVER_SENT and 1000 <= closed.code < 5000
        audience.close(closed.code if can_be_sent else None, closed.reason)

    async def _in_step(self, lockstep: Lockstep, frame: Frame) -> None:
        """Wait for the clients; tape time stands still meanwhile."""
        playback = self._playback
        waits = lockstep.condition(frame, playback.mark)
        if waits is None or waits.ready():
            return
        playback.clock.run(False)
        jumps, end = playback.jumps, time.monotonic() + waits.patience_s
        while not waits.ready() and playback.jumps == jumps:
            if (left := end - time.monotonic()) <= 0:
                playback.say("lockstep", {"gave_up": f"waiting until {waits.what()}"})
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await playback.rest()
        playback.clock.run(playback.state is State.PLAYING)

    async def _ended(self, jumps: int) -> None:
        """At the end what was put off, or is made of what came, is still sent."""
        playback, relay = self._playback, self._relay
        while playback.state is State.PAUSED and not playback.steps and playback.jumps == jumps:
            await playback.rest()
        if playback.loop is not None and playback.jumps == jumps:
            playback.seek(playback.loop[0])
        last = relay.last_due(playback.clock.now())
        while relay.due <= last and playback.jumps == jumps:
            if playback.clock.speed is not None:
                await playback.rest(relay.due)
            await self._late(last if playback.clock.speed is None else playback.clock.now())
        if playback.jumps == jumps:
            playback.become(State.ENDED)
        while playback.jumps == jumps:
            await playback.rest()
