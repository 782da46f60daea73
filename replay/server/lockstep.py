"""Lockstep: the replay waits for its clients where the recorder once acted.

A client is then given exactly what the recorder was given, whatever the speed: nothing is sent
before it is subscribed, no book goes on before it has asked for its snapshot, and after a lost
connection nothing goes on before it is back. What it never does is waited for a while only.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from replay.selection import Selection
from replay.server.course import About
from replay.server.histories import Known
from schemas.frames import Frame, Kind
from schemas.requests import depth_symbol, subscribed
from schemas.topics import WINDOWS, depth_topic
from tape.history import Mark

SUBSCRIPTIONS_S = 5.0
BOOK_S = 15.0
_SHOWN = 3
ACTS = frozenset({Kind.SENT, Kind.REPLY})


class Waits(NamedTuple):
    """What is waited for, in words, whether it is so, and for how long at most."""

    what: Callable[[], str]
    ready: Callable[[], bool]
    patience_s: float


class Lockstep:
    """What to wait for.

    asked: markets whose book was asked for since the recorder last joined it.
    """

    def __init__(
        self, history: Known, selection: Selection, wanted: Callable[[], Collection[str]]
    ) -> None:
        self._history = history
        self._selection = selection
        self._wanted = wanted
        self.asked: set[str] = set()

    def restart(self, about: About = None) -> None:
        """All clients begin anew, or those of some markets."""
        self.asked -= {symbol for symbol in self.asked if about is None or about(symbol)}

    def condition(self, frame: Frame, before: Mark, after: Mark) -> Waits | None:
        """What has to be so before the frame between two positions may pass; None if nothing."""
        if frame.kind is Kind.SENT:
            return self._subscribed(frame)
        symbol = depth_symbol(frame.topic)
        if symbol is None or not self._joins(symbol, before, after):
            return None
        topics = {depth_topic(symbol, window) for window in ("", *WINDOWS)}
        if topics.isdisjoint(self._wanted()):
            return None
        what = f"somebody asks for the book of {symbol}"
        return Waits(lambda: what, lambda: symbol in self.asked, BOOK_S)

    def passed(self, frame: Frame) -> None:
        """A reply went by: the next time a book is lost it has to be asked for again."""
        symbol = depth_symbol(frame.topic)
        if symbol is not None:
            self.asked.discard(symbol)

    def _subscribed(self, frame: Frame) -> Waits | None:
        topics = set(filter(self._selection.wants, subscribed(frame.payload)))
        if not topics:
            return None

        def missing() -> set[str]:
            return topics - {*self._wanted()}

        def what() -> str:
            first = ", ".join(sorted(missing())[:_SHOWN])
            return f"somebody is subscribed to {first} ({len(missing())} are missing)"

        return Waits(what, lambda: not missing(), SUBSCRIPTIONS_S)

    def _joins(self, symbol: str, before: Mark, after: Mark) -> bool:
        """Whether a reply makes a book that was not there."""
        return (
            self._history.book(symbol, before) is None
            and self._history.book(symbol, after) is not None
        )
