"""Compares what a replay makes of a segment with what the live recorder noted."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from schemas.digest import Witness, is_comparable
from schemas.frames import Checkpoint, Frame, Kind, SegmentHead
from schemas.rows import SCHEMA, Row

STATE = "state"


class Dispute(NamedTuple):
    """Where a replay and the live recorder part: after ``after_seq``, up to ``until_seq``.

    what: ``frames``, ``rows`` or ``state``, which is what an engine remembers at the end; the rows
        of other frames are others too, and so is the state.
    """

    what: str
    after_seq: int
    until_seq: int

    def __str__(self) -> str:
        if self.what == STATE:
            return f"at seq {self.until_seq} the live recorder remembered other things"
        return (
            f"{self.what} after seq {self.after_seq} up to seq {self.until_seq} are not those"
            " the live recorder made"
        )


class Trial:
    """Sees all frames of a segment with the rows the replay made.

    state: digest of what the engine that replays it remembers; asked for at the end.
    dispute: the first disagreement; None if none.
    outdated: the first rows that are others where the recorder's were of an older schema: that is
        no disagreement, and its frames agreed.
    agreed: seq of the last checkpoint that agreed, 0 if none.
    ring, heals: as the segment's head has them.
    end: why the segment ended, if its last frame is the recorder's final checkpoint; else None.
    """

    def __init__(self, state: Callable[[], str]) -> None:
        self.dispute: Dispute | None = None
        self.outdated: Dispute | None = None
        self.agreed = 0
        self.end: str | None = None
        self.ring: int | None = None
        self.heals = False
        self._schema = SCHEMA
        self._state = state
        self._witness = Witness()

    @property
    def divergence(self) -> str | None:
        """The dispute as a sentence."""
        return None if self.dispute is None else str(self.dispute)

    def see(self, frame: Frame, rows: Sequence[Row], intact: bool) -> None:
        """Take the next frame. ``intact``: no frame is missing so far.

        Once frames are missing, digests cannot agree and say nothing; they are not compared.
        """
        self.end = None
        if frame.kind is Kind.CHECKPOINT:
            noted = _noted(frame)
            self.end = noted.end
            if intact:
                self._compare(noted, frame.seq)
        elif frame.kind is Kind.SEGMENT:
            self._begin(frame)
        self._witness.see(frame, rows)

    def _begin(self, frame: Frame) -> None:
        """A head that cannot be read is taken for one of this version."""
        with suppress(msgspec.MsgspecError, ValueError):
            head = msgspec.json.decode(frame.payload, type=SegmentHead)
            self._schema, self.ring = head.rows_schema, head.ring or None
            self.heals = head.heals is True

    def digests(self) -> Checkpoint:
        """Of all frames seen and their rows."""
        return self._witness.checkpoint()

    def _compare(self, noted: Checkpoint, seq: int) -> None:
        made = self._witness.checkpoint(noted.end)
        if made == replace(noted, state=None):
            self._compare_state(noted, seq)
        elif made.frames == noted.frames and self._schema < SCHEMA:
            self.outdated = self.outdated or Dispute("rows", self.agreed, seq - 1)
            self.agreed = seq
        elif self.dispute is None:
            what = "frames" if made.frames != noted.frames else "rows"
            self.dispute = Dispute(what, self.agreed, seq - 1)

    def _compare_state(self, noted: Checkpoint, seq: int) -> None:
        """Rows agree. Recordings of before do not say what was remembered, and what another version
        remembers cannot be compared."""
        if noted.state is not None:
            made = self._state()
            if made != noted.state and is_comparable(made, noted.state):
                self.dispute = self.dispute or Dispute(STATE, self.agreed, seq - 1)
                return
        self.agreed = seq


def _noted(frame: Frame) -> Checkpoint:
    """What the recorder noted; digests that agree with nothing where it cannot be read."""
    try:
        return msgspec.json.decode(frame.payload, type=Checkpoint)
    except (msgspec.MsgspecError, ValueError):
        return Checkpoint("unreadable", "unreadable")
