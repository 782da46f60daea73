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
from replay.server.relay import FAR, Relay
from schemas.frames import ConnectionClosed, Frame, Kind
from tape.history import Mark

SETTLE_S = 0.2  # without a new subscription, before a replay that waits for one begins
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

    async def run(self) -> None:
        """Play, for ever; raises TapeError for what cannot be read."""
        playback = self._playback
        playback.clock.set(playback.course.time(playback.mark))
        playback.become(playback.state)
        while True:
            jumps = playback.jumps
            self._restart()
            await self._subscribed()
            if playback.jumps != jumps or not await self._play(jumps):
                continue
            if playback.loop is None:
                await self._ended(jumps)
            else:
                playback.seek(playback.loop[0])

    def _restart(self) -> None:
        self._relay.restart()
        if self._lockstep is not None:
            self._lockstep.restart()

    async def _subscribed(self) -> None:
        """Wait for the first subscription, and until no more of them come."""
        playback, wanted = self._playback, self._playback.audience.wanted
        while playback.state is State.WAITING:
            if not wanted:
                await playback.rest()
                continue
            before = wanted.total()
            await asyncio.sleep(SETTLE_S)
            if before == wanted.total() and playback.state is State.WAITING:
                playback.become(State.PLAYING)

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
                playback.session = stretch.session
                playback.audience.close(WSCloseCode.GOING_AWAY, "the recorder had stopped here")
                self._restart()
            end = playback.loop[1] if playback.loop else playback.course.end
            kept = stretch.until(end)
            if kept.frames:
                yield kept
            if len(kept.frames) < len(stretch.frames):
                return

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
        if relay.hit is None and passed < until:
            passed = await self._event(stretch, passed)
        if relay.hit is not None:
            playback.hit, relay.hit = relay.hit, None
            playback.steps = 0
            playback.become(State.PAUSED)
        return passed

    def _passed(self, stretch: Stretch, frame: Frame) -> None:
        playback = self._playback
        playback.mark = Mark(stretch.segment, frame.seq)
        if playback.clock.speed is None or not playback.clock.running:
            playback.clock.set(max(stretch.zero + frame.ts_mono, playback.clock.now()))

    async def _allowed(self, stretch: Stretch, at: int) -> int:
        """Up to where frames may pass now; ``at`` if none may, after a while."""
        playback = self._playback
        if playback.state is not State.PLAYING:
            return await self._stepping(at)
        last = min(at + _BATCH, len(stretch.frames))
        if playback.clock.speed is None:
            jumps = playback.jumps
            await playback.audience.room()
            moved = playback.jumps != jumps or playback.state is not State.PLAYING
            return at if moved else last
        due, frames = playback.clock.now() - stretch.zero, stretch.frames
        until = at
        while until < last and frames[until].frame.ts_mono <= due:
            until += 1
        if until == at:
            following = stretch.zero + frames[at].frame.ts_mono
            await playback.rest(min(following, self._relay.due))
            self._relay.late(min(following, playback.clock.now()))
        elif until == last:
            await asyncio.sleep(0)  # behind its time: others get their turn all the same
        return until

    async def _stepping(self, at: int) -> int:
        playback = self._playback
        if playback.steps:
            playback.steps -= 1
            if not playback.steps:
                playback.become(State.PAUSED)  # says so to who waits for it
            return at + 1
        await playback.rest()
        return at

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
        self._relay.look(stretch.segment, frame)
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
        if closed.code in _NEVER_SENT or not 1000 <= closed.code < 5000:
            audience.cut("as it was recorded")
        else:
            audience.close(closed.code, closed.reason)

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
                await asyncio.wait_for(playback.rest(), left)
        playback.clock.run(playback.state is State.PLAYING)

    async def _ended(self, jumps: int) -> None:
        """At the end what was put off, or is made of what came, is still sent."""
        playback, relay = self._playback, self._relay
        while relay.due < FAR and playback.clock.speed is not None and playback.jumps == jumps:
            await playback.rest(relay.due)
            relay.late(playback.clock.now())
        if playback.jumps == jumps:
            relay.finish()
            playback.become(State.ENDED)
        while playback.jumps == jumps:
            await playback.rest()
