"""Which connections have which streams."""

from collections.abc import Mapping

import msgspec


class Carried(msgspec.Struct, gc=False, omit_defaults=True):
    """Connections that have a stream, and those on which it was unsubscribed while others had it:
    what is still on its way there counts, and says no more of that connection."""

    by: list[int] = []
    left: list[int] = []


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
        for name, carried in list(self._streams.items()):
            carried.by = [one for one in carried.by if one != conn]
            carried.left = [one for one in carried.left if one != conn]
            if not carried.by and not carried.left:
                del self._streams[name]

    def export(self) -> dict[str, Carried]:
        """For a keyframe."""
        return {name: self._streams[name] for name in sorted(self._streams)}

    def restore(self, saved: Mapping[str, Carried]) -> None:
        """Become what a keyframe says."""
        self._streams = dict(saved)
