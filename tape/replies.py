"""REST of several recorders in one recording: which requests, with their answers, are taken."""

from collections import Counter

from schemas.frames import Kind
from schemas.requests import is_market_list


class Replies:
    """No path has requests of two sides on their way at a time, as an engine expects it of one
    recorder: who asks while another waits is left out, with the answer. Market lists are those of
    one side as long as it lasts, since the venue's caches answer in any order.

    left_out: how many requests.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._waiting: dict[str, Counter[int]] = {}  # by path: requests on their way, of one side
        self._ignored: Counter[tuple[int, str]] = Counter()  # those that were left out
        self._owners: dict[str, int] = {}  # of market lists, by path

    def takes(self, side: int, kind: Kind, path: str) -> bool:
        """Whether a REQUEST, REPLY or FAILED of a side belongs on the tape."""
        if kind is Kind.REQUEST:
            return self._ask(side, path)
        if self._ignored[side, path]:
            self._ignored[side, path] -= 1
            return False
        return self._answer(side, path)

    def end(self, side: int) -> list[str]:
        """A side is over; paths of requests of it that nobody will answer."""
        self._owners = {path: owner for path, owner in self._owners.items() if owner != side}
        left = [path for path, waiting in self._waiting.items() if side in waiting]
        return [path for path in left for _ in range(self._waiting.pop(path)[side])]

    def _ask(self, side: int, path: str) -> bool:
        owner = self._owners.setdefault(path, side) if is_market_list(path) else side
        waiting = self._waiting.get(path)
        if owner != side or (waiting is not None and side not in waiting):
            self._ignored[side, path] += 1
            self.left_out += 1
            return False
        self._waiting.setdefault(path, Counter())[side] += 1
        return True

    def _answer(self, side: int, path: str) -> bool:
        """Where the request is not known, as the recording begins behind it, none of ours is
        answered."""
        waiting = self._waiting.get(path)
        if waiting is None:
            return True
        if side not in waiting:
            return False
        waiting[side] -= 1
        if not waiting[side]:
            del self._waiting[path]
        return True
