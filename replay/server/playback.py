"""Where a replay is and what it does, and what may be asked of it."""

import asyncio
from collections.abc import Callable
from enum import StrEnum

from replay.server.audience import Audience
from replay.server.breakpoints import Hit
from replay.server.clock import TapeClock
from replay.server.course import Course
from replay.server.courses import Courses
from replay.server.log import Say, unsaid
from replay.speeds import FASTEST, SLOWEST
from schemas.errors import UsageError
from tape.history import Mark
from tape.moment import stamp

_SERVICE_RESTART = 1012  # what a client is told that has to begin anew


class State(StrEnum):
    """What it does."""

    WAITING = "waiting"  # for the first subscription
    PLAYING = "playing"
    PAUSED = "paused"
    ENDED = "ended"


class Playback:
    """The state of a replay. What changes it is called in the event loop and takes effect at once;
    `replay.server.player.Player` plays accordingly.

    mark: after the frame passed last. session: the one it is in.
    hit: the breakpoint that stopped it last, until it goes on.
    loop: played over and over, if not None.
    steps: frames that may still pass while it is paused.
    jumps: how often it was moved.
    began, moved: called when time begins to run, the first time; and when it is elsewhere.
    on_subscribe: whether it waits for a subscription at its beginning, and wherever it is moved.
    """

    def __init__(
        self,
        course: Course | Courses,
        audience: Audience,
        clock: TapeClock,
        *,
        on_subscribe: bool = False,
        say: Say = unsaid,
    ) -> None:
        self.course = course
        self.clock = clock
        self.audience = audience
        self.mark: Mark = course.start
        self.session = course.session(course.start)
        self.state = State.WAITING if on_subscribe else State.PLAYING
        self.hit: Hit | None = None
        self.loop: tuple[Mark, Mark] | None = None
        self.steps = 0
        self.jumps = 0
        self.on_subscribe = on_subscribe
        self.say = say
        self.began: Callable[[], None] = lambda: None
        self.moved: Callable[[], None] = lambda: None
        self._has_begun = False
        self._alarm: asyncio.Future[None] | None = None
        self._watchers: list[asyncio.Future[None]] = []
        audience.changed = self.poke

    def pause(self) -> None:
        """Stop after the frame passed last."""
        if self.state in (State.PLAYING, State.WAITING) or self.steps:
            self.steps = 0
            self.become(State.PAUSED)

    def resume(self) -> None:
        """Go on, also where it waits for a subscription."""
        if self.state in (State.PAUSED, State.WAITING):
            self.hit = None
            self.become(State.PLAYING)

    def step(self, frames: int = 1) -> None:
        """Pass some frames, at once, and stop."""
        if self.state is not State.ENDED:
            self.hit = None
            self.become(State.PAUSED)
            self.steps += frames
            self.poke()

    def pace(self, speed: float | None) -> None:
        """Another speed; None: as fast as can be."""
        self.clock.pace(None if speed is None else min(max(speed, SLOWEST), FASTEST))
        self.poke()

    def seek(self, mark: Mark) -> None:
        """Go on behind another position. All connections are closed, as nothing that a client
        has kept of before would be true. Raises UsageError outside of what is served, TapeError for
        what cannot be read; nothing has changed then."""
        if not self.course.spans(mark):
            raise UsageError("that lies outside of what is served: see --from and --until")
        time = self.course.time(mark)  # first, as it may be that this cannot be read
        self.mark = mark
        self.session = self.course.session(mark)
        self.jumps += 1
        self.steps = 0
        self.hit = None
        self.clock.set(time)
        self.audience.close(_SERVICE_RESTART, "the replay was moved")
        self.moved()
        if self.state is State.PAUSED:
            self._tell()
        else:
            self.become(State.WAITING if self.on_subscribe else State.PLAYING)

    def repeat(self, loop: tuple[Mark, Mark] | None) -> None:
        """Play between two positions over and over; None: no more. Raises UsageError."""
        if loop is not None and (loop[0] == loop[1] or not self.course.spans(*loop)):
            raise UsageError("a loop ends after it begins, within what is served")
        self.loop = loop
        if loop is not None:
            self.seek(loop[0])

    def become(self, state: State) -> None:
        """Do something else."""
        if state is State.PLAYING and not self._has_begun:
            self._has_begun = True
            self.began()
        self.state = state
        if state is not State.PAUSED:
            self.steps = 0
        self.clock.run(state is State.PLAYING)
        facts: dict[str, object] = {"time": stamp(self.clock.now()), "seq": self.mark.seq}
        if self.hit is not None:
            facts |= self.hit._asdict()
        self.say(state.value, facts)
        self._tell()

    def _tell(self) -> None:
        """All who wait for something look again."""
        self.poke()
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)

    async def until(self, *states: State) -> None:
        """Wait until it is in one of some states, with no steps left."""
        while self.state not in states or self.steps:
            watcher = asyncio.get_running_loop().create_future()
            self._watchers.append(watcher)
            try:
                await watcher
            finally:
                if watcher in self._watchers:
                    self._watchers.remove(watcher)

    async def rest(self, until: int | None = None) -> None:
        """Wait until something changes, no longer than until a tape time."""
        loop = asyncio.get_running_loop()
        self._alarm = alarm = loop.create_future()
        if until is None:
            await alarm
            return
        handle = loop.call_later(self.clock.seconds_until(until), self.poke)
        try:
            await alarm
        finally:
            handle.cancel()

    def poke(self) -> None:
        """Something changed that is waited for."""
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)
