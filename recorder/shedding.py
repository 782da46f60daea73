"""Drops messages according to the shedding level that holds, and counts them by stream.

Messages that are kept but make no rows are skipped, and counted, by the engine (`market.load`).
"""

from collections import Counter

from schemas.frames import LoadTurned
from schemas.shedding import STREAM_LIMIT, Level, family, sheds_frames, stream_of


class Shedding:
    """The level that holds (`schemas.shedding`), and what it has cost.

    frames, bytes: lost at each level since the start.
    """

    def __init__(self) -> None:
        self.level = Level.ALL
        self.frames: Counter[Level] = Counter()
        self.bytes: Counter[Level] = Counter()
        self._untold: Counter[str] = Counter()  # by stream, in no LOAD frame yet
        self._untold_bytes = 0

    @property
    def loses(self) -> bool:
        """Whether any message is not taken."""
        return self.level > Level.NO_ROWS

    @property
    def has_untold(self) -> bool:
        """Whether messages are in no LOAD frame yet."""
        return bool(self._untold)

    def refuses(self, payload: bytes) -> bool:
        """Whether a message is not taken, which counts then."""
        stream = stream_of(payload)
        if stream is None or not sheds_frames(self.level, stream.rank):
            return False
        name, untold = stream.name, self._untold
        if len(untold) >= STREAM_LIMIT and name not in untold:
            name = family(name)
        untold[name] += 1
        self._untold_bytes += len(payload)
        self.frames[self.level] += 1
        self.bytes[self.level] += len(payload)
        return True

    def turn(self, level: Level) -> LoadTurned:
        """Another level holds from here on, or the same; what there is to tell."""
        told = LoadTurned(level, dict(self._untold), self._untold_bytes)
        self.level = level
        self._untold = Counter()
        self._untold_bytes = 0
        return told
