"""Tells people when shedding begins, when messages begin to be lost, and when it is over."""

from collections.abc import Callable

from recorder.intake import Intake
from recorder.messages import Level as Weight
from recorder.messages import Message
from schemas.frames import Frame, Kind
from schemas.rows import Row
from schemas.shedding import Level

_SHED = {
    Level.NO_TICKER_ROWS: "no rows of tickers and the like",
    Level.NO_QUOTE_ROWS: "no rows of tickers and quotes",
    Level.NO_ROWS: "no rows, and no books",
    Level.NO_TICKERS: "no rows, and tickers and the like are LOST",
    Level.NO_QUOTES: "no rows, and tickers and quotes are LOST",
    Level.NOTHING: "all but what is of an account is LOST",
}


class LoadAlarm:
    """Listens to the intake; ``notice`` hears when shedding begins, when frames begin to be lost
    (both again where there was an end in between), and when it is over."""

    def __init__(self, intake: Intake, notice: Callable[[str], None]) -> None:
        self._intake = intake
        self._notice = notice
        self._told = Level.ALL

    def __call__(self, frame: Frame, rows: list[Row]) -> None:
        del rows
        if frame.kind is Kind.LOAD:
            self._turned()

    @property
    def is_busy(self) -> bool:
        """Whether anything is shed."""
        return self._intake.shedding.level > Level.ALL

    @property
    def lost(self) -> int:
        """Messages that were not taken, so far."""
        return self._intake.shedding.frames.total()

    @property
    def skipped(self) -> int:
        """Messages taken of which no rows were made, so far."""
        return self._intake.engine.load.skips_at.total()

    @property
    def alarm(self) -> str:
        """What is shed now; empty if nothing is."""
        level = self._intake.shedding.level
        return f"{self._cannot(level)} ({self._so_far()})" if level else ""

    def _turned(self) -> None:
        level = self._intake.shedding.level
        if level is Level.ALL and self._told:
            self._say(f"this machine keeps up again; {self._so_far()}", "load_over", level)
        elif (level and not self._told) or self._told <= Level.NO_ROWS < level:
            self._say(self._cannot(level), "load", level)
        else:
            return
        self._told = level

    def _cannot(self, level: Level) -> str:
        return f"this machine does not keep up: {_SHED[level]}"

    def _so_far(self) -> str:
        return f"so far {self.skipped} messages made no rows, {self.lost} were lost"

    def _say(self, text: str, event: str, level: Level) -> None:
        weight = Weight.ERROR if level > Level.NO_ROWS else Weight.WARNING
        facts = {"load": int(level), "skipped_frames": self.skipped, "lost_frames": self.lost}
        self._notice(Message(text, event, weight, **facts))
