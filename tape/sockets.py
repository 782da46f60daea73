"""Connections of several recorders under numbers of one recording, and the streams of each."""

import msgspec

from schemas.frames import ConnectionClosed, ConnectionOpened, Kind, to_json
from schemas.requests import SUBSCRIBE
from tape.scribe import Content

_CUT = 1006  # no Close frame was received


class Sockets:
    """Each connection of each side that is open has a number, from 1, in the order they opened."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {}
        self._newest = 0

    def number(self, side: int, conn: int) -> int | None:
        """Of a connection that is open; None if it is not known to be. 0 is none."""
        return self._numbers.get((side, conn)) if conn else 0

    def open(self, side: int, conn: int) -> int:
        """It was opened; its number."""
        self._newest += 1
        self._numbers[side, conn] = self._newest
        return self._newest

    def close(self, side: int, conn: int) -> None:
        """It ended."""
        self._numbers.pop((side, conn), None)

    def of(self, side: int) -> list[int]:
        """Connections of a side that are open, by their own numbers."""
        return [conn for owner, conn in self._numbers if owner == side]

    def others(self, side: int) -> bool:
        """Whether any of another side is open."""
        return any(owner != side for owner, _ in self._numbers)


def opened(url: str, number: int) -> Content:
    """A connection is there of which no OPEN frame says so."""
    return Content(Kind.OPEN, to_json(ConnectionOpened(url)), number)


def subscribes(topics: list[str], number: int) -> Content:
    """It has these streams."""
    text = msgspec.json.encode({"method": SUBSCRIBE, "params": topics})
    return Content(Kind.SENT, text, number)


def cut(why: str, number: int, stopped: bool = False) -> Content:
    """It brings nothing more, and no CLOSE frame says so. stopped: as it was to."""
    return Content(Kind.CLOSE, to_json(ConnectionClosed(_CUT, why, stopped)), number)
