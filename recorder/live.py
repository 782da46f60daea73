"""A live feed to iterate over, with the loop body of a replay."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from pathlib import Path

from market.book import Book
from market.engine import Engine
from recorder.recorder import Recorder
from recorder.settings import REST_URL, WS_URL, Settings
from schemas.errors import BackpackError, TopicError, UsageError
from schemas.frames import Frame
from schemas.rows import Row
from schemas.topics import Topic

LAG_LIMIT = 200_000  # frames a loop may be behind the venue before it is told


class Live:
    """Rows as they come, recorded on the way if ``data`` names a folder.

    Iterate it with ``for`` or ``async for``, once. Frames are stamped and journaled as they arrive;
    a second engine is fed at the pace of your loop, so that ``book(symbol)`` is the book at the row
    you hold, exactly as in `replay.Replay`. A loop that falls ``lag_limit`` frames behind gets
    BackpackError; what is recorded is whole all the same.

    With a plain ``for`` the socket is read while the loop asks for its next row, so what the body
    takes long for is stamped late; with ``async for`` whenever the body awaits.
    """

    def __init__(
        self,
        topics: Iterable[str],
        *,
        data: str | Path | None = None,
        ws_url: str = WS_URL,
        rest_url: str = REST_URL,
        duration: float | None = None,
        lag_limit: int = LAG_LIMIT,
    ) -> None:
        folder = None if data is None else Path(data)
        self._recorder = Recorder(
            Settings(tuple(topics), folder, ws_url, rest_url, duration=duration)
        )
        self._recorder.intake.listeners.append(self._arrived)
        self._engine = Engine()
        self._frames: deque[Frame] = deque()
        self._wake = asyncio.Event()
        self._lag_limit = lag_limit
        self._lagging = False
        self._started = False
        self._ended = False

    def book(self, symbol: str) -> Book | None:
        """The book at the row in hand; None while it is not live. Raises TopicError for
        a market whose depth was not asked for."""
        subscribed = {Topic.parse(name) for name in self._recorder.topics}
        symbols = {topic.symbol for topic in subscribed if topic.channel == "depth"}
        if symbol not in symbols:
            known = ", ".join(sorted(symbols)) or "none"
            raise TopicError(f"no depth topic of {symbol!r} is subscribed; there are: {known}")
        return self._engine.book(symbol)

    async def __aiter__(self) -> AsyncGenerator[Row, None]:
        if self._started:
            raise UsageError("a Live can be iterated once; make another one to go on")
        self._started = True
        async with self._recorder.capturing() as capture:
            ending = asyncio.create_task(self._end(capture))
            try:
                while self._frames or self._lagging or not self._ended:
                    for row in await self._next_rows():
                        yield row
            finally:
                ending.cancel()

    def __iter__(self) -> Iterator[Row]:
        rows = aiter(self)
        with asyncio.Runner() as runner:
            try:
                while True:
                    yield runner.run(anext(rows))
            except StopAsyncIteration:
                return
            finally:
                runner.run(rows.aclose())

    def _arrived(self, frame: Frame, rows: list[Row]) -> None:
        del rows  # of the recorder's engine, which is ahead of the loop's
        if self._ended or self._lagging:
            return
        if len(self._frames) < self._lag_limit:
            self._frames.append(frame)
        else:  # told at the next row; until then nothing more is kept for the loop
            self._lagging = True
            self._frames.clear()
        self._wake.set()

    async def _next_rows(self) -> list[Row]:
        if self._lagging:
            raise BackpackError(
                f"the loop over Live is more than {self._lag_limit} frames behind the venue: do"
                " less in it, or subscribe to less; a recording of the same topics can be replayed"
            )
        if not self._frames:
            self._wake.clear()
            await self._wake.wait()
        return self._engine.feed(self._frames.popleft()) if self._frames else []

    async def _end(self, capture: asyncio.Task[None]) -> None:
        """Ends the iteration: after the duration, or when capturing fails."""
        await asyncio.wait([capture], timeout=self._recorder.settings.duration)
        self._ended = True
        self._wake.set()
