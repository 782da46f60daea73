"""A live feed to iterate over, with the loop body of a replay."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from concurrent.futures import wait
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Literal

from market.book import Book
from market.engine import Engine
from market.state import State
from recorder.commands import carrier
from recorder.keys import KeyPair, key_source
from recorder.recorder import Recorder
from recorder.settings import REST_URL, WS_URL, Settings
from recorder.wanted import Wanted
from schemas.errors import BackpackError, TopicError, UsageError
from schemas.frames import Frame, Kind
from schemas.rows import Row
from schemas.topics import Topic

LAG_LIMIT = 200_000  # frames a loop may be behind the venue before it is told


class Live:
    """Rows as they come, recorded on the way if ``data`` names a folder.

    Iterate it with ``for`` or ``async for``, once. A thread of its own stamps and journals the
    frames as they arrive, whatever your loop is doing. A second engine is fed at the pace of your
    loop, so that ``book(symbol)`` is the book at the row you hold, exactly as in `replay.Replay`.
    A loop that falls ``lag_limit`` frames behind gets BackpackError; what is recorded is whole all
    the same. What is subscribed may change on the way, from any thread.

    Topics of an account need ``keys``: a file with ``api_key`` and ``api_secret`` (TOML, mode 600)
    or a `KeyPair`; by default BP_API_KEY and BP_API_SECRET of the environment. Raises ConfigError.
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
        keys: str | Path | KeyPair | None = None,
    ) -> None:
        folder, names = None if data is None else Path(data), tuple(topics)
        try:
            source = key_source(names, keys)
        finally:
            del keys  # a traceback must not show it, if it was a secret instead of a file's name
        self._settings = Settings(names, folder, ws_url, rest_url, duration=duration, keys=source)
        self._engine = Engine()
        self._depth_symbols: frozenset[str] | None = None
        self._frames: deque[Frame] = deque()
        self._arrival = Event()
        self._lag_limit = lag_limit
        self._lagging = self._started = self._ended = False
        self._failure: BaseException | None = None
        self._wanted = Wanted(self._settings.topics)
        self._recorder: Recorder | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = Thread(target=self._record, name="bp-live", daemon=True)
        self._ready = Event()  # there is a recorder, or there will be none

    def subscribe(self, *texts: str) -> list[str]:
        """Record these topics too, names or patterns; those that are new by that, of which rows
        will come. Before the iteration begins nobody can say which they are.

        Raises TopicError for what cannot be, UsageError when the recording has ended.
        """
        return self._change("subscribe", texts)

    def unsubscribe(self, *texts: str) -> list[str]:
        """Record these no more, nor what a pattern matches later; those that are gone by that.
        Raises as `subscribe` does."""
        return self._change("unsubscribe", texts)

    def _change(
        self, what: Literal["subscribe", "unsubscribe"], texts: tuple[str, ...]
    ) -> list[str]:
        if not self._started:
            change = self._wanted.add if what == "subscribe" else self._wanted.drop
            change(texts)
            return []
        self._ready.wait()
        if self._ended or self._loop is None or self._recorder is None:
            raise UsageError(_OVER)
        call = getattr(self._recorder, what)(texts)
        try:
            changing = asyncio.run_coroutine_threadsafe(call, self._loop)
        except RuntimeError:  # its loop is closed
            call.close()
            raise UsageError(_OVER) from None
        while not changing.done():  # the loop may end before it comes to that
            wait([changing], _POLL_S)
            if not changing.done() and not self._thread.is_alive():
                changing.cancel()
        if changing.cancelled():
            raise UsageError(_OVER)
        changed: list[str] = changing.result()
        self._know(self._recorder)
        return changed

    @property
    def state(self) -> State:
        """What else a client would ask for, at the row in hand."""
        return self._engine.state

    def book(self, symbol: str) -> Book | None:
        """The book at the row in hand; None while it is not live. Raises TopicError for
        a market whose depth was not asked for."""
        symbols = self._depth_symbols
        if symbols is not None and symbol not in symbols:
            known = ", ".join(sorted(symbols)) or "none"
            raise TopicError(f"no depth topic of {symbol!r} is subscribed; there are: {known}")
        return self._engine.book(symbol)

    def __iter__(self) -> Iterator[Row]:
        thread = self._start()
        try:
            while not self._is_over():
                yield from self._next_rows()
                if self._is_empty():
                    self._arrival.wait()
        finally:
            self._leave(thread)
        self._raise_failure()

    async def __aiter__(self) -> AsyncGenerator[Row, None]:
        thread = self._start()
        try:
            while not self._is_over():
                for row in self._next_rows():
                    yield row
                if self._is_empty():
                    await asyncio.to_thread(self._arrival.wait)
        finally:  # in a thread: sealing takes its time, and your other tasks go on
            await asyncio.to_thread(self._leave, thread)
        self._raise_failure()

    def _is_over(self) -> bool:
        return self._ended and not self._frames and not self._lagging

    def _is_empty(self) -> bool:
        """Whether there is nothing to do but wait for the next arrival."""
        self._arrival.clear()
        return not self._frames and not self._ended and not self._lagging

    def _next_rows(self) -> list[Row]:
        if self._lagging:
            raise BackpackError(
                f"the loop over Live is more than {self._lag_limit} frames behind the venue: do"
                " less in it, or subscribe to less; a recording of the same topics can be replayed"
            )
        try:
            return self._engine.feed(self._frames.popleft())
        except IndexError:  # nothing there, or cleared this instant since the loop lags
            return []

    def _start(self) -> Thread:
        """The recorder at work in its thread."""
        if self._started:
            raise UsageError("a Live can be iterated once; make another one to go on")
        self._started = True
        self._thread.start()
        return self._thread

    def _leave(self, thread: Thread) -> None:
        """Stop in order, if that has not happened: everything is flushed and sealed."""
        self._ended = True
        thread.join()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _record(self) -> None:
        """What the thread does."""
        try:
            asyncio.run(self._capture())
        except BaseException as error:
            self._failure = error
        finally:
            self._ended = True
            self._ready.set()
            self._arrival.set()

    async def _capture(self) -> None:
        recorder = self._recorder = Recorder(self._settings)
        recorder.wanted = self._wanted
        recorder.carry = carrier(recorder)
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        recorder.intake.listeners.append(partial(self._arrived, recorder))
        async with recorder.capturing() as capture:
            await self._until_ended(capture)
            self._ended = True
            self._arrival.set()

    async def _until_ended(self, capture: asyncio.Task[None]) -> None:
        """Until the duration is over, capturing fails, or the loop was left."""
        loop = asyncio.get_running_loop()
        duration = self._settings.duration
        deadline = None if duration is None else loop.time() + duration
        while not (capture.done() or self._ended):
            left = _POLL_S if deadline is None else min(_POLL_S, deadline - loop.time())
            if left <= 0:
                return
            await asyncio.wait([capture], timeout=left)

    def _arrived(self, recorder: Recorder, frame: Frame, rows: list[Row]) -> None:
        """In the recorder's thread: the rows of its engine, which is ahead, are not ours."""
        del rows
        if self._depth_symbols is None or frame.kind is Kind.SENT:
            self._know(recorder)
        if self._ended or self._lagging:
            return
        if len(self._frames) < self._lag_limit:
            self._frames.append(frame)
        else:  # told at the next row; until then nothing more is kept for the loop
            self._lagging = True
            self._frames.clear()
        self._arrival.set()

    def _know(self, recorder: Recorder) -> None:
        """Which books there may be by now: those that were asked for at some time."""
        topics = map(Topic.parse, recorder.topics)
        found = frozenset(topic.symbol for topic in topics if topic.channel == "depth")
        self._depth_symbols = found | (self._depth_symbols or frozenset())


_OVER = "this Live has ended: make another one to record other topics"
_POLL_S = 0.1  # how soon a loop that was left is noticed
