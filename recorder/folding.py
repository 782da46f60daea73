"""Deduplicates what several connections bring: each message is taken once; of its copies only the
arrival times are noted."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from recorder.hold import Arrival
from recorder.intake import Intake
from recorder.stamp import Stamp
from schemas.frames import Frame, Kind, to_json
from tape.copies import BYTES, HORIZON_NS, Copies, Message
from tape.copy_notes import CopyNotes, Found

NOTE_EVERY_S = 0.05
COPIES_SHARE = 4  # one part in so many of the bound on memory is for what copies are known by

_STREAM = b'"stream"'  # all else, such as an error reply, is said to one connection


class Folding:
    """Stands before the intake, and costs nothing while there is one connection only."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self._copies: Copies | None = None
        self._sides = 0  # who wants it on
        self._noted = CopyNotes()
        self._due: asyncio.TimerHandle | None = None
        intake.endings.append(self.note)
        intake.memory.beside.append(self)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Copies are told from new messages meanwhile, and until none can come any more."""
        self._sides += 1
        if self._copies is None:
            self._copies = Copies()
        try:
            yield
        finally:
            asyncio.get_running_loop().call_later(HORIZON_NS / 1e9, self._less)

    def take(self, kind: Kind, payload: bytes, conn: int, stamp: Stamp) -> bool:
        """A connection has brought a message; whether it was a copy. One that is shed is none,
        though it may be of what is on the tape: so the counts add up to what was sent."""
        if self.intake.held is not None:
            later = partial(self.take, kind, payload, conn)
            self.intake.held.add(Arrival(stamp, len(payload), True, later))
            return False
        copies = self._copies
        if copies is None or kind is not Kind.DATA or _STREAM not in payload:
            self.intake.take(kind, payload, conn=conn, stamp=stamp)
            return False
        if self.intake.sheds(payload):  # first, as a look for its frame takes longer
            return False
        message = Message(payload)
        original = copies.find(conn, message, stamp.ts_mono)
        if original is None:
            seq = self.intake.take(kind, payload, conn=conn, stamp=stamp)
            if seq:
                copies.most = self._most
                copies.add(conn, message, seq, stamp.ts_mono)
            return False
        ahead = None
        if message.event_us is not None and original.event_us is not None:
            ahead = message.event_us - original.event_us
        found = Found(original, stamp.ts_mono - original.ts_mono, ahead)
        self._collect(found, conn, stamp.ts_mono)
        return True

    def remember(self, frames: Iterable[Frame]) -> None:
        """While it is on: these are on the tape, as another process took them."""
        for frame in frames:
            if self._copies is not None and frame.kind is Kind.DATA and _STREAM in frame.payload:
                self._copies.most = self._most
                self._copies.add(frame.conn, Message(frame.payload), frame.seq, frame.ts_mono)

    @property
    def held(self) -> int:
        """Bytes of what is remembered, about."""
        return 0 if self._copies is None else self._copies.held

    def note(self) -> None:
        """What was collected goes onto the tape."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._noted:
            self.intake.take(Kind.COPIES, to_json(self._noted.take()))

    def _collect(self, found: Found, conn: int, at: int) -> None:
        self._noted.add(found, conn, at)
        if self._noted.is_due(at):
            self.note()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(NOTE_EVERY_S, self.note)

    @property
    def _most(self) -> int:
        return min(BYTES, self.intake.memory.bound // COPIES_SHARE)

    def _less(self) -> None:
        self._sides -= 1
        if not self._sides:
            self._copies = None
