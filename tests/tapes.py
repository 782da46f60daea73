"""Small recordings for tests, written as a recorder writes them: journal, checkpoints, seal.

`Recording` takes what happens, one call per frame, with a clock that the test sets. `simulated`
makes a whole recording of the simulated markets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from market.engine import Engine
from schemas.digest import Witness
from schemas.frames import ConnectionClosed, ConnectionOpened, Frame, Kind, SegmentHead, to_json
from schemas.requests import SnapshotRequest
from schemas.rows import SCHEMA
from tape.journal import JournalWriter
from tape.layout import SegmentName, Tape
from tape.seal import seal
from tape.version import FORMAT, code_version
from tests.simulate import Plan, simulate

START_NS = 1_788_367_390_000_000_000  # 2026-09-02T16:43:10Z
MONO_NS = 5_000_000_000  # what the monotonic clock says at START_NS
WS_URL = "wss://ws.backpack.exchange"
REST_URL = "https://api.backpack.exchange"


@dataclass(frozen=True, slots=True)
class Setting:
    """How a recording is made.

    every: frames between two checkpoints; the recorder has 1,000.
    code: version that claims to record.
    ring: ns, of a recording of which segments may be left out.
    """

    session: str = "20260902T164310Z"
    every: int = 1_000
    code: str = field(default_factory=code_version)
    ring: int | None = None


class Recording:
    """One session being recorded into a folder.

    The clock stands still unless the test moves it: ``wall`` and ``mono`` in ns; ``pass_`` moves
    both, `wall` alone may be set as an administrator would.
    """

    def __init__(self, root: Path, setting: Setting | None = None) -> None:
        self.tape = Tape(root)
        self.setting = setting or Setting()
        self.frames: list[Frame] = []
        self.wall, self.mono = START_NS, MONO_NS
        self.conn = 0
        self._engine = Engine()
        self._number = 0
        self._topics: tuple[str, ...] = ()
        self._journal: JournalWriter | None = None
        self._witness = Witness()

    def pass_(self, ns: int) -> None:
        """Let time pass on both clocks."""
        self.wall += ns
        self.mono += ns

    def begin(self, topics: Iterable[str] = ()) -> None:
        """Begin the first segment."""
        self._topics = tuple(topics)
        self._begin_segment()

    def take(self, kind: Kind, payload: bytes, topic: str = "", conn: int = 0) -> Frame:
        """Anything arrives: journal, engine, and now and then a checkpoint."""
        assert self._journal is not None, "begin() first"
        seq = len(self.frames) + 1
        frame = Frame(seq, self.wall, self.mono, conn, kind, topic, payload)
        self.frames.append(frame)
        self._journal.append(frame)
        self._witness.see(frame, self._engine.feed(frame))
        self._engine.take_requests()
        if self._witness.count % self.setting.every == 0 and kind is not Kind.CHECKPOINT:
            self._checkpoint(None)
        return frame

    def connect(self) -> None:
        """A new connection opens and subscribes to all topics."""
        self.conn += 1
        self.take(Kind.OPEN, to_json(ConnectionOpened(WS_URL)), conn=self.conn)
        command = {"method": "SUBSCRIBE", "params": list(self._topics)}
        self.take(Kind.SENT, json.dumps(command).encode(), conn=self.conn)

    def disconnect(self) -> None:
        """The connection breaks."""
        self.take(Kind.CLOSE, to_json(ConnectionClosed(1006, "")), conn=self.conn)

    def hang_up(self) -> None:
        """The recorder closes the connection, as it was told to stop."""
        self.take(Kind.CLOSE, to_json(ConnectionClosed(1000, "", stopped=True)), conn=self.conn)

    def data(self, text: str | bytes) -> Frame:
        """A websocket text arrives on the open connection."""
        payload = text if isinstance(text, bytes) else text.encode()
        return self.take(Kind.DATA, payload, conn=self.conn)

    def snapshot(self, symbol: str, body: str) -> Frame:
        """A book is asked for by REST, and answered."""
        path = SnapshotRequest(symbol, 0).path
        self.take(Kind.REQUEST, b"", topic=path)
        return self.take(Kind.REPLY, body.encode(), topic=path)

    def roll(self, end: str = "roll") -> None:
        """The segment ends; the next begins with keyframes of what is remembered."""
        self._checkpoint(end)
        self._seal()
        self._begin_segment()

    def drop(self) -> None:
        """The same of a segment that is not kept."""
        self._checkpoint("roll")
        self.cut().unlink()
        self._begin_segment()

    def stop(self, state: str | None = None) -> Tape:
        """The recorder ends in order. state: what it says was remembered, where that is wrong."""
        self._checkpoint("stop", state)
        self._seal()
        return self.tape

    def flush(self) -> None:
        """What was taken so far becomes a batch of the journal."""
        assert self._journal is not None, "begin() first"
        self._journal.flush()

    def cut(self) -> Path:
        """The recorder is killed; its journal."""
        assert self._journal is not None, "begin() first"
        self._journal.close()
        return self.tape.journal(self._name)

    def crash(self, spoil: Callable[[Path], None] = lambda journal: None) -> Tape:
        """The recorder is killed, the disk spoils its journal; the next one seals what it finds."""
        spoil(self.cut())
        self._seal()
        return self.tape

    def _begin_segment(self) -> None:
        self._number += 1
        self._journal = JournalWriter(self.tape.journal(self._name))
        self._witness = Witness()
        keyframes = list(self._engine.keyframes())
        self.take(Kind.SEGMENT, to_json(self._head()))
        for topic, state in keyframes:
            self.take(Kind.KEYFRAME, state, topic=topic)

    def _checkpoint(self, end: str | None, state: str | None = None) -> None:
        if end is not None:
            state = state or self._engine.digest()
        self.take(Kind.CHECKPOINT, to_json(replace(self._witness.checkpoint(end), state=state)))

    def _seal(self) -> None:
        assert self._journal is not None, "begin() first"
        self._journal.close()
        self._journal = None
        seal(self.tape.journal(self._name), self.tape, Engine())

    @property
    def _name(self) -> SegmentName:
        return SegmentName(self.setting.session, self._number)

    def _head(self) -> SegmentHead:
        session, code = self.setting.session, self.setting.code
        head = SegmentHead(
            session, self._number, FORMAT, code, self._topics, WS_URL, REST_URL, SCHEMA
        )
        ring = self.setting.ring
        return head if ring is None else msgspec.structs.replace(head, ring=ring)


def simulated(root: Path, plan: Plan, rolls: int = 0, setting: Setting | None = None) -> Recording:
    """A whole recording of the simulated markets, in ``rolls`` + 1 segments of equal size."""
    session = simulate(plan)
    recording = Recording(root, setting)
    recording.wall = plan.start_ns
    recording.begin(sorted(session.topics))
    recording.connect()
    for symbol, body in session.snapshots.items():
        recording.snapshot(symbol, body)
    size = len(session.frames) // (rolls + 1) + 1
    for index, frame in enumerate(session.frames):
        recording.pass_(max(frame.ts_ns - recording.wall, 0))
        if index and index % size == 0:
            recording.roll()
        recording.data(frame.text)
    recording.stop()
    return recording
