"""What a person sees while recording: a live table on a terminal, a line now and then in a pipe."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from rich.console import Console, Group
from rich.live import Live as LiveDisplay
from rich.table import Table
from rich.text import Text

from recorder.log import Say, say_text
from recorder.messages import Level, Message
from recorder.silences import LOST
from recorder.stamp import now
from recorder.tally import Tally, TopicLine
from tape.console import cell

REFRESH_S = 0.5
LINE_EVERY_S = 10.0
_NOTICES = 4
_FRAME_LINES = 9  # of the screen, for what is not the table's body
_STATE_STYLE = {"live": "green", "buffering": "yellow", "stale": "red", "empty": "dim"}


class View:
    """Shows a tally until told to stop. ``alarm``: what is wrong right now, empty if nothing;
    ``forecast``: how long the disk will do. ``say`` gets the lines; a table is drawn only where
    they are for people.

    status: what else there is to say right now, empty if nothing.
    """

    def __init__(self, console: Console, say: Say = say_text) -> None:
        self._console = console
        self._say = say
        self.status: Callable[[], str] = str
        self._alarm: Callable[[], str] = str
        self._forecast: Callable[[], str] = str
        self._notices: list[str] = []
        self._before: dict[str, int] = {}
        self._frames_before = 0
        self._display: LiveDisplay | None = None

    def notice(self, text: str) -> None:
        """A line for people, such as a reconnect; whatever a venue put into it."""
        text = Message.of(text).reworded(cell(text))
        if self._display is None:
            self._say(text)
        self._notices = [*self._notices, text][-_NOTICES:]

    def leave(self) -> None:
        """Give the terminal back before the process ends at once."""
        if self._display is not None:
            self._console.show_cursor(True)

    @asynccontextmanager
    async def showing(
        self, tally: Tally, alarm: Callable[[], str], forecast: Callable[[], str] = str
    ) -> AsyncIterator[None]:
        """Show in the background."""
        self._alarm = alarm
        self._forecast = forecast
        drawn = self._console.is_terminal and self._say is say_text
        show = self._table if drawn else self._lines
        task = asyncio.create_task(show(tally))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, OSError):  # nor may a dead terminal matter
                await task

    async def _table(self, tally: Tally) -> None:
        with LiveDisplay(console=self._console, auto_refresh=False, transient=True) as display:
            self._display = display
            try:
                while True:
                    display.update(self._render(tally), refresh=True)
                    await asyncio.sleep(REFRESH_S)
            finally:
                self._display = None

    async def _lines(self, tally: Tally) -> None:
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            if tally.frames == self._frames_before:
                continue  # sealing, at the end
            rate = (tally.frames - self._frames_before) / LINE_EVERY_S
            self._frames_before = tally.frames
            self._say(_progress(tally, rate, self.status()))

    def _render(self, tally: Tally) -> Group:
        lines = tally.followed()
        room = max(self._console.height - _FRAME_LINES - _NOTICES, 5)
        table = Table(title=f"{tally.frames:,} frames", title_justify="left", box=None)
        table.add_column("topic", style="bold", no_wrap=True)
        for name in ("frames/s", "age", "book", "spread", "gaps"):
            table.add_column(name, justify="right", no_wrap=True)
        rates = {line.topic: self._rate(line) for line in lines}
        busiest = sorted(lines, key=lambda line: -rates[line.topic])[:room]
        for line in sorted(busiest):
            table.add_row(*_cells(line, rates[line.topic]))
        self._before = {line.topic: line.frames for line in lines}
        hidden = len(lines) - len(busiest)
        foot = [Text(f"and {hidden} quieter topics", style="dim")] if hidden else []
        if forecast := self._forecast():
            foot.append(Text(forecast, style="dim"))
        if status := self.status():
            foot.append(Text(cell(status)))
        if alarm := self._alarm():
            foot.append(Text(cell(alarm), style="bold red"))
        return Group(table, *foot, *(Text(text, style="yellow") for text in self._notices))

    def _rate(self, line: TopicLine) -> float:
        return (line.frames - self._before.get(line.topic, line.frames)) / REFRESH_S


def _progress(tally: Tally, rate: float, status: str) -> Message:
    """How it goes, in a line. rate: frames/s since the last. status: what else there is to say."""
    topics = tally.followed()
    books = [line.state for line in topics if line.state]
    live, gaps, rejects = books.count("live"), sum(tally.gaps.values()), tally.rows["reject"]
    text = (
        f"{tally.frames} frames, {rate:.0f}/s, {len(topics)} topics,"
        f" {live} of {len(books)} books live, {gaps} gaps, {rejects} rejects"
    ) + (f"; {status}" if status else "")
    counts = {"frames": tally.frames, "frames_per_s": round(rate), "topics": len(topics)}
    books_and_doubts = {"books": len(books), "books_live": live, "gaps": gaps, "rejects": rejects}
    return Message(text, "progress", Level.INFO, **counts, **books_and_doubts)


def _cells(line: TopicLine, rate: float) -> tuple[str | Text, ...]:
    since = f"{(now().ts_recv - line.last) / 1e9:.1f}s" if line.last else "-"
    age = Text(f"{since} {line.silence}".rstrip(), style="red" if line.silence in LOST else "")
    state = Text(line.state, style=_STATE_STYLE.get(line.state, ""))
    gaps = Text(str(line.gaps), style="red" if line.gaps else "dim")
    return Text(cell(line.topic)), f"{rate:.0f}", age, state, line.spread, gaps
