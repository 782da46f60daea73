"""What a ring keeps: the newest things that together reach back far enough."""

from collections import deque
from typing import Generic, Protocol, TypeVar


class Stretch(Protocol):
    """Something that lasted; ns by the monotonic clock."""

    @property
    def since(self) -> int:
        """When it began."""

    @property
    def until(self) -> int:
        """When it ended, and the next one began."""


Item = TypeVar("Item", bound=Stretch)


class Ring(Generic[Item]):
    """Things that follow on one another in time; what is older than ``reach`` ns goes."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self._items: deque[Item] = deque()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def oldest(self) -> Item | None:
        """The one that goes first."""
        return self._items[0] if self._items else None

    def add(self, item: Item) -> None:
        """One more has ended."""
        self._items.append(item)

    def expire(self, now: int) -> list[Item]:
        """Those that ended ``reach`` before ``now``, or earlier; they are out of it."""
        gone = []
        while self._items and self._items[0].until <= now - self.reach:
            gone.append(self._items.popleft())
        return gone

    def shorten(self) -> Item:
        """Take the oldest out before its time; there has to be one."""
        return self._items.popleft()

    def take(self) -> list[Item]:
        """All of them, oldest first; it is empty then."""
        taken = list(self._items)
        self._items.clear()
        return taken
