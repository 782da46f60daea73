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
    expected_id: int
    received_id: int
    missing: int | None
    since_seq: int


class Oracle:
    """Follows the frames; says after each whether the book is live, at which id, what is missing.

    conn: the newest connection with a word of our stream on it.
    at, at_us, at_seq: newest id heard, of deltas or of a snapshot that joined; its engine time; the
        frame it came in. They outlive the connection, so that an outage shows.
    """

    def __init__(self) -> None:
        self.live = False
        self.at: int | None = None
        self._at_us = 0
        self._at_seq = 0
        self.conn = 0
        self._open = False
        self._reconnected = False  # and neither a delta nor a join since
        self._awaiting = False  # a request went out on this connection and was not answered yet
        self._tail: list[Delta] = []  # deltas that chain and wait for a snapshot
        self._straddle = False  # the next delta may begin before the snapshot ends

    def see(self, step: Step) -> list[ExpectedGap]:
        """Take a frame in."""
        frame = step.frame
        if frame.kind is Kind.SENT or isinstance(step.note, Delta):
            self._open_on(frame.conn)
        if frame.kind is Kind.CLOSE and frame.conn == self.conn:
            self._lose()
            self._open = self._awaiting = False
        if frame.kind is Kind.REQUEST:
            self._awaiting = self._open
        if frame.kind in (Kind.REPLY, Kind.FAILED):
            self._answered(frame, step.note)
        if isinstance(step.note, Spoiled):
            self._lose()
        return self._delta(frame, step.note) if isinstance(step.note, Delta) else []

    def _open_on(self, conn: int) -> None:
        if not self._open or conn != self.conn:
            self._lose()
            self._open, self.conn = True, conn
            self._reconnected = True
            self._awaiting = False

    def _lose(self) -> None:
        self.live = False
        self._tail = []

    def _answered(self, frame: Frame, note: Note) -> None:
        asked, self._awaiting = self._awaiting, False
        if not isinstance(note, Reply) or not asked or self.live:
            return
        later = [delta for delta in self._tail if delta.last > note.last]
        if later and later[0].first > note.last + 1:
            return
        self.live = True
        self._reconnected = False
        self._straddle = not later
        if not later:
            self.at, self._at_us, self._at_seq = note.last, note.us, frame.seq

    def _delta(self, frame: Frame, delta: Delta) -> list[ExpectedGap]:
        begins = not self.live and not self._tail
        at = delta.first - 1 if self.at is None else self.at
        gap = None
        if delta.last <= at and not begins:
            if delta.us <= self._at_us + SECOND_US:
                return []  # seen before
            gap = "ids_backwards"
        elif delta.first > at + 1:
            gap = "disconnect" if begins and self._reconnected else "depth_ids"
        if gap:
            self._lose()
        if not self.live:
            self._tail.append(delta)
        missing = None if gap == "ids_backwards" else delta.first - at - 1
        result = [ExpectedGap(gap, at + 1, delta.first, missing, self._at_seq)] if gap else []
        self.at, self._at_us, self._at_seq = delta.last, delta.us, frame.seq
        self._reconnected = self._straddle = False
        return result
