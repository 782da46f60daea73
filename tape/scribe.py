"""Writes a recording that is made of others, as a recorder does: journal, checkpoints, rolls."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from schemas.digest import CHECKPOINT_EVERY, Witness, state_digest
from schemas.frames import Frame, Kind, SegmentHead, to_json
from tape.draft import SealEngine
from tape.journal import JournalWriter
from tape.layout import HOUR_NS, LARGEST_SEGMENT_FRAMES, SegmentName, Tape
from tape.manifest import Manifest
from tape.reader import segments
from tape.seal import seal
from tape.sealers import Sealers

_FLUSH_FRAMES = 10_000  # that wait in memory


class LiveEngine(SealEngine, Protocol):
    """An engine whose memory can go on in the next segment."""

    def keyframes(self) -> Iterator[tuple[str, bytes]]:
        """Of all that it remembers."""


class Content(NamedTuple):
    """Of a frame to be, all but its number and its times."""

    kind: Kind
    payload: bytes
    conn: int = 0
    topic: str = ""


class Stamp(NamedTuple):
    """When: ``ts_recv`` as it was recorded, and by the clock of the union, both ns since the
    epoch."""

    ts_recv: int
    at: int


class Scribe:
    """Takes frames one by one; the segment ends with the hour of the union's clock.

    head: of the segment that begins; its number and topics are filled in. private: only its owner
    may read the journals. seq: of the newest frame. ended: of the newest one in a segment that has
    ended.
    """

    def __init__(
        self, tape: Tape, engine: Callable[[], LiveEngine], head: SegmentHead, private: bool
    ) -> None:
        self.seq = self.ended = 0
        self._tape = tape
        self._make = engine
        self._sealers = Sealers(tape, engine)
        self._engine = engine()
        self._base = head
        self._private = private
        self._number = 0
        self._journal: JournalWriter | None = None
        self._witness = Witness()
        self._until = self._last_seq = 0
        self._stamp = Stamp(0, 0)

    def is_due(self, stamp: Stamp) -> bool:
        """Whether a segment has to begin before a frame of that time."""
        return stamp.at >= self._until or self.seq >= self._last_seq

    def begin(self, stamp: Stamp, topics: Iterable[str]) -> None:
        """End the segment, if one is open, and begin the next."""
        keyframes: list[tuple[str, bytes]] = []
        if self._number:
            keyframes = self._end("roll")
            self._sealers.begin(self._tape.journal(self._name))
            self.ended = self.seq
        self._stamp = stamp
        self._number += 1
        self._until = (stamp.at // HOUR_NS + 1) * HOUR_NS
        self._last_seq = self.seq + LARGEST_SEGMENT_FRAMES
        self._journal = JournalWriter(self._tape.journal(self._name), private=self._private)
        self._witness = Witness()
        head = replace(self._base, number=self._number, topics=tuple(sorted(topics)))
        self.take(Content(Kind.SEGMENT, to_json(head)), stamp)
        for topic, state in keyframes:
            self.take(Content(Kind.KEYFRAME, state, topic=topic), stamp)

    def take(self, content: Content, stamp: Stamp) -> int:
        """The next frame; its number."""
        assert self._journal is not None, "begin() first"
        self._stamp = stamp
        self.seq += 1
        kind, payload, conn, topic = content
        frame = Frame(self.seq, *stamp, conn, kind, topic, payload)
        self._journal.append(frame)
        self._witness.see(frame, self._engine.feed(frame))
        if self._witness.count % _FLUSH_FRAMES == 0:
            self._journal.flush()
        if self._witness.count % CHECKPOINT_EVERY == 0 and kind is not Kind.CHECKPOINT:
            self.take(Content(Kind.CHECKPOINT, to_json(self._witness.checkpoint())), stamp)
        return frame.seq

    def finish(self) -> list[Manifest]:
        """The last segment ends; all of them, sealed."""
        self._end("stop")
        seal(self._tape.journal(self._name), self._tape, self._make())
        self._sealers.finish()
        return segments(self._tape, merge=True)

    def abandon(self) -> None:
        """Leave the journals as they are."""
        self._sealers.abandon()
        if self._journal is not None:
            self._journal.abandon()

    def _end(self, why: str) -> list[tuple[str, bytes]]:
        """What the engine remembers, for the next segment."""
        assert self._journal is not None, "begin() first"
        keyframes = list(self._engine.keyframes())
        noted = replace(self._witness.checkpoint(why), state=state_digest(keyframes))
        self.take(Content(Kind.CHECKPOINT, to_json(noted)), self._stamp)
        self._journal.close()
        self._journal = None
        return keyframes

    @property
    def _name(self) -> SegmentName:
        return SegmentName(self._base.session, self._number)
