"""Recordings whose gap, audit and clock rows a test decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.check_rows import Audit, Clock
from schemas.frames import Frame
from schemas.rows import Gap, Row
from tape.layout import SegmentName, Tape
from tape.manifest import Manifest
from tape.seal import seal
from tests.tape.dumb import DumbRecorder


class ToldEngine:
    """Makes of each frame the rows it was told to, by seq."""

    def __init__(self, rows: Mapping[int, Sequence[Row]]) -> None:
        self.unknown: Mapping[str, int] = {}
        self._rows = rows

    def feed(self, frame: Frame) -> Sequence[Row]:
        return self._rows.get(frame.seq, ())

    def digest(self) -> str:
        return "1:nothing"


@dataclass
class Told:
    """A session with rows of the test's own; each method is a frame now and its row."""

    recorder: DumbRecorder
    rows: dict[int, list[Row]] = field(default_factory=dict)

    @property
    def tape(self) -> Tape:
        return self.recorder.tape

    @property
    def last(self) -> Frame:
        """The newest frame."""
        return self.recorder.frames[-1]

    def pass_(self, ns: int) -> None:
        """Let time pass, or set the clock back."""
        self.recorder.ts += ns

    def hear(self, *topics: str) -> Frame:
        """A frame on each of these streams."""
        for topic in topics:
            self.recorder.say(stream=topic)
        return self.last

    def gap(self, since: Frame, topic: str | None = None, **facts: object) -> Gap:
        """A row that shows a gap; with ``until``, a state other than open: it ended."""
        frame = self.recorder.say(stream=None)
        row = Gap(
            frame.seq, frame.ts_recv, None, None, topic, "depth_ids", None, None, 3, since.seq,
            since.ts_recv, "open", None, None, None, None, None,
        )  # fmt: skip
        for name, value in facts.items():
            setattr(row, name, value)
        self.rows.setdefault(frame.seq, []).append(row)
        return row

    def end(self, gap: Gap, state: str = "resynced") -> Gap:
        """The row that says how a gap ended: now."""
        frame = self.recorder.say(stream=None)
        row = Gap(
            frame.seq, frame.ts_recv, None, gap.symbol, gap.topic, gap.cause, gap.expected_id,
            gap.received_id, gap.missing, gap.since_seq, gap.ts_since, state, None,
            frame.ts_recv, None, max(frame.ts_recv - gap.ts_since, 0), 7,
        )  # fmt: skip
        self.rows.setdefault(frame.seq, []).append(row)
        return row

    def clock(self, step: int = 0, offset: int | None = None) -> Clock:
        """The clocks are looked at."""
        frame = self.recorder.say(stream=None)
        row = Clock(frame.seq, frame.ts_recv, None, None, frame.ts_mono, step, None, None, offset)
        self.rows.setdefault(frame.seq, []).append(row)
        return row

    def audit(self, levels: int, source: str = "rest") -> None:
        """The book is compared."""
        frame = self.recorder.say(stream=None)
        row = Audit(
            frame.seq, frame.ts_recv, None, "X", "depth.X", source, 5, levels, *([None] * 8)
        )
        self.rows.setdefault(frame.seq, []).append(row)

    def roll(self) -> Manifest:
        """The segment is sealed; the next begins."""
        name = self.recorder.name
        self.recorder.roll()
        return self._sealed(name)

    def stop(self) -> Manifest:
        """The session ends and is sealed."""
        self.recorder.stop()
        return self._sealed(self.recorder.name)

    def _sealed(self, name: SegmentName) -> Manifest:
        manifest = seal(self.tape.journal(name), self.tape, ToldEngine(self.rows))
        assert manifest is not None
        return manifest
