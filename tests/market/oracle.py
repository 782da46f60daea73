"""What protocol section 3.3 expects of a recorder, said once more with lists and a few flags.

It knows no buffer limits, no delays and no books: only which ids were heard of, on which
connection, and whether a snapshot has joined them. From that follow all gap rows, to the last
column, and the comparisons with REST snapshots, which a true venue passes.
"""

from typing import NamedTuple

import msgspec

from schemas.frames import Frame, FramesLost, Kind
from schemas.rows import Audit, Gap
from tests.market.model_venue import EMITTED_US, Delta
from tests.market.play import SYMBOL, Reply, Spoiled, Step

SECOND_US = 1_000_000

Said = Gap | Audit


class Bound(NamedTuple):
    """A frame at one end of a gap, the newest id by then, the engine time of it."""

    frame: Frame
    id: int = 0
    us: int | None = None

    @property
    def ts_engine(self) -> int | None:
        """In ns."""
        return None if self.us is None else self.us * 1_000


def ended(gap: Gap, state: str, until: Bound, mono: int) -> Gap:
    """A gap that began at a monotonic time, with its end."""
    return msgspec.structs.replace(
        gap,
        state=state,
        ts_until=until.frame.ts_recv,
        ts_engine_until=until.ts_engine,
        lasted_ns=until.frame.ts_mono - mono,
    )


def at(frame: Frame, gap: Gap) -> Gap:
    """The same said by a frame that is no event of the venue's."""
    return msgspec.structs.replace(gap, seq=frame.seq, ts_recv=frame.ts_recv, ts_event=None)


def begun(frame: Frame, topic: str | None, cause: str, since: Bound) -> Gap:
    """A gap that a frame shows, without ids."""
    return Gap(
        frame.seq, frame.ts_recv, None, SYMBOL if topic else None, topic, cause,
        None, None, None, since.frame.seq, since.frame.ts_recv, "open", since.ts_engine,
        None, None, None, None,
    )  # fmt: skip


class Everywhere:
    """Gaps of all streams: no connection, or frames of ours lost."""

    def __init__(self) -> None:
        self._heard: Frame | None = None
        self._before: Frame | None = None
        self._open: set[int] = set()
        self._down: tuple[Gap, int] | None = None
        self._loss: tuple[Gap, int] | None = None

    def see(self, frame: Frame) -> list[Gap]:
        """Take a frame in."""
        rows: list[Gap] = []
        if frame.kind is Kind.OPEN:
            self._open.add(frame.conn)
            if self._down is not None:
                rows = [ended(at(frame, self._down[0]), "resumed", Bound(frame), self._down[1])]
            self._down = None
        if frame.kind is Kind.CLOSE:
            self._open -= {frame.conn}
            if not self._open and self._down is None:
                since = self._heard or frame
                rows = [begun(frame, None, "disconnect", Bound(since))]
                self._down = rows[0], since.ts_mono
        if frame.kind is Kind.LOSS:
            rows = self._lost(frame, msgspec.json.decode(frame.payload, type=FramesLost))
        if frame.kind in (Kind.OPEN, Kind.DATA):
            self._heard = frame
        self._before = frame
        return rows

    def _lost(self, frame: Frame, lost: FramesLost) -> list[Gap]:
        if not lost.ended:
            if self._loss is not None:
                return []
            self._loss = begun(frame, None, "loss", Bound(frame)), frame.ts_mono
            return [self._loss[0]]
        if self._loss is None:
            self._open.clear()
            before = self._before or frame
            self._loss = begun(frame, None, "loss", Bound(before)), before.ts_mono
        row = ended(at(frame, self._loss[0]), "resumed", Bound(frame), self._loss[1])
        self._loss = None
        return [msgspec.structs.replace(row, missing=lost.frames)]


class Comparison:
    """A REST snapshot that was asked for while the book was live."""

    def __init__(self, behind: int) -> None:
        self.behind: int | None = behind  # answers to others that come first; None: not asked yet
        self.kept: list[Delta] = []
        self.answer: int | None = None
        self.again = False


