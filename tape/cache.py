"""Values made of files, kept in bounded memory."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

V = TypeVar("V")
Key = tuple[Hashable, ...]


class Cache:
    """Values by a key that begins with their kind; those not used for longest are forgotten.

    limit: bytes of all values together; the newest is kept even if it alone has more.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._values: OrderedDict[Key, tuple[Any, int]] = OrderedDict()

    def get(self, key: Key, make: Callable[[], V], size: Callable[[V], int]) -> V:
        """The value of a key, made if it is not here."""
        found = self._values.get(key)
        if found is None:
            value = make()
            self.put(key, value, size(value))
            return value
        self._values.move_to_end(key)
        known: V = found[0]
        return known

    def find(self, key: Key) -> Any:
        """The value of a key; None if it is not here."""
        found = self._values.get(key)
        return None if found is None else found[0]

    def put(self, key: Key, value: object, size: int) -> None:
        """Keep a value, in the place of one that has its key."""
        self._drop(key)
        self._values[key] = value, size
        self._bytes += size
        while self._bytes > self._limit and len(self._values) > 1:
            self._drop(next(iter(self._values)))

    def forget(self, *kinds: str) -> None:
        """All values of some kinds."""
        for key in [key for key in self._values if key[0] in kinds]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        found = self._values.pop(key, None)
        if found is not None:
            self._bytes -= found[1]
