"""``COMMANDS``: what a recorder can be told while it records. One line each; `recorder.cli_ctl` has
the words for people."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from recorder.control_socket import ANSWER_S, Carry, Request
from recorder.recorder import Recorder
from recorder.status import status
from schemas.errors import BackpackError, UsageError

_ASKED = "bp-record ctl dump"  # why

Command = Callable[[Recorder, Request], Awaitable[Any]]


async def _subscribe(recorder: Recorder, request: Request) -> list[str]:
    return await recorder.subscribe(request.topics)


async def _unsubscribe(recorder: Recorder, request: Request) -> list[str]:
    return await recorder.unsubscribe(request.topics)


async def _status(recorder: Recorder, request: Request) -> Any:
    del request
    return await status(recorder)


async def _roll(recorder: Recorder, request: Request) -> str:
    """Name of the segment that has begun."""
    del request
    number = await recorder.store.roll()
    return f"{recorder.store.session}.{number:05d}"


async def _dump(recorder: Recorder, request: Request) -> str:
    """What was written. Where that takes longer than anybody waits, what will be."""
    del request
    after = recorder.settings.ring_after
    if recorder.ring is not None and after > ANSWER_S / 2:
        recorder.ring.pull(_ASKED)
        return f"a dump is due in {after:g} s"
    return str(await recorder.dump(_ASKED))


async def _pause(recorder: Recorder, request: Request) -> None:
    del request
    await recorder.pause()


async def _resume(recorder: Recorder, request: Request) -> None:
    del request
    await recorder.resume()


async def _reload(recorder: Recorder, request: Request) -> str:
    """What came of it."""
    del request
    if recorder.reload is None:
        raise UsageError("there is no file to read again: it was started without --config")
    return await recorder.reload()


COMMANDS: dict[str, Command] = {
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "status": _status,
    "roll": _roll,
    "dump": _dump,
    "pause": _pause,
    "resume": _resume,
    "reload": _reload,
}


def carrier(recorder: Recorder, more: Mapping[str, Command] = MappingProxyType({})) -> Carry:
    """Carries out requests to a recorder; raises UsageError for a command that there is not. more:
    commands that people have no words for."""
    return partial(_carry, recorder, {**COMMANDS, **more})


async def _carry(recorder: Recorder, commands: Mapping[str, Command], request: Request) -> Any:
    command = commands.get(request.command)
    if command is None:
        known = ", ".join(COMMANDS)
        raise UsageError(f"no command {request.command[:64]!r}: there are {known}")
    if recorder.program is None:
        raise BackpackError("the recording has not begun yet: try again")
    return await command(recorder, request)
