"""Which connections have which streams."""

from collections.abc import Mapping

import msgspec

from schemas.columns import Count


class Carried(msgspec.Struct, gc=False, omit_defaults=True):
    """Connections that have a stream, and those on which it was unsubscribed while others had it:
    what is still on its way there counts, and says no more of that connection. proven: those
    of which messages came in turn where nobody knows what is open."""

    by: list[Count] = []
    left: list[Count] = []
    proven: list[Count] = []

    def without(self, conn: int) -> "Carried | None":
        """What is left when a connection is over."""
        lists = ([one for one in some if one != conn] for some in (self.by, self.left, self.proven))
        carried = Carried(*lists)
        return None if carried == Carried() else carried


class Carriers:
    """Streams by name, as subscribed, and as heard of where nobody announced them."""

    __slots__ = ("_streams",)

    def __init__(self) -> None:
        self._streams: dict[str, Carried] = {}

    def clear(self) -> None:
        """Nothing is known any more."""
        self._streams.clear()

    def of(self, name: str) -> frozenset[int]:
        """Connections that have a stream."""
        carried = self._streams.get(name)
        return frozenset(carried.by) if carried else frozenset()

    def left(self, name: str) -> frozenset[int]:
        """Those that had it."""
        carried = self._streams.get(name)
        return frozenset(carried.left) if carried else frozenset()

    def subscribed(self, name: str, conn: int) -> None:
        """A stream was asked for on a connection."""
        carried = self._streams.setdefault(name, Carried())
        carried.by = sorted({*carried.by, conn})
        carried.left = [one for one in carried.left if one != conn]

    def heard(self, name: str, conn: int) -> None:
        """A message of a stream came on a connection."""
        if conn not in self.left(name) and conn not in self.of(name):
            self.subscribed(name, conn)

    def proven(self, name: str) -> frozenset[int]:
        """Those that have shown to be open."""
        carried = self._streams.get(name)
        return frozenset(carried.proven) if carried else frozenset()

    def prove(self, name: str, conns: set[int]) -> None:
        """Messages of a stream came on connections in turn."""
        carried = self._streams.setdefault(name, Carried())
        carried.proven = sorted(conns.union(carried.proven))

    def unsubscribed(self, name: str, conn: int) -> None:
        """A stream is not wanted on a connection any more."""
        carried = self._streams.setdefault(name, Carried())
        carried.by = [one for one in carried.by if one != conn]
        carried.left = sorted({*carried.left, conn})

    def ended(self, name: str) -> None:
        """A stream is not wanted anywhere."""
        self._streams.pop(name, None)

    def closed(self, conn: int) -> None:
        """A connection is over."""
        rest = {name: carried.without(conn) for name, carried in self._streams.items()}
        self._streams = {name: carried for name, carried in rest.items() if carried is not None}

    def export(self) -> dict[str, Carried]:
        """For a keyframe."""
        return {name: self._streams[name] for name in sorted(self._streams)}

    def restore(self, saved: Mapping[str, Carried]) -> None:
        """Become what a keyframe says."""
        self._streams = dict(saved)
