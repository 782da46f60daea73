"""Runs the sealer in the background for as long as a recording lasts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from recorder.messages import Message
from recorder.sealer import Sealer
from tape.layout import Tape

Notice = Callable[[str], None]


@asynccontextmanager
async def sealing(tape: Tape | None, sealer: Sealer | None, notice: Notice) -> AsyncIterator[None]:
    """First what an earlier run left; at the end the last is waited for."""
    if sealer is None or tape is None:
        yield
        return
    for journal in tape.journals():
        notice(Message(f"sealing {journal.name}, left by an earlier run", "sealing"))
        sealer.add(journal)
    worker = asyncio.create_task(sealer.run())
    try:
        yield
    finally:
        if sealer.waiting:
            notice(Message(f"sealing: {sealer.waiting} to go", "sealing"))
        await sealer.finish(worker)
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
