"""What protocol section 3.3 expects of a recorder, said once more with a list and a few flags.

It knows no buffer limits, no delays and no books: only which ids were heard of, on which
connection, and whether a snapshot has joined them.
"""

from typing import NamedTuple

from schemas.frames import Frame, Kind
from tests.market.model_venue import Delta
from tests.market.play import Note, Reply, Spoiled, Step

SECOND_US = 1_000_000


class ExpectedGap(NamedTuple):
    """What a gap row should say."""

    cause: str
    expected_id: int | None
    received_id: int | None
    missing: int | None
    since_seq: int


class Oracle:
    """Follows the frames; says after each whether the book is live, at which id, what is missing.

    conn: the newest connection with a word of our stream on it.
    at, at_us, at_seq: newest id heard, of deltas or of a snapshot that joined; its engine time; the
        frame it came in. They outlive the connection, so that an outage shows.
    before: id and frame of what was heard before an outage, until the first delta after it.
    """

    def __init__(self) -> None:
        self.live = False
        self.at: int | None = None
        self._at_us = 0
        self._at_seq = 0
        self.conn = 0
        self._open = False
        self._before: tuple[int, int] | None = None
        self._flying: list[bool] = []  # requests not answered yet: is the answer still of use
        self._tail: list[Delta] = []  # deltas that chain and wait for a snapshot
        self._straddle = False  # the next delta may begin before the snapshot ends

    def see(self, step: Step) -> list[ExpectedGap]:
        """Take a frame in."""
        frame = step.frame
        if frame.kind is Kind.SENT or isinstance(step.note, Delta):
            self._open_on(frame.conn)
        if frame.kind is Kind.CLOSE and frame.conn == self.conn:
            self._distrust()
            self._open = False
        if frame.kind is Kind.REQUEST:
            self._flying.append(self._open)
        if frame.kind in (Kind.REPLY, Kind.FAILED):
            self._answered(frame, step.note)
        if isinstance(step.note, Spoiled):
            self._distrust()
        return self._delta(frame, step.note) if isinstance(step.note, Delta) else []

    def _open_on(self, conn: int) -> None:
        if not self._open or conn != self.conn:
            self._distrust()
            self._open, self.conn = True, conn
            if self._before is None and self.at is not None:
                self._before = (self.at, self._at_seq)

    def _lose(self) -> None:
        self.live = False
        self._tail = []

    def _distrust(self) -> None:
        self._lose()
        self._flying = [False for _ in self._flying]

    def _answered(self, frame: Frame, note: Note) -> None:
        asked = self._flying.pop(0) if self._flying else False
        if not isinstance(note, Reply) or not asked or self.live:
            return
        later = [delta for delta in self._tail if delta.last > note.last]
        if later and later[0].first > note.last + 1:
            return
        self.live = True
        self._straddle = not later
        if not later:
            if self._before is not None and note.last < self._before[0]:
                self._before = None  # the ids start again further down
            self.at, self._at_us, self._at_seq = note.last, note.us, frame.seq

    def _delta(self, frame: Frame, delta: Delta) -> list[ExpectedGap]:
        before, self._before = self._before, None
        seen, cause = self._judge(delta)
        rows = []
        if before is not None and delta.first > before[0] + 1:
            rows = [self._row("disconnect", delta, *before)]
        elif cause:
            rows = [self._row(cause, delta, self.at or 0, self._at_seq)]
        if cause:
            self._lose()
        if not seen:
            if not self.live:
                self._tail.append(delta)
            self.at, self._at_us, self._at_seq = delta.last, delta.us, frame.seq
            self._straddle = False
        elif rows:
            self._at_seq = frame.seq
        return rows

    def _judge(self, delta: Delta) -> tuple[bool, str]:
        """Whether it was seen before, and if it does not follow, why."""
        begins = not self.live and not self._tail
        if self.at is None:
            return False, ""
        if delta.last <= self.at and not begins:
            newer = delta.us > self._at_us + SECOND_US
            return not newer, "ids_backwards" if newer else ""
        return False, "depth_ids" if delta.first > self.at + 1 else ""

    def _row(self, cause: str, delta: Delta, at: int, seq: int) -> ExpectedGap:
        missing = None if cause == "ids_backwards" else delta.first - at - 1
        return ExpectedGap(cause, at + 1, delta.first, missing, seq)
