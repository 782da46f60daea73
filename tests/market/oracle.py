"""What protocol section 3.3 expects of a recorder, said once more with lists and a few flags.

It knows no buffer limits, no delays and no books: only which ids came, on which connection, and
whether a snapshot has joined them. From that follow all gap rows, to the last column, and the
comparisons with REST snapshots, which a true venue passes.
"""

from schemas.check_rows import Audit
from schemas.frames import Frame, Kind
from schemas.rows import Gap
from tests.market.everywhere import Bound, Everywhere, at, begun, ended
from tests.market.model_venue import EMITTED_US, Delta
from tests.market.play import SYMBOL, Reply, Spoiled, Step

SECOND_US = 1_000_000

Said = Gap | Audit


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
    at: where the book is, if it is live; else where the deltas that wait for one are.
    """

    def __init__(self, topic: str) -> None:
        self.live = False
        self.at: Bound | None = None
        self.conn = 0
        self._topic = topic
        self._everywhere = Everywhere()
        self._open = False
        self._came: Bound | None = None  # the newest id; of a snapshot, where it was the first
        self._ahead: Bound | None = None  # the snapshot that has what did not come, perhaps
        self._interrupted = ""  # by what, until the first delta after it
        self._flying: list[bool] = []  # requests not answered yet: is the answer still of use
        self._tail: list[Delta] = []  # deltas that chain and wait for a snapshot
        self._outage: list[tuple[Gap, int]] = []  # open rows, and when the gap began
        self._comparison: Comparison | None = None
        self._left = 0  # the connection on which we unsubscribed, and frames may be on their way
        self._gone = False  # unsubscribed, and not heard of since
        self._doubt: Frame | None = None  # whether it was subscribed since then, as that was lost

    def see(self, step: Step) -> list[Said]:
        """Take a frame in."""
        frame, note = step.frame, step.note
        rows: list[Said] = [*self._everywhere.see(frame)]
        if self._left == frame.conn and isinstance(note, Delta | Spoiled):
            return rows
        rows += self._again(frame, isinstance(note, Delta | Spoiled))
        if frame.kind is Kind.SENT and b"UNSUBSCRIBE" in frame.payload:
            return rows + self._leave(frame)
        if frame.kind is Kind.SENT or isinstance(note, Delta):
            self._left = 0
            self._open_on(frame.conn)
        if frame.kind is Kind.CLOSE and frame.conn == self._left:
            self._left = 0
        if frame.kind is Kind.LOSS and not self._everywhere.any_open:
            self._left = 0
            self._doubt = self._everywhere.doubt if self._everywhere.unsure else None
        if frame.kind is Kind.CLOSE and frame.conn == self.conn:
            self._distrust()
            self._open = False
        if frame.kind is Kind.LOSS:
            self._lose()
            self._flying, self._interrupted = [], "loss"
        if frame.kind is Kind.REQUEST:
            self._asked()
        if frame.kind in (Kind.REPLY, Kind.FAILED):
            rows += self._answered(frame, note if isinstance(note, Reply) else None)
        if isinstance(note, Spoiled):
            known = self._ahead or self._came
            if self.live and known:
                gap = begun(frame, self._topic, "unreadable", known)
                gap.expected_id = known.id + 1
                rows.append(self._shown(gap, known))
            self._distrust()
        return rows + self._delta(frame, note) if isinstance(note, Delta) else rows

    def _leave(self, frame: Frame) -> list[Said]:
        """All is as it was before anything was heard, but for requests that are still to be
        answered."""
        rows: list[Said] = [*self._over("unsubscribed", Bound(frame))]
        self._distrust()
        self._open, self._left, self.conn = False, frame.conn, 0
        self._gone, self._doubt = True, None
        self._came, self._interrupted = None, ""
        return rows

    def _again(self, frame: Frame, is_heard: bool) -> list[Said]:
        """A stream that was unsubscribed is heard, or subscribed, again."""
        gone, doubt = self._gone, self._doubt
        if is_heard or (frame.kind is Kind.SENT and b"UNSUBSCRIBE" not in frame.payload):
            self._gone, self._doubt = False, None
        if not (is_heard and gone and doubt):
            return []
        gap = begun(frame, self._topic, "loss", Bound(doubt))
        return [ended(gap, "resumed", Bound(frame), doubt.ts_mono)]

    def _open_on(self, conn: int) -> None:
        if not self._open or conn != self.conn:
            self._distrust()
            self._open, self.conn = True, conn
            self._interrupted = self._interrupted or "disconnect"

    def _lose(self) -> None:
        self.live = False
        self.at = self._ahead = self._comparison = None
        self._tail = []

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
        joined, came = Bound(frame, note.last, note.us), self._came
        if not later and came and note.last < came.id and not restarted(came, note.us):
            return []
        self.live = True
        if later and came and later[-1].last < came.id:
            self._came = Bound(frame, later[-1].last, later[-1].us)
        if not later:
            self.at = joined
            if came is None or (note.last == came.id and not self._interrupted):
                self._came, self._interrupted = joined, ""
            else:
                self._ahead = joined
        return [*self._resynced(joined)]

    def _resynced(self, joined: Bound) -> list[Gap]:
        rows = self._over("resynced", joined)
        for row in rows:
            row.resync_id = joined.id
        return rows

    def _over(self, state: str, until: Bound) -> list[Gap]:
        """The row that ends an outage repeats the first and adds up."""
        if not self._outage:
            return []
        known = [gap.missing for gap, _ in self._outage if gap.missing is not None]
        gap, mono = self._outage[0]
        row = ended(at(until.frame, gap), state, until, mono)
        row.missing = sum(known) if known else None
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
        was_live = self.live
        fate = self._fate(delta)
        rows: list[Said] = [*self._missing(frame, delta, was_live and fate == "lost")]
        here = Bound(frame, delta.last, delta.us)
        if self._is_new(delta):
            self._came = here
            if self._ahead and self._ahead.id <= delta.last:
                self._ahead = None
        self._interrupted = ""
        if fate == "lost":
            self._lose()
        if fate != "seen":
            self.at = here
            if not self.live:
                self._tail.append(delta)
            elif self._comparison:
                self._comparison.kept.append(delta)
            rows += self._agreed(frame, (delta.us + EMITTED_US) * 1_000) if self.live else []
        return rows

    def _fate(self, delta: Delta) -> str:
        """What it is to the book, or to the deltas that wait for one."""
        if self.at is None:
            return "next"
        if delta.last <= self.at.id:
            return "lost" if restarted(self.at, delta.us) else "seen"
        return "lost" if delta.first > self.at.id + 1 else "next"

    def _is_new(self, delta: Delta) -> bool:
        came = self._came
        return came is None or delta.last > came.id or restarted(came, delta.us)

    def _missing(self, frame: Frame, delta: Delta, costs: bool) -> list[Gap]:
        """What did not come before this delta, or that it costs the book."""
        since = self._came
        if since is None:
            return []
        if delta.first > since.id + 1:
            cause = self._interrupted or "depth_ids"
        elif delta.last <= since.id and restarted(since, delta.us):
            cause = "ids_backwards"
        elif costs and self._ahead:
            cause, since = "ids_backwards", self._ahead
        else:
            return []
        gap = self._hole(frame, cause, delta, since)
        if self._ahead is None or costs:
            return [self._shown(gap, since)]
        row = ended(gap, "resynced", self._ahead, since.frame.ts_mono)
        row.resync_id = self._ahead.id
        return [row]

    def _hole(self, frame: Frame, cause: str, delta: Delta, since: Bound) -> Gap:
        gap = begun(frame, self._topic, cause, since)
        gap.ts_event = (delta.us + EMITTED_US) * 1_000
        gap.expected_id, gap.received_id = since.id + 1, delta.first
        gap.missing = None if cause == "ids_backwards" else delta.first - since.id - 1
        return gap


def restarted(since: Bound, us: int) -> bool:
    """Whether ids that are no higher, at an engine time, are of another numbering."""
    return since.us is not None and us > since.us + SECOND_US
