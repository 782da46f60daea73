"""Finds why a cancelled task had failed."""

import asyncio


async def failure_of(capture: asyncio.Task[None]) -> BaseException | None:
    """What a cancelled task had failed with before; of several failures the first."""
    try:
        await capture
    except asyncio.CancelledError:
        return None
    except BaseExceptionGroup as group:
        failure: BaseException = group
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        return failure
    return None
