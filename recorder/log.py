"""Lines on stderr, so that stdout holds nothing but the summary."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from recorder.messages import Message
from recorder.stamp import now

Say = Callable[[str], None]


def say_text(text: str) -> None:
    """A line. When nobody reads it any more, recording goes on."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # nor may what is left in its buffer spoil the exit code
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


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
