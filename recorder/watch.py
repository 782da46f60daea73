"""Samples a running recording for the metrics: what no counter shows, such as event-loop lag."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import lru_cache

from market.sync_states import State
from recorder.histogram import Histogram
from recorder.recorder import Recorder
from schemas.topics import Topic

PULSE_S = 0.1
LOOK_EVERY_S = 1.0
ASK_EVERY_S = 5.0  # how much is free
OLD_NS = 30_000_000_000  # a disk that has not said for so long how much is free hangs

_MS = 1_000_000
_DEPTH = frozenset(("depth",))
PULSE_NS = tuple(ms * _MS for ms in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000))


class Watch:
    """Reads a recorder's counters and takes part in nothing, so that whoever asks disturbs nobody.

    began: monotonic clock at the start, ns. pulse: how late the event loop woke us.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.began = self.mono
        self.pulse = Histogram(PULSE_NS)
        self._topics: tuple[str, ...] = ()
        self._changed = self.began  # what is recorded
        self._without: dict[str, int] = {}  # topics whose books are not live, from when on
        self._free: tuple[int, int] | None = None  # bytes, and when that was

    @property
    def mono(self) -> int:
        """The recorder's monotonic clock, ns."""
        return self.recorder.intake.clock().ts_mono

    @property
    def paused(self) -> bool:
        """Whether nothing is recorded since somebody wants it so."""
        return self.recorder.program is not None and self.recorder.program.paused

    @property
    def silent_ns(self) -> int:
        """For how long there was no message, as long as the same topics are recorded."""
        self._note_topics()
        heard = self.recorder.tally.traffic.heard
        return self.mono - max(self._changed, self.began if heard is None else heard)

    @property
    def free(self) -> int | None:
        """Bytes that may be written; None where the disk does not say."""
        if self._free is None or self.mono - self._free[1] > OLD_NS:
            return None
        return self._free[0]

    def topics(self, channels: frozenset[str]) -> tuple[str, ...]:
        """Those of these channels that are recorded."""
        return _of_channels(self._note_topics(), channels)

    def books(self) -> dict[str, State]:
        """Depth topics that are recorded, and where their books stand."""
        engine = self.recorder.intake.engine
        return {name: engine.book_state(name) for name in self.topics(_DEPTH)}

    def without_books(self) -> dict[str, int]:
        """For how many ns the books of depth topics have not been live, as far as anybody looked;
        0 for those that are."""
        before, now, states = self._without, self.mono, self.books()
        missing = (name for name, state in states.items() if state is not State.LIVE)
        self._without = {name: before.get(name, now) for name in missing}
        return {name: now - self._without.get(name, now) for name in states}

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look in the background."""
        tasks = [asyncio.create_task(task) for task in (self._beat(), self._look(), self._ask())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _note_topics(self) -> tuple[str, ...]:
        """What is recorded; a change is noted as soon as somebody looks, every second at least."""
        if (topics := self.recorder.topics) != self._topics:
            self._topics, self._changed = topics, self.mono
        return topics

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + PULSE_S
            await asyncio.sleep(PULSE_S)
            self.pulse.see(int((loop.time() - due) * 1e9))

    async def _look(self) -> None:
        while True:
            self.without_books()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _ask(self) -> None:
        """A disk that hangs holds up nobody but us."""
        while (space := self.recorder.space) is not None:
            with suppress(OSError):
                self._free = await space.free(), self.mono
            await asyncio.sleep(ASK_EVERY_S)


@lru_cache(maxsize=8)
def _of_channels(topics: tuple[str, ...], channels: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in topics if Topic.parse(name).channel in channels)
