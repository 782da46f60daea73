"""What is subscribed where connections stall, by what is on the tape."""

from __future__ import annotations

import asyncio
from typing import Any

from market.sync_states import State
from recorder.intake import Intake
from recorder.subscribed import Subscribed
from schemas.frames import ConnectionClosed, ConnectionOpened, Kind, SegmentHead, to_json
from tests.market.stamps import depth_path
from tests.recorder.market import SNAPSHOT, SOL, TRADES, bid

HEAD = SegmentHead("20261122T063000Z-0000", 1, 4, "0", (), "ws://venue", "http://venue")


class _Connection:
    """One that takes what is sent while its gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, message: bytes, text: bool) -> None:
        await self.gate.wait()


class _NoAccounts:
    """Nothing of an account is wanted."""

    def join(self) -> _NoAccounts:
        return self

    def want(self, names: Any) -> None:
        assert not list(names)

    def begin(self, connection: object, conn: int) -> None:
        """Not asked for anything."""

    end = close = lambda self: None


def test_what_one_connection_never_left_is_left_by_the_next() -> None:
    """Else what another still brings of it would be a book that nobody keeps."""

    async def scene() -> Intake:
        intake = Intake(lambda request: None)
        intake.begin(HEAD, None)
        subscribed = Subscribed([SOL], intake, _NoAccounts())  # type: ignore[arg-type]
        connections = {conn: _Connection() for conn in (1, 2, 3)}
        links = {1: subscribed.join(), 2: (stalled := subscribed.join()), 3: stalled}

        async def begin(conn: int) -> None:
            intake.take(Kind.OPEN, to_json(ConnectionOpened("ws://venue")), conn=conn)
            await links[conn].begin(connections[conn], conn)  # type: ignore[arg-type]

        await begin(1)
        await begin(2)
        connections[2].gate.clear()
        adding = asyncio.create_task(subscribed.add([TRADES]))
        await asyncio.sleep(0)
        removing = asyncio.create_task(subscribed.remove([SOL]))
        for _ in range(5):
            await asyncio.sleep(0)
        stalled.end()
        intake.take(Kind.CLOSE, to_json(ConnectionClosed(1006, "")), conn=2)
        connections[2].gate.set()
        await asyncio.gather(adding, removing)
        await begin(3)
        return intake

    intake = asyncio.run(scene())
    intake.take(Kind.DATA, bid(11).encode(), conn=1)  # it was on its way
    intake.take(Kind.REQUEST, b"", topic=depth_path("SOL_USDC"))
    intake.take(Kind.REPLY, SNAPSHOT.encode(), topic=depth_path("SOL_USDC"))
    assert intake.engine.book_state(SOL) is State.EMPTY
    assert intake.engine.late == {SOL: 1}