class Oracle:
    """Follows the frames; says after each whether the book is live, at which id, what is missing.

    conn: the newest connection with a word of our stream on it.
    at: newest id heard, of deltas or of a snapshot that joined, and the frame it came in. It
        outlives the connection, so that an outage shows.
    before: the same of before an interruption, until the first delta after it.
    """

    def __init__(self, topic: str) -> None:
        self.live = False
        self.at: Bound | None = None
        self.conn = 0
        self._topic = topic
        self._everywhere = Everywhere()
        self._at_us = 0
        self._open = False
        self._shed = False
        self._before: Bound | None = None
        self._joined: Bound | None = None
        self._flying: list[bool] = []  # requests not answered yet: is the answer still of use
        self._tail: list[Delta] = []  # deltas that chain and wait for a snapshot
        self._straddle = False  # the next delta may begin before the snapshot ends
        self._outage: list[tuple[Gap, int]] = []  # open rows, and when the gap began
        self._comparison: Comparison | None = None

    def see(self, step: Step) -> list[Said]:
        """Take a frame in."""
        frame, note = step.frame, step.note
        rows: list[Said] = [*self._everywhere.see(frame)]
        if frame.kind is Kind.SENT or isinstance(note, Delta):
            self._open_on(frame.conn)
        if frame.kind is Kind.CLOSE and frame.conn == self.conn:
            self._distrust()
            self._open = False
        if frame.kind is Kind.LOSS:
            self._lose()
            self._interrupt()
            self._flying, self._shed = [], True
        if frame.kind is Kind.REQUEST:
            self._asked()
        if frame.kind in (Kind.REPLY, Kind.FAILED):
            rows += self._answered(frame, note if isinstance(note, Reply) else None)
        if isinstance(note, Spoiled):
            if self.live and self.at:
                gap = begun(frame, self._topic, "unreadable", self.at)
                gap.expected_id = self.at.id + 1
                rows.append(self._shown(gap, self.at))
            self._distrust()
        return rows + self._delta(frame, note) if isinstance(note, Delta) else rows

    def _open_on(self, conn: int) -> None:
        if not self._open or conn != self.conn:
            self._distrust()
            self._open, self.conn = True, conn
            self._interrupt()

    def _interrupt(self) -> None:
        if self._before is None:
            self._before = self.at

    def _lose(self) -> None:
        self.live = False
        self._tail = []
        self._comparison = None

    def _distrust(self) -> None:
        self._lose()
        self._flying = [False for _ in self._flying]

    def _asked(self) -> None:
        if self.live:
            running = self._comparison
            if running is None or running.answer is not None:
                self._comparison = Comparison(len(self._flying))
            elif running.behind is None:
                running.behind = len(self._flying)
        self._flying.append(self._open)

    def _answered(self, frame: Frame, note: Reply | None) -> list[Said]:
        asked = self._flying.pop(0) if self._flying else False
        if self.live:
            return self._compared(frame, note)
        if note is None or not asked:
            return []
        later = [delta for delta in self._tail if delta.last > note.last]
        if later and later[0].first > note.last + 1:
            return []
        self.live, self._straddle = True, not later
        joined = Bound(frame, note.last, note.us)
        if not later:
            if self._before is None or note.last < self._before.id:
                # Nothing was heard before, or the ids start again further down.
                self._before, self._shed = None, False
            self.at, self._at_us, self._joined = joined, note.us, joined
        return [*self._resynced(joined)]

    def _resynced(self, joined: Bound) -> list[Gap]:
        """The row that ends an outage repeats the first and adds up."""
        if not self._outage:
            return []
        known = [gap.missing for gap, _ in self._outage if gap.missing is not None]
        gap, mono = self._outage[0]
        row = ended(at(joined.frame, gap), "resynced", joined, mono)
        row.missing, row.resync_id = sum(known) if known else None, joined.id
        self._outage = []
        return [row]

    def _shown(self, gap: Gap, since: Bound) -> Gap:
        """Further gaps of an outage begin where it did."""
        if self._outage:
            first = self._outage[0][0]
            gap.since_seq, gap.ts_since = first.since_seq, first.ts_since
            gap.ts_engine_since = first.ts_engine_since
        self._outage.append((gap, since.frame.ts_mono))
        return gap

    def _compared(self, frame: Frame, note: Reply | None) -> list[Said]:
        running = self._comparison
        if running is None or running.behind is None or running.answer is not None:
            return []
        if running.behind:
            running.behind -= 1
            return []
        first = running.kept[0].first if running.kept else self._id + 1
        if note is None or (note.last + 1 < first and running.again):
            self._comparison = None
        elif note.last + 1 < first:
            running.again, running.behind = True, None
        else:
            running.answer = note.last
        return self._agreed(frame, None)

    def _agreed(self, frame: Frame, ts_event: int | None) -> list[Said]:
        """Both can be brought to one id now."""
        running = self._comparison
        if running is None or running.answer is None or running.answer > self._id:
            return []
        self._comparison = None
        nothing = [None] * 8
        row = Audit(
            frame.seq, frame.ts_recv, ts_event, SYMBOL, self._topic, "rest", self._id, 0, *nothing
        )
        return [row]

    @property
    def _id(self) -> int:
        return self.at.id if self.at else 0

    def _delta(self, frame: Frame, delta: Delta) -> list[Said]:
        before, self._before = self._before, None
        shed, self._shed = self._shed, False
        seen, cause = self._judge(delta)
        rows: list[Said] = []
        if before is not None and delta.first > before.id + 1:
            gap = self._hole(frame, "loss" if shed else "disconnect", delta, before)
            if self.live and not cause and self._joined:
                row = ended(gap, "resynced", self._joined, before.frame.ts_mono)
                row.resync_id = self._joined.id
                rows = [row]
            else:
                rows = [self._shown(gap, before)]
        elif cause and self.at:
            rows = [self._shown(self._hole(frame, cause, delta, self.at), self.at)]
        if cause:
            self._lose()
        if not seen:
            if not self.live:
                self._tail.append(delta)
            elif self._comparison:
                self._comparison.kept.append(delta)
            self.at, self._at_us = Bound(frame, delta.last, delta.us), delta.us
            self._straddle = False
            rows += self._agreed(frame, (delta.us + EMITTED_US) * 1_000) if self.live else []
        elif before is not None and self.at:
            self.at = Bound(frame, self.at.id, delta.us)
        return rows

    def _judge(self, delta: Delta) -> tuple[bool, str]:
        """Whether it was seen before, and if it does not follow, why."""
        begins = not self.live and not self._tail
        if self.at is None:
            return False, ""
        if delta.last <= self.at.id and not begins:
            newer = delta.us > self._at_us + SECOND_US
            return not newer, "ids_backwards" if newer else ""
        return False, "depth_ids" if delta.first > self.at.id + 1 else ""

    def _hole(self, frame: Frame, cause: str, delta: Delta, since: Bound) -> Gap:
        gap = begun(frame, self._topic, cause, since)
        gap.ts_event = (delta.us + EMITTED_US) * 1_000
        gap.expected_id, gap.received_id = since.id + 1, delta.first
        gap.missing = None if cause == "ids_backwards" else delta.first - since.id - 1
        return gap
