"""Plays a recording to its audience as its `Playback` says."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress

import msgspec
from aiohttp import WSCloseCode

from market.control import UNREADABLE, is_stop
from replay.server.course import STOPPED, About, Stretch
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
        self._last: dict[int, Frame] = {}  # of each recording that passed, since it was moved

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
        self._last.clear()
        self._begin_anew(None)

    def _begin_anew(self, about: About) -> None:
        self._relay.restart(about)
        if self._lockstep is not None:
            self._lockstep.restart(about)

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
            seam = playback.course.seam(playback.mark, stretch)
            if seam == STOPPED or (seam and self._last):
                self._seam(stretch, seam)
            yield stretch

    def _seam(self, stretch: Stretch, why: str) -> None:
        """Clients begin anew. How long a recorder was away only the wall clock can say; where
        others were at work meanwhile, time has gone on with them."""
        playback, recording = self._playback, stretch.parts[0].recording
        about, last = playback.course.about(recording), self._last.pop(recording, None)
        if why == STOPPED and about is None:
            first = stretch.frames[0].frame
            away = 0 if last is None else max(first.ts_recv - last.ts_recv, 0)
            playback.clock.set(stretch.times[0] - away)
        playback.audience.close(WSCloseCode.GOING_AWAY, why, about)
        self._begin_anew(about)

    async def _advance(self, stretch: Stretch, at: int) -> int:
        """Pass the frames that are due, or wait for the next one; where it is then."""
        until = await self._allowed(stretch, at)
        if until == at:
            return at
        playback, relay = self._playback, self._relay
        passed = relay.passing(stretch, at, until)
        if passed > at:
            self._passed(stretch, at, passed)
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

    def _passed(self, stretch: Stretch, at: int, until: int) -> None:
        """Some frames have."""
        playback, course, parts = self._playback, self._playback.course, stretch.parts
        newest = {parts[index].recording: index for index in range(at, until)}
        for index in sorted(newest.values()):
            frame, part = stretch.frames[index].frame, parts[index]
            playback.mark = course.passed(playback.mark, part, frame.seq)
            playback.session = part.session
            self._last[part.recording] = frame
        if playback.clock.speed is None or not playback.clock.running:
            playback.clock.set(max(stretch.times[until - 1], playback.clock.now()))

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
        for index in range(at, last):
            part, seq = stretch.parts[index], stretch.frames[index].frame.seq
            if playback.course.is_behind(end, part, seq):
                return index
        return last

    async def _unpaced(self, stretch: Stretch, at: int, last: int) -> int:
        playback, jumps = self._playback, self._playback.jumps
        await playback.audience.room()
        await self._late(stretch.times[at])
        moved = playback.jumps != jumps or playback.state is not State.PLAYING
        return at if moved else last

    async def _paced(self, stretch: Stretch, at: int, last: int) -> int:
        playback, times = self._playback, stretch.times
        jumps, due, until = playback.jumps, playback.clock.now(), at
        while until < last and times[until] <= due:
            until += 1
        if until == at:
            await playback.rest(min(times[at], self._relay.due))
            await self._late(min(times[at], playback.clock.now()))
            return at
        await self._late(times[at])
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
        await self._late(stretch.times[at])
        if playback.jumps != jumps or not playback.steps:
            return at
        playback.steps -= 1
        return at + 1

    async def _event(self, stretch: Stretch, at: int) -> int:
        """A frame that is more than something to be sent; where it is then."""
        playback, frame, jumps = self._playback, stretch.frames[at].frame, self._playback.jumps
        part = stretch.parts[at]
        if frame.kind is Kind.CLOSE:
            self._closed(frame, playback.course.about(part.recording))
        elif self._lockstep is not None:
            after = playback.course.passed(playback.mark, part, frame.seq)
            await self._in_step(self._lockstep, frame, after)
            if playback.jumps != jumps:
                return at
            self._lockstep.passed(frame)
        self._passed(stretch, at, at + 1)
        self._relay.look(None, frame, part.segment)
        return at + 1

    def _closed(self, frame: Frame, about: About) -> None:
        """The connection of the recorder ended; so do those of all clients, unless it was the
        recorder that was told to stop; of several recorders, of those who heard of its markets."""
        if is_stop(frame.payload):
            return
        try:
            closed = _decode_close(frame.payload)
        except UNREADABLE:
            closed = ConnectionClosed(_NO_CLOSE_FRAME, "")
        if self._lockstep is not None:
            self._lockstep.restart(about)
        audience = self._playback.audience
        self._playback.say("closed", {"code": closed.code, "reason": closed.reason})
        can_be_sent = closed.code not in _NEVER_SENT and 1000 <= closed.code < 5000
        audience.close(closed.code if can_be_sent else None, closed.reason, about)

    async def _in_step(self, lockstep: Lockstep, frame: Frame, after: Mark) -> None:
        """Wait for the clients; tape time stands still meanwhile."""
        playback = self._playback
        waits = lockstep.condition(frame, playback.mark, after)
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
