"""What of the frames that pass goes out, to whom and when: selection, faults, derived streams."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from operator import itemgetter

from replay.selection import Selection
from replay.server.audience import Audience, Outgoing
from replay.server.breakpoints import Condition, Hit, Watch, watch
from replay.server.chaos import Chaos
from replay.server.course import Stretch
from replay.server.derived import Derived, derive
from replay.server.log import Say, unsaid
from replay.server.shift import Shift
from schemas.frames import Frame, Kind
from schemas.rows import Gap, Trade
from schemas.topics import Topic
from tape.history import History, Mark

FAR = 2**63 - 1  # a time that never comes

_TOLD = 10_000  # topics that are remembered to have been spoken of
_CLOCKS_APART_NS = 60_000_000_000  # that the clocks of the venue and the recorder may differ


class Relay:
    """Takes the frames that pass and gives the audience what it is subscribed to.

    due: tape time at which something that was put off, or made, is to go out; `FAR` if nothing.
    hit: what a breakpoint found; whoever stops takes it away.
    faults: what was done on purpose, by kind.
    events: kinds of frames that it stops in front of.
    """

    def __init__(
        self,
        history: History,
        audience: Audience,
        topics: Iterable[str],
        gaps_in: Callable[[int], dict[int, Gap]],
        *,
        selection: Selection,
        events: frozenset[Kind],
        chaos: Chaos | None = None,
        shift: Shift | None = None,
        say: Say = unsaid,
    ) -> None:
        self.due = FAR
        self.hit: Hit | None = None
        self.faults: Counter[str] = Counter()
        self.conditions: list[Condition] = []
        self._history = history
        self._gaps_in = gaps_in
        self._audience = audience
        self._recorded = frozenset(topic for topic in topics if selection.wants(topic))
        self._selection = selection
        self._events = events
        self._chaos = chaos
        self._shift = shift
        self._say = say
        self._out: list[Outgoing] = []
        self._derived: dict[str, Derived] = {}
        self._sources: dict[str, list[Derived]] = {}
        self._late: list[tuple[int, int, str | None, bytes]] = []  # a heap: time, order, message
        self._order = count()
        self._watches: dict[str, list[Watch]] = {}
        self._gaps: dict[int, dict[int, Gap]] = {}  # by segment and seq
        self._watches_gaps = False
        self._told: set[str] = set()

    def passing(self, stretch: Stretch, at: int, until: int) -> int:
        """Take frames; how far it came: a breakpoint is behind its frame, an event before it."""
        frames, zero, wanted = stretch.frames, stretch.zero, self._audience.wanted
        watched, sources, everything = self._watches, self._sources, self._selection.everything
        for index in range(at, until):
            frame, topic = frames[index]
            if zero + frame.ts_mono >= self.due:
                self.late(zero + frame.ts_mono)
            if frame.kind is Kind.DATA:
                if topic is None or (topic in wanted and (everything or topic in self._recorded)):
                    self._emit(stretch, frame, topic)
                if topic in sources:
                    self._feed(sources[topic], frame, zero)
                if watched and topic is not None:
                    self._watch(topic, frame, Mark(stretch.segment, frame.seq))
            elif frame.kind in self._events:
                return index
            elif frame.kind is Kind.BINARY:
                self.flush()
                self._audience.deliver_binary(frame.payload)
            if self._watches_gaps:
                self.look(stretch.segment, frame)
            if self.hit is not None:
                return index + 1
        return until

    def late(self, now: int) -> None:
        """Take what is due by a tape time: frames that were put off, and those that are made."""
        while self._late and self._late[0][0] <= now:
            _, _, topic, payload = heapq.heappop(self._late)
            self._out.append((topic, payload))
        made: list[tuple[int, str, bytes]] = []
        for derived in self._derived.values():
            while (due := derived.due) is not None and due <= now:
                made.append((due, derived.topic, derived.make()))
        made.sort(key=itemgetter(0))
        self._out += [(topic, self._shifted(topic, payload)) for _, topic, payload in made]
        self._aim()
        self.flush()

    def finish(self) -> None:
        """At the end: send what was put off, at once; what is made would need more to come."""
        while self._late:
            self._out.append(heapq.heappop(self._late)[2:])
        self._aim()
        self.flush()

    def flush(self) -> None:
        """Hand on what was taken."""
        if self._out:
            out, self._out = self._out, []
            self._audience.deliver(out)

    def restart(self) -> None:
        """The replay goes on elsewhere: nothing of before is true any more."""
        self._out.clear()
        self._late.clear()
        self._derived.clear()
        self._sources.clear()
        self.hit = None
        self._rewatch()
        self._aim()

    def subscribed(self, topics: Iterable[str], mark: Mark, now: int) -> None:
        """Somebody is subscribed to these now: make those that were not recorded."""
        for topic in topics:
            if topic in self._recorded or topic in self._derived:
                continue
            made = derive(topic, self._recorded, self._past(mark), now)
            if made is None:
                self._tell(topic, "not_recorded", "nothing it could be made from was recorded")
                continue
            self._derived[topic] = made
            self._sources.setdefault(made.source, []).append(made)
            self._tell(topic, "derived", f"it was not recorded, and is made from {made.source}")
        self._aim()

    def unsubscribed(self) -> None:
        """Nothing is made that nobody wants."""
        for topic in [topic for topic in self._derived if topic not in self._audience.wanted]:
            made = self._derived.pop(topic)
            self._sources[made.source].remove(made)
            if not self._sources[made.source]:
                del self._sources[made.source]
        self._aim()

    def arm(self, condition: Condition) -> None:
        """Stop where this becomes true."""
        self.conditions.append(condition)
        self._rewatch()

    def disarm(self) -> None:
        """Stop nowhere."""
        self.conditions.clear()
        self._rewatch()

    def _emit(self, stretch: Stretch, frame: Frame, topic: str | None) -> None:
        """A message of the venue, unless it is an answer to the recorder alone."""
        if topic is None and b'"error"' in frame.payload:
            return
        payload = self._shifted(topic, frame.payload)
        if self._chaos is None:
            self._out.append((topic, payload))
            return
        fate = self._chaos.fate(stretch.session, frame.seq)
        self.faults.update(fate.faults)
        if fate.delay:
            time = stretch.zero + frame.ts_mono + fate.delay
            for _ in range(fate.copies):
                heapq.heappush(self._late, (time, next(self._order), topic, payload))
            self._aim()
        else:
            self._out += [(topic, payload)] * fate.copies
        if fate.disconnect:
            self.flush()
            self._audience.cut("chaos")

    def _feed(self, made: Iterable[Derived], frame: Frame, zero: int) -> None:
        for derived in made:
            derived.take(frame.payload, zero + frame.ts_mono)
        self._aim()

    def _watch(self, topic: str, frame: Frame, mark: Mark) -> None:
        watches = self._watches.get(topic)
        if watches is None:
            parsed = Topic.parse(topic)
            concerned = [c for c in self.conditions if c.concerns(parsed)]
            watches = [watch(c, parsed, self._history.book) for c in concerned]
            self._watches[topic] = watches
        for each in watches:
            self.hit = self.hit or each.take(frame.payload, mark)

    def look(self, segment: int, frame: Frame) -> None:
        """Whether a gap shows, or ends, with a frame, and somebody waits for one."""
        gap = self._gaps_of(segment).get(frame.seq) if self._watches_gaps else None
        if gap is None:
            return
        for condition in self.conditions:
            if condition.kind == "gap" and condition.symbol in ("", gap.symbol):
                detail = f"{gap.cause} on {gap.topic or 'all streams'} ({gap.state})"
                self.hit = self.hit or Hit(condition.text, gap.symbol or "", detail)

    def _gaps_of(self, segment: int) -> dict[int, Gap]:
        if segment not in self._gaps:
            self._gaps = {segment: self._gaps_in(segment)}
        return self._gaps[segment]

    def _rewatch(self) -> None:
        """Look anew at which streams somebody waits for something on."""
        self._watches.clear()
        if any(condition.channel for condition in self.conditions):
            self._watches[""] = []  # none is known yet: each is looked at when it passes
        self._watches_gaps = any(condition.kind == "gap" for condition in self.conditions)

    def _past(self, mark: Mark) -> Callable[[str, int], list[Trade]]:
        """Trades since an engine time, by the clock that the frames were received by."""

        def past(symbol: str, since: int) -> list[Trade]:
            rows = self._history.since(Trade, symbol, mark, since - _CLOCKS_APART_NS)
            return [row for row in rows if row.ts_engine >= since]

        return past

    def _shifted(self, topic: str | None, payload: bytes) -> bytes:
        return payload if self._shift is None else self._shift.payload(topic, payload)

    def _aim(self) -> None:
        dues = [derived.due for derived in self._derived.values() if derived.due is not None]
        dues += [self._late[0][0]] if self._late else []
        self.due = min(dues, default=FAR)

    def _tell(self, topic: str, event: str, why: str) -> None:
        """Once for each stream, as far as that can be remembered: any name may be asked for."""
        if topic not in self._told:
            if len(self._told) >= _TOLD:
                self._told.clear()
            self._told.add(topic)
            self._say(event, {"topic": topic[:100], "why": why})
