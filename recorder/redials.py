"""Back-off for replacing connections because of silence: rarely, and less often each time."""

LONGEST_NS = 3_600_000_000_000


class Redials:
    """Where the venue's own feed is dead, another connection does not help, and costs all topics.

    least_ns: time between the first two; doubled by each further one, up to an hour.
    """

    def __init__(self, least_ns: int) -> None:
        self._least = self._delay = least_ns
        self._last: int | None = None

    def may(self, now: int) -> bool:
        """Whether it is time for one; by the monotonic clock, ns."""
        return self._last is None or now - self._last >= self._delay

    def done(self, now: int) -> None:
        """There was one."""
        if self._last is not None:
            self._delay = min(self._delay * 2, LONGEST_NS)
        self._last = now

    def calm(self, now: int) -> None:
        """Nothing is dead now; once that was so for as long as the next one had to wait, all is
        forgotten."""
        if self._last is not None and now - self._last >= 2 * self._delay:
            self._last, self._delay = None, self._least
