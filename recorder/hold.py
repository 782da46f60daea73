"""What arrives while nothing can be numbered: between two segments, or before the first."""

from collections import deque
from collections.abc import Callable

ARRIVAL_BYTES = 200  # of one in memory, beside its payload


class Hold:
    """Arrivals in order, each as the call that takes it. held: bytes, about."""

    def __init__(self) -> None:
        self._calls: deque[tuple[int, Callable[[], object]]] = deque()
        self.held = 0

    def add(self, size: int, call: Callable[[], object]) -> None:
        """One more, with so many bytes."""
        size += ARRIVAL_BYTES
        self._calls.append((size, call))
        self.held += size

    def release(self) -> None:
        """Take them all."""
        while self._calls:
            size, call = self._calls.popleft()
            self.held -= size
            call()
