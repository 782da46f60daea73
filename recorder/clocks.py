"""Our clocks watched: against the venue's every minute, and against each other all the time."""

import asyncio
from collections.abc import Callable

from recorder.intake import Intake
from recorder.messages import Level, Message
from recorder.rest import Rest
from recorder.stamp import Stamp
from schemas.frames import ClockNoted, Kind, to_json

TIME_PATH = "/api/v1/time"
STEP_NS = 20_000_000  # a wall clock that runs this far from the monotonic one was set
LOOK_EVERY_S = 0.05
FRESH_S = 10.0  # a comparison this old is as good as a new one

_LOOKS = 3  # a reading of two clocks may be interrupted in between: three of them are not
_LARGEST_MS = (2**63 - 1) // 1_000_000  # what fits a column of ns
_DIGITS = 16

Notice = Callable[[str], None]


class Clocks:
    """Takes CLOCK frames."""

    def __init__(self, intake: Intake, notice: Notice) -> None:
        self._intake = intake
        self._clock = intake.clock
        self._notice = notice
        self._noted = self._seen = _ahead(self._clock())
        self._turn = asyncio.Lock()
        self._compared: float | None = None  # when, on the loop; None: not since a step
        self._behind_ns = 0

    async def watch(self) -> None:
        """Look for steps until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._look()

    async def compare(self, rest: Rest, every: float, patience: float) -> None:
        """Ask the venue for its time, now and every so many seconds, until cancelled. Where it says
        nothing in time, or we are to leave it alone for a while, the frame goes without."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            async with self._turn:
                await self._compare_until(loop.time() + patience, rest)
            due = max(due + every, loop.time())
            await asyncio.sleep(due - loop.time())

    async def behind(self, rest: Rest, patience: float) -> float | None:
        """By how many seconds our wall clock is behind the venue's, as of now or a moment ago;
        negative where it is ahead, None where the venue does not say."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            if self._compared is None or loop.time() - self._compared > FRESH_S:
                self._compared = None
                await self._compare_until(loop.time() + patience, rest)
            return None if self._compared is None else self._behind_ns / 1e9

    async def _compare_until(self, deadline: float, rest: Rest) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._compare(rest)
        except TimeoutError:
            self._take(self._clock(), None, None)

    async def _compare(self, rest: Rest) -> None:
        await rest.turn()
        asked = self._clock()
        reply = await rest.get(TIME_PATH)
        got = self._clock()
        venue_ms = None if reply.failure else _milliseconds(reply.body)
        if venue_ms is None:
            self._take(got, None, None)
            return
        round_trip_ns = got.ts_mono - asked.ts_mono
        self._compared = asyncio.get_running_loop().time()
        self._behind_ns = venue_ms * 1_000_000 - (got.ts_recv - round_trip_ns // 2)
        self._take(got, venue_ms, round_trip_ns)

    def _look(self) -> None:
        """A slow drift is followed without a word; what was set is taped and told at once."""
        stamps = [self._clock() for _ in range(_LOOKS)]
        stamp = min(stamps, key=lambda stamp: abs(_ahead(stamp) - self._seen))
        step = _ahead(stamp) - self._seen
        self._seen = _ahead(stamp)
        if abs(step) > STEP_NS:
            self._compared = None
            self._take(stamp, None, None)
            way = "forward" if step > 0 else "back"
            text = f"the wall clock was set {way} by {abs(step) / 1e9:.3f} s"
            self._notice(Message(text, "clock_set", Level.WARNING, step_ns=step))

    def _take(self, stamp: Stamp, venue_ms: int | None, round_trip_ns: int | None) -> None:
        ahead = _ahead(stamp)
        noted = ClockNoted(ahead - self._noted, venue_ms, round_trip_ns)
        self._noted = ahead
        self._intake.take(Kind.CLOCK, to_json(noted), stamp=stamp)


def _ahead(stamp: Stamp) -> int:
    """How far the wall clock is from the monotonic one, which begins anywhere."""
    return stamp.ts_recv - stamp.ts_mono


def _milliseconds(body: bytes) -> int | None:
    """What the venue says of its time; None where that is no time."""
    text = body.strip()
    if not text.isdigit() or len(text) > _DIGITS or int(text) > _LARGEST_MS:
        return None
    return int(text)
