"""``bp-replay --serve``: what is seen of it on a terminal and in a pipe."""

import asyncio
import errno
import gc
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from replay.server.chaos import Chaos
from replay.server.client import QUEUE_BYTES
from replay.server.control import Control
from replay.server.keyboard import HELP, Keyboard, keys
from replay.server.lines import Lines
from replay.server.log import Facts
from replay.server.server import LOOPBACK, Server, Serving
from schemas.errors import UsageError
from tape import console
from tape.moment import stamp

_REFRESH_S = 0.5
_SWITCH_S = 0.0005  # a frame that is due waits no longer for the thread that reads for REST
_MIB = 1 << 20
_PORTS = 65_536
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def address(text: str) -> tuple[str, int]:
    """``127.0.0.1:9000``, ``:9000``, ``9000`` or ``[::1]:9000``; raises UsageError.

    Loopback unless a host is named.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else _PORTS
    if number >= _PORTS or not _is_host(host):
        shown = repr(text[:60])
        raise UsageError(f"--serve {shown}: give an address such as 127.0.0.1:9000, or just 9000")
    return (host if colon and host else LOOPBACK), number


def _is_host(name: str) -> bool:
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of serving, for the command line of bp-replay."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--serve",
        metavar="[HOST:]PORT",
        help="Serve the recording as a local exchange: websocket and REST on one port.",
    ),
    click.option(
        "--start",
        "begin",
        type=click.Choice(["now", "on-subscribe"]),
        help="With --serve: when replay time starts.  [default: now]",
    ),
    click.option(
        "--lockstep",
        is_flag=True,
        help="With --serve: wait for the client to subscribe or ask where the recorder did.",
    ),
    click.option(
        "--session-time",
        type=click.Choice(["recorded", "now"]),
        help="With --serve: 'now' shifts all timestamps to today.  [default: recorded]",
    ),
    click.option(
        "--chaos",
        metavar="seed=7,drop=0.001,..",
        help="With --serve: inject faults, the same ones each time; see docs/serving.md.",
    ),
    click.option(
        "--at-end",
        type=click.Choice(["stay", "exit"]),
        help="With --serve: what to do at the end of the recording.  [default: stay]",
    ),
    click.option(
        "--queue",
        type=click.IntRange(min=1),
        metavar="MIB",
        help="With --serve: what may queue up for a client before it is cut off.  [default: 16]",
    ),
)


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What was said of serving on the command line; None: nothing."""

    serve: str | None
    begin: str | None
    lockstep: bool
    session_time: str | None
    chaos: str | None
    at_end: str | None
    queue: int | None

    def check_unused(self) -> None:
        """Raises UsageError where one of them is given without --serve."""
        given = {
            "--start": self.begin,
            "--lockstep": self.lockstep,
            "--session-time": self.session_time,
            "--chaos": self.chaos,
            "--at-end": self.at_end,
            "--queue": self.queue,
        }
        for name, value in given.items():
            if value:
                raise UsageError(f"{name} is about serving: add --serve 9000")


def serve(data: Any, chosen: ServeOptions, common: dict[str, Any]) -> int:
    """Serve until the end, Ctrl-C or SIGTERM; the exit code. common: other members of Serving."""
    assert chosen.serve is not None
    host, port = address(chosen.serve)
    log = Log()
    serving = Serving(
        host=host,
        port=port,
        on_subscribe=chosen.begin == "on-subscribe",
        lockstep=chosen.lockstep,
        session_now=chosen.session_time == "now",
        chaos=None if chosen.chaos is None else Chaos.parse(chosen.chaos),
        queue=QUEUE_BYTES if chosen.queue is None else chosen.queue * _MIB,
        say=log.say,
        **common,
    )
    server = Server(data, serving)
    gc.collect()
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # what is there now stays: looking through it again costs up to 50 ms each time
    with log:
        return asyncio.run(_serve(server, log, leave=chosen.at_end == "exit"))


async def _serve(server: Server, log: "Log", leave: bool) -> int:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    _allow_many()
    loop.set_exception_handler(log.trouble)
    async with server:
        log.ready(server)
        for note in server.notes:
            log.say("note", {"what": note})
        keyboard = Keyboard(server.playback, server.control, told.set, log.note)
        watch = asyncio.create_task(log.watch(server.control))
        with keys(keyboard.press):
            await _first(told.wait(), server.left() if leave else server.failed())
        watch.cancel()
    log.say("left", {"requests": server.asked, **server.faults})
    return console.WHOLE


def _allow_many() -> None:
    """As many connections as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _first(*waits: Any) -> None:
    """Until the first of them is over; raises what it raised."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()


class Log:
    """What happens: lines of JSON on stdout in a pipe; on a terminal lines for people, with one
    under them that says how things are."""

    def __init__(self) -> None:
        self._terminal = sys.stdout is not None and sys.stdout.isatty()
        self._screen = Console()
        self._line = Live(console=self._screen, refresh_per_second=4, transient=True)
        self._note = ""
        self._refused = 0.0
        self._lines: Lines | None = None

    def __enter__(self) -> "Log":
        if self._terminal:
            self._line.start()
        else:
            self._lines = Lines()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lines is not None:
            self._lines.close()
        else:
            self._line.stop()

    def ready(self, server: Server) -> None:
        """It listens."""
        if not self._terminal:
            facts = {"ws": server.ws_url, "rest": server.rest_url, "topics": server.topics}
            self.say("ready", facts)
            return
        course = server.playback.course
        self._screen.print(
            f"[bold]{server.ws_url}[/]  websocket\n[bold]{server.rest_url}[/]  REST and /control\n"
            f"{len(server.topics)} topics, {stamp(course.first_ts)} to {stamp(course.last_ts)}",
            highlight=False,
        )
        self._screen.print(Text(HELP, style="dim"))

    def say(self, event: str, facts: Facts) -> None:
        """One line."""
        if self._terminal:
            told = "  ".join(f"{name} {value}" for name, value in facts.items())
            self._screen.print(Text(f"{event:<12} {told}"))
            return
        assert self._lines is not None
        self._lines.put(msgspec.json.encode({"event": event, **facts}))

    def trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What went wrong in the loop. That no connection can be taken is tried again each second,
        and said once a second."""
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in _NO_ROOM):
            loop.default_exception_handler(context)
        elif loop.time() - self._refused > 1:
            self._refused = loop.time()
            self.say("refused", {"why": f"no connection can be taken ({error.strerror})"})

    def note(self, text: str) -> None:
        """Something about a key that was pressed."""
        self._note = text

    async def watch(self, control: Control) -> None:
        """Keep the line under all others up to date."""
        while self._terminal:
            self._line.update(_status_line(control.status(), self._note))
            await asyncio.sleep(_REFRESH_S)


def _status_line(status: Facts, note: str) -> Text:
    clients = status["clients"]
    count = len(clients) if isinstance(clients, list) else 0
    head = f"{status['state']:<8} {str(status['time'])[:23]}  {status['speed']:>5}  {count} clients"
    return Text.assemble((head, "bold"), f"  {note}", overflow="ellipsis", no_wrap=True)
