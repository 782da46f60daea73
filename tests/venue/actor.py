"""Carrying out a script, for all connections or for one."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from tests.venue import script as steps
from tests.venue.link import Link, cue_of
from tests.venue.play import play

if TYPE_CHECKING:
    from tests.venue.server import Venue


class Actor:
    """Runs the steps one after the other; with `only` they touch that connection alone."""

    def __init__(
        self, venue: Venue, script: Sequence[steps.Step], only: Link | None = None
    ) -> None:
        self._venue = venue
        self._script = script
        self._only = only
        self._claimed: set[int] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run all steps; errors of a step end the script and are raised."""
        for step in self._script:
            await self._do(step)

    async def _do(self, step: steps.Step) -> None:
        match step:
            case steps.Send() | steps.Lose():
                await self._send(step)
            case steps.Wait(seconds):
                await asyncio.sleep(seconds)
            case steps.Play():
                await play(self._venue, step)
            case steps.Do(call):
                outcome = call(self._venue)
                if inspect.isawaitable(outcome):
                    await outcome
            case steps.WaitSubscribed() | steps.WaitUnsubscribed() | steps.WaitRequest():
                await self._venue.until(self._condition(step))
            case _:
                await self._touch(step)

    async def _send(self, step: steps.Send | steps.Lose) -> None:
        venue = self._venue
        if isinstance(step, steps.Lose):
            venue.post([cue_of(step.frame)], lost=True)
            return
        if step.force or isinstance(step.frame, bytes):
            if isinstance(step.frame, str):
                venue.post([cue_of(step.frame)], lost=True)
            venue.force(step.frame, self._only)
        else:
            venue.post([cue_of(step.frame)], only=self._only)
        await asyncio.sleep(0)

    def _condition(
        self, step: steps.WaitSubscribed | steps.WaitUnsubscribed | steps.WaitRequest
    ) -> Callable[[], bool]:
        match step:
            case steps.WaitSubscribed(topic, count):
                return lambda: self._subscribers(topic) >= count
            case steps.WaitUnsubscribed(topic):
                return lambda: self._subscribers(topic) == 0
            case steps.WaitRequest(prefix):
                return lambda: self._claim(prefix)

    def _subscribers(self, topic: str | None) -> int:
        links = [link for link in self._links() if link.hears()]
        return sum(bool(link.topics) if topic is None else topic in link.topics for link in links)

    def _claim(self, prefix: str) -> bool:
        """Take the first request with this prefix that no step took before."""
        for index, target in enumerate(self._venue.requests):
            if index not in self._claimed and target.startswith(prefix):
                self._claimed.add(index)
                return True
        return False

    def _links(self) -> list[Link]:
        return [self._only] if self._only else list(self._venue.connections)

    async def _touch(self, step: steps.Step) -> None:
        number = getattr(step, "connection", None)
        for link in self._links():
            if link.open and number in (None, link.number):
                await self._touch_one(step, link)
        self._venue.changed()

    async def _touch_one(self, step: steps.Step, link: Link) -> None:
        match step:
            case steps.Close(code, reason):
                link.open = False
                task = asyncio.create_task(link.connection.close(code, reason))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
                await asyncio.sleep(0)
            case steps.Cut():
                link.cut()
            case steps.Stall(deaf):
                link.stall(deaf)
            case steps.Ping():
                with contextlib.suppress(ConnectionClosed):
                    await link.connection.ping()
