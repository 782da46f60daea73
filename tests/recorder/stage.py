"""A venue and a recorder that wait for each other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from recorder.stamp import Clock, now
from schemas.frames import Kind
from tests.recorder.market import SOL
from tests.recorder.runs import Run, running, truth
from tests.venue import Do, Venue


class Stage:
    """A run of the recorder that steps of the venue's script can wait for."""

    def __init__(self) -> None:
        self.run: Run | None = None

    def hears(self, text: str) -> Do:
        """Wait until people were told this."""

        async def wait(_: Venue) -> None:
            while self.run is None or not self.run.said(text):
                await asyncio.sleep(0.005)

        return Do(wait)

    def flushed(self) -> Do:
        """Wait until all that was taken is on disk."""

        async def wait(_: Venue) -> None:
            while self.run is None or self.run.recorder.intake.memory.held:
                await asyncio.sleep(0.005)

        return Do(wait)

    def hears_all(self, count: int) -> Do:
        """Wait until so many messages were taken."""

        async def wait(_: Venue) -> None:
            while self.run is None or len(self.run.payloads) < count:
                await asyncio.sleep(0.005)

        return Do(wait)

    def closes(self) -> Do:
        """Wait until it knows that a connection is over."""

        async def wait(_: Venue) -> None:
            while self.run is None or not self.run.kinds(Kind.CLOSE):
                await asyncio.sleep(0.005)

        return Do(wait)

    def begins(self, number: int) -> Do:
        """Wait until so many segments have begun."""

        async def wait(_: Venue) -> None:
            while self.run is None or len(self.run.kinds(Kind.SEGMENT)) < number:
                await asyncio.sleep(0.005)

        return Do(wait)

    async def play(
        self, far_end: Venue, data: Path, last: int, clock: Clock = now, **settings: Any
    ) -> Run:
        """Record until the script is over and the book is the venue's own, at this id."""
        async with far_end, running(far_end, data, SOL, clock=clock, **settings) as run:
            self.run = run
            await run.until(lambda: run.is_live(SOL) and run.last_id("SOL_USDC") == last)
            await far_end.finished()
            assert run.sides("SOL_USDC") == truth(far_end.truth.book("SOL_USDC"))
        return run


def sent(far_end: Venue) -> list[bytes]:
    """All that went onto the websocket, in order."""
    return [one.frame.encode() for one in far_end.sent if isinstance(one.frame, str)]
