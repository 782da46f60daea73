"""Where every frame enters: it gets a number, goes to the journal, and only then to the engine."""

from collections.abc import Callable

from msgspec.structs import replace

from market.engine import Engine
from recorder.backlog import Backlog
from recorder.hold import Arrival, Hold
from recorder.memory import Memory
from recorder.shedding import Shedding
from recorder.stamp import Clock, Stamp, now
from schemas.digest import CHECKPOINT_EVERY, Witness, state_digest
from schemas.frames import (
    Frame,
    FramesLost,
    Kind,
    LoadTurned,
    RequestFailed,
    SegmentHead,
    to_json,
)
from schemas.requests import Request
from schemas.rows import Row
from schemas.shedding import Level
from tape.journal import JournalWriter

# What is shed when memory is full. All else is small, and tells what happened.
_LARGE = frozenset((Kind.DATA, Kind.BINARY, Kind.REPLY))
_NO_MEMORY = "memory"  # cause of such a loss

_NOTHING: tuple[int, list[tuple[str, bytes]]] = (-1, [])  # no keyframes yet

Listener = Callable[[Frame, list[Row]], None]


class Intake:
    """Numbers frames, journals them, then feeds the engine and whoever listens.

    One thread, no await: what happens for a frame happens before the next one is taken.

    fault: what the program itself failed with. From there on frames are only journaled; whoever
        runs the recording is to end it, and sealing makes the rows.
    clock: what stamps frames that come without a stamp.
    held: what has arrived since `hold`; None while all is taken at once.
    memory: the bound on what the journals hold. When it is reached, frames are shed before they
        get a number, with a LOSS frame at both ends.
    shedding: what is shed as we do not keep up, with a LOAD frame where that changes; backlog: says
        when. What it refuses has no number either, and counts in no memory.
    endings: called before a segment ends, to take what still belongs into it.
    """

    def __init__(
        self,
        ask: Callable[[Request], None],
        memory: Memory | None = None,
        clock: Clock = now,
    ) -> None:
        self.engine = Engine()
        self.memory = memory or Memory()
        self.memory.beside.append(self.engine)
        self.seq = 0
        self.listeners: list[Listener] = []
        self.endings: list[Callable[[], None]] = []
        self.fault: Exception | None = None
        self.held: Hold | None = None
        self._ask = ask
        self.clock = clock
        self.shedding = Shedding()
        self.backlog = Backlog(self.turn, clock)
        self._journal: JournalWriter | None = None
        self._witness = Witness()
        self._next_checkpoint = CHECKPOINT_EVERY
        self._carried = _NOTHING  # by the segment that has ended, as of a seq
        self._follows = False  # on another process, whose last segment that was

    def begin(self, head: SegmentHead, journal: JournalWriter | None) -> None:
        """Begin a segment: its head, then keyframes of all that the engine remembers, then what was
        held."""
        held, self.held = self.held, None
        seq, keyframes = self._carried
        if seq != self.seq:
            keyframes = list(self.engine.keyframes())
        self._carried = _NOTHING
        self._journal = journal
        self._witness = Witness()
        self._next_checkpoint = CHECKPOINT_EVERY
        self.take(Kind.SEGMENT, to_json(head))
        for topic, state in keyframes:
            self.take(Kind.KEYFRAME, state, topic=topic)
        if self._follows:
            self._follow_up()
        if held is not None:
            self.memory.release(held)
            held.release()

    def hold(self) -> None:
        """Until a segment begins, what arrives is stamped and waits. No frame is shed meanwhile:
        whoever asks for that sees to it that it does not last."""
        if self.held is None:
            self.held = Hold()
            self.memory.watch(self.held)

    @property
    def carried(self) -> list[tuple[str, bytes]]:
        """Keyframes as of the end of the segment before, while none is open."""
        return self._carried[1]

    def follow(self, seq: int, keyframes: list[tuple[str, bytes]]) -> None:
        """Before anything was taken: go on behind a frame of another process, whose engine
        remembered that."""
        self.seq = seq
        self._carried = seq, keyframes
        self._follows = True

    def end(self, reason: str) -> JournalWriter | None:
        """End the segment with the digests of all of it; gives its journal back, to be closed."""
        if self.memory.shedding:
            self._end_shedding()
        if self.shedding.has_untold:
            self.turn(self.shedding.level)
        for ending in self.endings:
            ending()
        if self.fault is None:
            self._last_checkpoint(reason)
        journal, self._journal = self._journal, None
        return journal

    def take(
        self,
        kind: Kind,
        payload: bytes,
        *,
        topic: str = "",
        conn: int = 0,
        stamp: Stamp | None = None,
    ) -> int:
        """A frame has arrived (or was sent, or noted); its number, 0 where it was shed or is
        held."""
        if self.held is not None:
            size = len(payload) + len(topic)

            def later(stamp: Stamp) -> None:
                self.take(kind, payload, topic=topic, conn=conn, stamp=stamp)

            is_message = kind in (Kind.DATA, Kind.BINARY)
            self.held.add(Arrival(stamp or self.clock(), size, is_message, later))
            return 0
        if kind is Kind.DATA and self.sheds(payload):
            return 0
        if kind in _LARGE and not self._has_room(kind, payload, topic):
            return 0
        self.memory.take(len(payload) + len(topic))
        self.seq = seq = self.seq + 1
        ts_recv, ts_mono = stamp or self.clock()
        frame = Frame(seq, ts_recv, ts_mono, conn, kind, topic, payload)
        if self._journal is not None:
            self._journal.append(frame)
        if self.fault is None:
            try:
                self._think(frame)
            except Exception as error:  # it may cost the rest of the rows, never a frame
                self.fault = error
        return seq

    def sheds(self, payload: bytes) -> bool:
        """Whether a message is not taken, as we do not keep up; it counts then."""
        return self.shedding.loses and self.shedding.refuses(payload)

    def turn(self, level: Level) -> None:
        """Shed more or less from here on; or tell what was shed so far."""
        self.take(Kind.LOAD, to_json(self.shedding.turn(level)))

    @property
    def takes_all(self) -> bool:
        """Whether all that arrives is taken at once, and looked at."""
        return not (self.memory.shedding or self.shedding.level or self.held is not None)

    @property
    def is_deaf(self) -> bool:
        """Whether a snapshot would not be taken, or could join no book."""
        return self.memory.shedding or self.shedding.level >= Level.NO_ROWS

    def relieve(self) -> None:
        """End shedding if there is memory again."""
        if self.memory.shedding and self.memory.is_relieved:
            self._end_shedding()

    def _follow_up(self) -> None:
        """Whether that process kept up says nothing of this one, which begins with all; its own
        turns are held."""
        self._follows = False
        if self.engine.load.level:
            self.take(Kind.LOAD, to_json(LoadTurned(Level.ALL)))

    def _has_room(self, kind: Kind, payload: bytes, topic: str) -> bool:
        memory = self.memory
        if not memory.shedding:
            if memory.has_room(len(payload) + len(topic)):
                return True
            memory.begin_shedding()
            self.take(Kind.LOSS, to_json(FramesLost(_NO_MEMORY)))
        memory.lose(len(payload))
        if kind is Kind.REPLY:  # who waits for it must hear that it will not come
            failure = RequestFailed(0, "no memory left for the reply", "")
            self.take(Kind.FAILED, to_json(failure), topic=topic)
        return False

    def _end_shedding(self) -> None:
        frames, size = self.memory.end_shedding()
        self.take(Kind.LOSS, to_json(FramesLost(_NO_MEMORY, frames, size, ended=True)))

    def _think(self, frame: Frame) -> None:
        rows = self.engine.feed(frame)
        self._witness.see(frame, rows)
        for request in self.engine.take_requests():
            self._ask(request)
        for listener in self.listeners:
            listener(frame, rows)
        due = self._witness.count >= self._next_checkpoint
        if due and frame.kind is not Kind.CHECKPOINT:  # nothing may follow on that of the end
            self._next_checkpoint += CHECKPOINT_EVERY
            self._checkpoint()

    def _checkpoint(self) -> None:
        self.take(Kind.CHECKPOINT, to_json(self._witness.checkpoint()))

    def _last_checkpoint(self, end: str) -> None:
        """With what is remembered. To export that takes a while, so it is done once for the end of
        this segment and the head of the next."""
        keyframes = list(self.engine.keyframes())
        noted = replace(self._witness.checkpoint(end), state=state_digest(keyframes))
        self.take(Kind.CHECKPOINT, to_json(noted))
        self._carried = self.seq, keyframes
