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
            try:
                async with asyncio.timeout_at(due + patience):
                    await self._compare(rest)
            except TimeoutError:
                self._take(self._clock(), None, None)
            due = max(due + every, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _compare(self, rest: Rest) -> None:
        await rest.turn()
        asked = self._clock()
        reply = await rest.get(TIME_PATH)
        got = self._clock()
        venue_ms = None if reply.failure else _milliseconds(reply.body)
        round_trip_ns = None if venue_ms is None else got.ts_mono - asked.ts_mono
        self._take(got, venue_ms, round_trip_ns)

    def _look(self) -> None:
        """A slow drift is followed without a word; what was set is taped and told at once."""
        stamps = [self._clock() for _ in range(_LOOKS)]
        stamp = min(stamps, key=lambda stamp: abs(_ahead(stamp) - self._seen))
        step = _ahead(stamp) - self._seen
        self._seen = _ahead(stamp)
        if abs(step) > STEP_NS:
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
