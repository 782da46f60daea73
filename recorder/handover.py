"""The giving side of a hand-over: another process takes over our session (`recorder.take_over`).

In three steps, each a request to the control socket: ``begin``, after which the other process
dials the venue itself; ``give``, which ends our segment and holds what arrives; ``done``, with
which the session is the other's. Until then nothing is given away: without ``done`` we go on.
"""

import asyncio
import os
from typing import Any

from recorder.control_socket import Request
from recorder.handing import (
    BEGUN_S,
    GIVEN_S,
    NUMBERS,
    VERSION,
    Given,
    HandedOver,
    Welcome,
)
from recorder.handover_store import HandoverStore
from recorder.messages import Level, Message
from recorder.recorder import Notice, Recorder
from schemas.digest import MEMORY
from schemas.errors import BackpackError, UsageError
from schemas.requests import SnapshotRequest, TradesRequest
from tape.version import FORMAT


class Handover:
    """Of one recorder. One process at a time may take it."""

    def __init__(self, recorder: Recorder, notice: Notice) -> None:
        self._recorder = recorder
        self._notice = notice
        self._taker: int | None = None  # process
        self._is_given = False
        self._giving = False  # or given: nobody may begin anew until it is done, or given up
        self._timer: asyncio.TimerHandle | None = None

    async def step(self, recorder: Recorder, request: Request) -> Any:
        """Carry out a step; raises UsageError for what cannot be, and BackpackError."""
        del recorder
        step, pid = request.arguments.get("step"), request.arguments.get("pid")
        if not isinstance(pid, int):
            raise UsageError("a hand-over needs the number of the process that takes over (pid)")
        if step == "begin":
            return await self._begin(pid)
        if self._taker != pid:
            raise UsageError("too late: the recorder goes on by itself. Take it over anew")
        if step == "give" and not self._giving:
            return await self._give()
        if step == "done" and self._is_given:
            return self._done(pid)
        raise UsageError(f"no step {str(step)[:64]!r} of a hand-over, or not now")

    async def _begin(self, pid: int) -> Welcome:
        recorder = self._recorder
        self._refuse()
        assert recorder.capture is not None
        assert recorder.program is not None
        self._taker = pid
        self._expect(BEGUN_S)
        if recorder.sealer is not None:
            recorder.sealer.resting = True  # journals from here on are read by the other one
        segment = await recorder.store.roll()
        numbers = recorder.capture.numbers
        newest, numbers.newest = numbers.newest, numbers.newest + NUMBERS
        self._notice(Message(f"process {pid} is about to take over", "handover"))
        return Welcome(
            version=VERSION,
            format=FORMAT,
            memory=MEMORY,
            pid=os.getpid(),
            session=recorder.store.session,
            segment=segment,
            newest=newest,
            texts=recorder.wanted.texts,
            said=recorder.wanted.said,
            paused=recorder.program.paused,
            ws_url=recorder.settings.ws_url,
            rest_url=recorder.settings.rest_url,
        )

    def _refuse(self) -> None:
        """Raises where it cannot be, or not now."""
        recorder = self._recorder
        if not isinstance(recorder.store, HandoverStore):
            raise UsageError("a flight recorder (--ring) keeps all in memory: stop it first")
        if self._giving:
            raise BackpackError(f"process {self._taker} is about to take over already")
        if recorder.store.disk.trouble or recorder.intake.memory.shedding:
            raise BackpackError(
                "the disk is in trouble and frames wait in memory: that comes first, try again"
            )
        if recorder.capture is None or recorder.intake.fault is not None:
            raise BackpackError("the recording is about to begin, or to end: try again")

    async def _give(self) -> Given:
        recorder, capture = self._recorder, self._recorder.capture
        assert isinstance(recorder.store, HandoverStore)
        assert capture is not None
        self._giving = True
        if recorder.sealer is not None:
            await recorder.sealer.rest()
        self._expect(GIVEN_S)
        await recorder.store.part()
        self._is_given = True
        self._expect(GIVEN_S)
        asked = capture.snapshots.asked
        return Given(
            segment=recorder.store.segment,
            seq=recorder.intake.seq,
            keyframes=recorder.intake.carried,
            newest=capture.numbers.newest,
            open=capture.links.open,
            snapshots=[one for one in asked if isinstance(one, SnapshotRequest)],
            trades=[one for one in asked if isinstance(one, TradesRequest)],
            silences=[] if capture.vigil is None else capture.vigil.silences,
        )

    def _done(self, pid: int) -> None:
        """From here on it is the other one's."""
        recorder = self._recorder
        assert isinstance(recorder.store, HandoverStore)
        assert recorder.capture is not None
        self._expect(None)
        self._is_given = False  # to one alone
        recorder.store.left = True
        if recorder.sealer is not None:
            recorder.sealer.leave()
        recorder.let_go()
        recorder.capture.leave(HandedOver(f"handed over to process {pid}"))

    def _expect(self, within: float | None) -> None:
        """The next step, in so many seconds."""
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = None if within is None else loop.call_later(within, self._go_on)

    def _go_on(self) -> None:
        store, sealer = self._recorder.store, self._recorder.sealer
        text = f"process {self._taker} has not taken over in time: going on"
        self._taker, self._is_given, self._giving = None, False, False
        if isinstance(store, HandoverStore):
            store.go_on()
        if sealer is not None:
            sealer.wake()
        self._notice(Message(text, "handover", Level.WARNING))
