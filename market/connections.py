"""What no connection heard, and what was heard and lost: gaps of all streams at once."""

from collections.abc import Mapping

import msgspec

from market.carriers import Carried, Carriers
from market.control import is_stop
from market.gaps import LOSS, Ending, Hole, Place, Seen, gap_row
from market.load import LoadState
from schemas.columns import Count
from schemas.frames import Frame, FramesLost
from schemas.rows import Row
from schemas.topics import Topic

_RESUMED = "resumed"


class ConnectionState(msgspec.Struct):
    """Keyframe of what the engine knows beside the streams.

    heard: the newest frame that a connection brought. ended: see `market.lanes.Lanes`; one number
    where it is one connection, 0 where it is none. carriers: see `market.carriers`.
    wary, doubt: see `Connections`. load: see `market.load`.
    """

    heard: Seen | None = None
    open: list[Count] = []
    gap: Hole | None = None
    loss: Hole | None = None
    ended: dict[str, Count | list[Count]] | msgspec.UnsetType = msgspec.UNSET
    carriers: dict[str, Carried] | msgspec.UnsetType = msgspec.UNSET
    wary: bool | msgspec.UnsetType = msgspec.UNSET
    load: LoadState | msgspec.UnsetType = msgspec.UNSET
    doubt: Seen | msgspec.UnsetType = msgspec.UNSET


class Connections:
    """Which connections are open; the gap while none is, and the loss while frames are shed.

    A gap begins with the last frame heard before the close that left no connection open, which on a
    socket that was half open is long before that close, and ends with the next open.

    open: those known to be. wary: what opened them was lost, so that others may be.
    carriers: which streams they have. doubt: since when nobody knows what is subscribed.
    """

    __slots__ = ("_gap", "_loss", "carriers", "doubt", "open", "wary")

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.carriers = Carriers()
        self.reset()

    def reset(self) -> None:
        """Back to the beginning."""
        self.open.clear()
        self.carriers.clear()
        self.wary = False
        self.doubt: Seen | None = None
        self._gap: Hole | None = None
        self._loss: Hole | None = None

    @property
    def several(self) -> bool:
        """Whether more than one is open."""
        return len(self.open) > 1

    def opened(self, frame: Frame) -> list[Row]:
        """A connection was opened."""
        self.open.add(frame.conn)
        gap, self._gap = self._gap, None
        if gap is None:
            return []
        return [gap_row(Place(frame, None), gap, Ending(_RESUMED, Seen.at(frame)))]

    def closed(self, frame: Frame, heard: Frame | Seen | None) -> list[Row]:
        """A connection ended; a gap if it was the last one. Where the recorder was told to stop,
        that is one only if it goes on all the same."""
        self.open.discard(frame.conn)
        self.carriers.closed(frame.conn)
        if not self.open:
            self.wary = False
        if self.open or self._gap is not None:
            return []
        self._gap = Hole("disconnect", Seen.at(heard or frame))
        return [] if is_stop(frame.payload) else [gap_row(Place(frame, None), self._gap)]

    def lost(self, frame: Frame, before: Frame | Seen, lost: FramesLost | None) -> list[Row]:
        """Frames are missing from this one on, or up to it; None: it cannot be read, so it may be
        either.

        before: the frame before this one, for a loss of which the beginning is lost too. After such
        a one nobody knows which connections are open.
        """
        place = Place(frame, None)
        if lost is not None and not lost.ended:
            if self._loss is not None:
                return []
            self._loss = Hole(LOSS, Seen.at(frame))
            return [gap_row(place, self._loss)]
        if self._loss is None:
            self.open.clear()
            self.carriers.clear()
            self.wary, self.doubt = True, Seen.at(before)
        hole, self._loss = self._loss or Hole(LOSS, Seen.at(before)), None
        hole.missing = None if lost is None else lost.frames
        return [gap_row(place, hole, Ending(_RESUMED, Seen.at(frame)))]

    def heard_again(self, frame: Frame, topic: Topic) -> list[Row]:
        """A stream that was unsubscribed before frames were lost is heard: it may have been
        subscribed in between, or the frame comes late."""
        if self.doubt is None:
            return []
        hole, ending = Hole(LOSS, self.doubt), Ending(_RESUMED, Seen.at(frame))
        return [gap_row(Place(frame, topic), hole, ending)]

    def export(
        self,
        heard: Frame | Seen | None,
        ended: Mapping[str, frozenset[int]],
        load: LoadState | msgspec.UnsetType = msgspec.UNSET,
    ) -> bytes:
        """Keyframe of it all; empty where there is nothing to remember."""
        newest = None if heard is None else Seen.at(heard)
        state = ConnectionState(
            newest, sorted(self.open), self._gap, self._loss,
            {name: _one_or_all(conns) for name, conns in ended.items()} or msgspec.UNSET,
            self.carriers.export() or msgspec.UNSET,
            self.wary or msgspec.UNSET,
            load,
            self.doubt or msgspec.UNSET,
        )  # fmt: skip
        return b"" if state == ConnectionState() else msgspec.json.encode(state)

    def restore(self, payload: bytes) -> ConnectionState:
        """Become what a keyframe says, and all that it says; raises MsgspecError if it cannot be
        read."""
        saved = msgspec.json.decode(payload, type=ConnectionState)
        self.open.clear()
        self.open.update(saved.open)
        self.carriers.restore(saved.carriers or {})
        self.wary, self.doubt = bool(saved.wary), saved.doubt or None
        self._gap = saved.gap
        self._loss = saved.loss
        return saved


def all_ended(saved: ConnectionState) -> dict[str, frozenset[int]]:
    """The streams that have ended, of a keyframe."""
    return {
        name: frozenset(conns if isinstance(conns, list) else [conns] if conns else [])
        for name, conns in (saved.ended or {}).items()
    }


def _one_or_all(conns: frozenset[int]) -> int | list[int]:
    return sorted(conns) if len(conns) > 1 else sum(conns)


def read_loss(payload: bytes) -> FramesLost:
    """What a LOSS frame says; raises MsgspecError."""
    return msgspec.json.decode(payload, type=FramesLost)
