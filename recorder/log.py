"""Lines on stderr, so that stdout holds nothing but the summary."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from select import POLLOUT, poll

import msgspec

from recorder.messages import Message
from recorder.stamp import now

Say = Callable[[str], None]


def say_text(text: str) -> None:
    """A line. When nobody reads it any more, recording goes on; a pipe that is full since who reads
    it has stopped, or a terminal that is held, costs lines, as it would hold up the recording."""
    if not _takes_a_line():
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # nor may what is left in its buffer spoil the exit code
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _takes_a_line() -> bool:
    """Whether one can be written without waiting. Of a pipe the kernel promises room for 4 kB."""
    try:
        watched = poll()
        watched.register(sys.stderr.fileno(), POLLOUT)
        return bool(watched.poll(0))  # an error too: who writes will see it
    except (OSError, ValueError):  # it is no file
        return True


def say_json(text: str) -> None:
    """The same as a JSON object: ``ts`` (ISO 8601, UTC, to the ms), ``level``, ``event``,
    ``message``, and then the figures of the message, if it has any."""
    message = Message.of(text)
    moment = datetime.fromtimestamp(now().ts_recv // 1_000_000 / 1_000, UTC)
    head = {
        "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": message.level.value,
        "event": message.event,
        "message": str(message),
    }
    say_text(msgspec.json.encode(head | message.facts).decode())


SAY: dict[str, Say] = {"text": say_text, "json": say_json}
