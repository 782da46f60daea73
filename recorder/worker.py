"""A thread for calls that may block, such as those to a disk."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, NamedTuple, TypeVar

Result = TypeVar("Result")


class _Job(NamedTuple):
    """A call, and who waits for its outcome on which loop."""

    call: Callable[[], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Worker:
    """Does one call after another. What was given to it is done, even if nobody waits any more.

    A daemon: a call that never returns cannot keep the process from ending, as the threads of an
    executor would.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._began: float | None = None
        self._given = 0
        self._done = 0

    async def do(self, call: Callable[[], Result]) -> Result:
        """Its result; raises what it raises."""
        result: Result = await self.give(call)
        return result

    def give(self, call: Callable[[], Any]) -> asyncio.Future[Any]:
        """The same for those who need not wait."""
        loop = asyncio.get_running_loop()
        job = _Job(call, loop.create_future(), loop)
        self._given += 1
        self._jobs.put(job)
        if self._thread is None:
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        return job.future

    @property
    def busy_s(self) -> float:
        """For how long it has been at the call in hand; 0 if there is none."""
        began = self._began
        return 0.0 if began is None else monotonic() - began

    @property
    def waiting(self) -> int:
        """Calls that were given to it and have not returned."""
        return self._given - self._done

    def close(self) -> None:
        """Let the thread end after what it was given."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._began = monotonic()
            result, error = _outcome(job.call)
            self._began = None
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                job.loop.call_soon_threadsafe(_settle, job.future, result, error)
            self._done += 1


def _outcome(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return call(), None
    except BaseException as error:
        return None, error


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled meanwhile
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
