"""Gap rows as values, and those of all streams at once, said once more with a few flags."""

from typing import NamedTuple

import msgspec

from schemas.frames import ConnectionClosed, Frame, FramesLost, Kind
from schemas.rows import Gap
from tests.market.play import SYMBOL


class Bound(NamedTuple):
    """A frame at one end of a gap, the newest id by then, the engine time of it."""

    frame: Frame
    id: int = 0
    us: int | None = None

    @property
    def ts_engine(self) -> int | None:
        """In ns."""
        return None if self.us is None else self.us * 1_000


def ended(gap: Gap, state: str, until: Bound, mono: int) -> Gap:
    """A gap that began at a monotonic time, with its end."""
    return msgspec.structs.replace(
        gap,
        state=state,
        ts_until=until.frame.ts_recv,
        ts_engine_until=until.ts_engine,
        lasted_ns=until.frame.ts_mono - mono,
    )


def at(frame: Frame, gap: Gap) -> Gap:
    """The same said by a frame that is no event of the venue's."""
    return msgspec.structs.replace(gap, seq=frame.seq, ts_recv=frame.ts_recv, ts_event=None)


def begun(frame: Frame, topic: str | None, cause: str, since: Bound) -> Gap:
    """A gap that a frame shows, without ids."""
    return Gap(
        frame.seq, frame.ts_recv, None, SYMBOL if topic else None, topic, cause,
        None, None, None, since.frame.seq, since.frame.ts_recv, "open", since.ts_engine,
        None, None, None, None,
    )  # fmt: skip


class Everywhere:
    """Gaps of all streams: no connection, or frames of ours lost."""

    def __init__(self) -> None:
        self._heard: Frame | None = None
        self._before: Frame | None = None
        self._open: set[int] = set()
        self._down: tuple[Gap, int] | None = None
        self._loss: tuple[Gap, int] | None = None
        self.unsure = False  # what is open, and subscribed, as frames were lost since..
        self.doubt: Frame | None = None

    @property
    def any_open(self) -> bool:
        """Whether a connection is known to be open."""
        return bool(self._open)

    def see(self, frame: Frame) -> list[Gap]:
        """Take a frame in."""
        rows: list[Gap] = []
        if frame.kind is Kind.OPEN:
            self._open.add(frame.conn)
            if self._down is not None:
                rows = [ended(at(frame, self._down[0]), "resumed", Bound(frame), self._down[1])]
            self._down = None
        if frame.kind is Kind.CLOSE:
            self._open -= {frame.conn}
            told = msgspec.json.decode(frame.payload, type=ConnectionClosed).stopped
            self.unsure = self.unsure and bool(self._open)
            if not self._open and self._down is None:
                since = self._heard or frame
                self._down = begun(frame, None, "disconnect", Bound(since)), since.ts_mono
                rows = [] if told else [self._down[0]]
        if frame.kind is Kind.LOSS:
            rows = self._lost(frame, msgspec.json.decode(frame.payload, type=FramesLost))
        if frame.kind in (Kind.OPEN, Kind.DATA):
            self._heard = frame
        self._before = frame
        return rows

    def _lost(self, frame: Frame, lost: FramesLost) -> list[Gap]:
        if not lost.ended:
            if self._loss is not None:
                return []
            self._loss = begun(frame, None, "loss", Bound(frame)), frame.ts_mono
            return [self._loss[0]]
        if self._loss is None:
            self._open.clear()
            before = self._before or frame
            self.unsure, self.doubt = True, before
            self._loss = begun(frame, None, "loss", Bound(before)), before.ts_mono
        row = ended(at(frame, self._loss[0]), "resumed", Bound(frame), self._loss[1])
        self._loss = None
        return [msgspec.structs.replace(row, missing=lost.frames)]
