"""What a run has sealed, however long it runs: counted, and the segments of the last days."""

from collections import deque
from typing import NamedTuple

from tape.forecast import DAYS
from tape.layout import DAY_NS, SegmentName
from tape.manifest import Verdict

NEWEST = 20_160  # segments at most: one of 30 s each
LOSSES = 1_000  # sentences of what was lost


class Sealed(NamedTuple):
    """What there is to say of a segment at the end; the manifest itself may be large."""

    name: SegmentName
    verdict: Verdict
    first_ts: int
    last_ts: int
    frames: int
    last_seq: int
    bytes: int
    losses: tuple[str, ...]


class Total(NamedTuple):
    """Of all segments of a verdict."""

    segments: int = 0
    frames: int = 0
    bytes: int = 0


class Harvest:
    """Takes segments as they are sealed.

    totals: by verdict, in the order in which they came. newest: segments of as many days as a
    forecast looks back, the newest last, without their losses. losses: the newest, each with its
    segment; forgotten: how many there were before.
    """

    def __init__(self) -> None:
        self.totals: dict[Verdict, Total] = {}
        self.newest: deque[Sealed] = deque(maxlen=NEWEST)
        self.losses: deque[tuple[SegmentName, str]] = deque(maxlen=LOSSES)
        self.forgotten = 0

    def add(self, sealed: Sealed) -> None:
        """Take one."""
        total = self.totals.get(sealed.verdict, Total())
        added = (total.segments + 1, total.frames + sealed.frames, total.bytes + sealed.bytes)
        self.totals[sealed.verdict] = Total(*added)
        self.forgotten += max(len(self.losses) + len(sealed.losses) - LOSSES, 0)
        self.losses.extend((sealed.name, loss) for loss in sealed.losses)
        self.newest.append(sealed._replace(losses=()))
        while self.newest[0].last_ts <= sealed.last_ts - DAYS * DAY_NS:
            self.newest.popleft()
