"""A recorder and an engine too dumb to be wrong, and any frames, for the tests of this room."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.digest import Witness
from schemas.frames import Frame, Kind, to_json
from schemas.rows import Depth, Gap, Row
from tape.journal import JournalWriter
from tape.layout import SegmentName, Tape
from tape.manifest import Manifest
from tape.seal import seal

START = 1_795_330_800_000_000_000  # 2026-11-22T07:00:00Z
SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
NAME = SegmentName("20261122T070000Z", 1)

_int64 = st.integers(-(2**63), 2**63 - 1)

any_frame = st.builds(
    Frame,
    seq=_int64,
    ts_recv=_int64,
    ts_mono=_int64,
    conn=st.integers(0, 2**31 - 1),
    kind=st.sampled_from(Kind),
    topic=st.text(max_size=20),
    payload=st.binary(max_size=60),
)


class DumbEngine:
    """One row per level in the payload's data, ``[symbol, price, qty]``.

    wrong_at: seq of a frame whose rows come out wrong.
    """

    def __init__(self, wrong_at: int | None = None) -> None:
        self.unknown: Mapping[str, int] = {"weather.HERE": 2}
        self._wrong_at = wrong_at

    def feed(self, frame: Frame) -> Sequence[Row]:
        if frame.kind is not Kind.DATA:
            return []
        off = 1 if frame.seq == self._wrong_at else 0
        levels = json.loads(frame.payload)["data"]
        return [_level(frame, symbol, price + off, qty) for symbol, price, qty in levels]

    def digest(self) -> str:
        return "1:nothing"


def _level(frame: Frame, symbol: str | None, price: int, qty: int) -> Row:
    seq, ts = frame.seq, frame.ts_recv
    if qty < 0:
        return Gap(
            seq, ts, None, symbol, "depth.X", "depth_ids", 1, 3, 1, seq - 1, ts - 1,
            "open", None, None, None, None, None,
        )  # fmt: skip
    return Depth(seq, ts, ts - 5, symbol, None, "update", "bid", price, qty, seq, seq, "")


@dataclass
class DumbRecorder:
    """Records a session of one or more segments, as the real one does: journal and checkpoints."""

    tape: Tape
    name: SegmentName = NAME
    ts: int = START
    frames: list[Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begin()

    def say(self, *levels: tuple[str | None, int, int], stream: str | None = "depth.X") -> Frame:
        """A frame from the venue, now."""
        return self.put(Kind.DATA, json.dumps({"data": levels, "stream": stream}).encode())

    def put(self, kind: Kind, payload: bytes, topic: str = "") -> Frame:
        """Any frame, now."""
        mono = self.ts - START
        frame = Frame(len(self.frames) + 1, self.ts, mono, 1, kind, topic, payload)
        self.frames.append(frame)
        self._journal.append(frame)
        self._witness.see(frame, self._engine.feed(frame))
        return frame

    def check(self, end: str | None = None, state: str | None = None) -> None:
        """A checkpoint."""
        noted = replace(self._witness.checkpoint(end), state=state)
        self.put(Kind.CHECKPOINT, to_json(noted))

    def flush(self) -> None:
        """All so far becomes a batch on disk."""
        self._journal.flush()

    def stop(self) -> None:
        """The end of the session."""
        self.check("stop")
        self._journal.close()

    def cut(self) -> None:
        """The end of the process."""
        self._journal.close()

    def roll(self) -> None:
        """The next segment."""
        self.check("roll")
        self._journal.close()
        self.name = SegmentName(self.name.session, self.name.number + 1)
        self.begin()

    def begin(self) -> None:
        """A segment, the first or the next."""
        self._engine = DumbEngine()
        self._witness = Witness()
        self._journal = JournalWriter(self.tape.journal(self.name))
        self.put(Kind.SEGMENT, b"{}")


def sealed(tape: Tape, name: SegmentName = NAME) -> Manifest:
    """Seal a journal that has frames."""
    manifest = seal(tape.journal(name), tape, DumbEngine())
    assert manifest is not None
    return manifest
