"""The store of a recorder that can hand its session to another process, or continue another's."""

import asyncio
from collections.abc import Callable

from recorder.disk import Notice
from recorder.intake import Intake
from recorder.sealer import Sealer
from recorder.settings import Settings
from recorder.store import Store
from schemas.errors import BackpackError, TapeError
from tape.layout import SegmentName

HANDOVER = "handover"  # how a segment ends whose next one is another process's


class HandoverStore(Store):
    """`Store`, which can part from its session. Until it has left, it can go on all the same.

    left: another process goes on with the session.
    """

    def __init__(
        self, intake: Intake, sealer: Sealer | None, settings: Settings, notice: Notice
    ) -> None:
        super().__init__(intake, sealer, settings, notice)
        self._parting: asyncio.Future[None] | None = None
        self._parted = False
        self._going_on = self._begun = False
        self.left = False

    async def part(self) -> None:
        """End the segment; what comes from there on is held. All before it is on the disk when this
        returns. If that is given up, `go_on`; raises BackpackError where somebody else did."""
        self._parting = asyncio.get_running_loop().create_future()
        await self._parting

    def go_on(self) -> None:
        """Begin the next segment all the same, with what was held."""
        parting, self._parting = self._parting, None
        if parting is not None and not parting.done():
            parting.set_exception(BackpackError("the disk did not take the last frames in time"))
        self._going_on = self._parted

    async def begin(self, topics: Callable[[], tuple[str, ...]]) -> None:
        """As of any store, but that its `run` may be at work already."""
        await super().begin(topics)
        self._begun = True

    async def follow(self, topics: Callable[[], tuple[str, ...]], last: SegmentName) -> None:
        """Begin with the segment after one of another process; raises TapeError as `begin` does."""
        self._topics = topics
        self._name = last
        try:
            self._begin_segment(await self._open(last.number + 1), last.number + 1)
            self._begun = True
        except OSError as error:
            raise TapeError(f"the recording cannot go on: {error}") from None

    async def finish(self, failure: BaseException | None = None) -> None:
        """As of any store; what is held is taken first, unless another process has it."""
        lost = None
        if self._parted and not self.left:
            try:
                await self._go_on()
            except OSError as error:
                self._pause(error)
                lost = TapeError(f"the recording cannot go on: {error}; what was held is lost")
        await super().finish(failure)
        if lost is not None:
            raise lost

    async def _work(self) -> None:
        if self._parting is not None:
            await self._part(self._parting)
        elif self._going_on:
            await self._go_on()
        elif self._parted or not self._begun:
            await self._flush()
        else:
            await super()._work()

    async def _part(self, parting: asyncio.Future[None]) -> None:
        """No await between the end of the segment and the beginning of the hold."""
        await self._flush()
        if not self._parted:
            self._end(HANDOVER)
            self._intake.hold()
            self._journal, self._parted = None, True
        await self._flush()
        if self._next is not None:
            await self._worker.do(self._next.drop)
        if parting is self._parting:
            self._parting = None
            if not parting.done():
                parting.set_result(None)

    async def _go_on(self) -> None:
        number = self._name.number + 1
        self._begin_segment(await self._open(number), number)
        self._going_on = self._parted = False

    def _end_last(self, failure: BaseException | None) -> None:
        if not self._parted:
            super()._end_last(failure)
