"""An interval between repeated tasks, which a reload of the options may change during a wait."""

import asyncio
from contextlib import suppress


class Interval:
    """every: seconds; None: never, until that changes."""

    def __init__(self, every: float | None) -> None:
        self.every = every
        self._changed = asyncio.Event()

    def change(self, every: float | None) -> None:
        """From now on this often."""
        self.every = every
        self._changed.set()

    async def wait(self, parts: int = 1, least: float = 0.0) -> None:
        """Until it is due, counted from now or from the last change. parts: of one round; least:
        seconds that a round takes in any case."""
        while True:
            self._changed.clear()
            every = None if self.every is None else max(self.every, least) / parts
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._changed.wait()
                continue
            return
