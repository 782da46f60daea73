"""The keys of a terminal as commands to a replay that is served."""

import asyncio
import os
import re
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from replay.server.control import Control
from replay.server.playback import Playback, State
from schemas.errors import UsageError

HELP = (
    "space pause or go on | . one frame | + - twice, half as fast | 1 as it happened | m max |"
    " left right 10 s | down up 1 min | a b loop from here, to here | c no loop | q quit | ? help"
)
SHORT_NS = 10_000_000_000
LONG_NS = 60_000_000_000
_ARROWS = {"\x1b[D": -SHORT_NS, "\x1b[C": SHORT_NS, "\x1b[B": -LONG_NS, "\x1b[A": LONG_NS}

_KEYS = re.compile("\x1b\\[[0-9;]*[A-Za-z~]|\x1bO.|.", re.DOTALL)  # one key, or what one sends


class Keyboard:
    """Carries keys out. say: told what became of one, for the status line."""

    def __init__(
        self,
        playback: Playback,
        control: Control,
        quit_: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._playback = playback
        self._control = control
        self._quit = quit_
        self._say = say
        self._from: str | None = None

    def press(self, keys: str) -> None:
        """Carry out what was typed."""
        with suppress_usage(self._say):
            for key in _KEYS.findall(keys):
                if key in _ARROWS:
                    self._seek(_ARROWS[key])
                elif len(key) == 1:
                    self._key(key)

    def _key(self, key: str) -> None:
        playback = self._playback
        speed = playback.clock.speed
        match key:
            case " " if playback.state is State.PLAYING:
                playback.pause()
            case " ":
                playback.resume()
            case ".":
                playback.step()
            case "+" | "=" if speed is not None:
                playback.pace(speed * 2)
            case "-" if speed is not None:
                playback.pace(speed / 2)
            case "1" | "-":
                playback.pace(1.0)
            case "m":
                playback.pace(None)
            case "a":
                self._from = f"#{playback.mark.seq + 1}"
                self._say("the loop begins here: press b where it is to end")
            case "b":
                self._loop()
            case "c":
                playback.repeat(None)
            case "q":
                self._quit()
            case "?" | "h":
                self._say(HELP)

    def _seek(self, ns: int) -> None:
        playback = self._playback
        course = playback.course
        now = min(max(playback.clock.now() + ns, course.first_ts), course.last_ts)
        mark = course.at_time(now)
        playback.seek(min(max(mark, course.start), course.end))

    def _loop(self) -> None:
        if self._from is None:
            self._say("press a where the loop is to begin, then b where it is to end")
            return
        playback = self._playback
        start = self._control.mark(self._from, "start")
        playback.repeat((start, playback.mark))
        self._from = None


@contextmanager
def suppress_usage(say: Callable[[str], None]) -> Iterator[None]:
    """What cannot be done is said, and that is all."""
    try:
        yield
    except UsageError as error:
        say(str(error))


@contextmanager
def keys(press: Callable[[str], None]) -> Iterator[None]:
    """Hand on the keys of the terminal as they are typed; nothing where stdin is none."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield
        return
    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)
    loop = asyncio.get_running_loop()
    tty.setcbreak(file)
    loop.add_reader(file, lambda: press(_typed(file)))
    try:
        yield
    finally:
        loop.remove_reader(file)
        with suppress(termios.error):
            termios.tcsetattr(file, termios.TCSADRAIN, before)


def _typed(file: int) -> str:
    with suppress(OSError):
        return os.read(file, 64).decode(errors="replace")
    return ""
