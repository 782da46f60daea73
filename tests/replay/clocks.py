"""A clock that tests own: it moves when somebody sleeps, or when told to."""

import asyncio


class FakeClock:
    """Starts anywhere; ``slept`` are the waits in ns; ``oversleep`` ns are added to each."""

    def __init__(self, oversleep: int = 0) -> None:
        self.time = 7_000_000_000
        self.slept: list[int] = []
        self.turns = 0
        self._oversleep = oversleep

    def now(self) -> int:
        return self.time

    def sleep(self, seconds: float) -> None:
        ns = round(seconds * 1e9)
        self.slept.append(ns)
        self.time += ns + self._oversleep

    async def pause(self, seconds: float) -> None:
        if seconds:
            self.sleep(seconds)
        self.turns += 1
        await asyncio.sleep(0)
