"""What of the frames that pass goes out, to whom and when: selection, faults, derived streams."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count

from replay.selection import Selection
from replay.server.audience import Audience, Outgoing
from replay.server.breakpoints import Breakpoints, Hit
from replay.server.chaos import Chaos, Fate
from replay.server.course import About, Stretch
from replay.server.derived import Derived, derive
from replay.server.histories import Known
from replay.server.log import Say, unsaid
from replay.server.shift import Shift
from schemas.errors import TapeError
from schemas.frames import Frame, Kind
from schemas.rows import Trade
from tape.history import Mark


def _is_about(about: About, topic: str | None) -> bool:
    return about is None or (topic is not None and about(topic))


FAR = 2**63 - 1  # a time that never comes
_TOLD = 1_000  # topics that are remembered to have been spoken of
_CLOCKS_APART_NS = 60_000_000_000  # that the clocks of the venue and the recorder may differ
_MADE_WITHIN_NS = 1_000_000_000  # of what it is made from, unless it is of nothing new
_AT_A_TIME = 256


class Relay:
    """Takes the frames that pass and gives the audience what it is subscribed to.

    due: tape time at which something that was put off, or made, is to go out; `FAR` if nothing.
    hit: what a breakpoint found; whoever stops takes it away.
    faults: what was done on purpose, by kind.
    breakpoints: see there. shift: how far times are moved for the clients.
    """

    def __init__(
        self,
        history: Known,
        audience: Audience,
        topics: Iterable[str],
        breakpoints: Breakpoints,
        *,
        selection: Selection,
        events: frozenset[Kind],
        chaos: Chaos | None = None,
        say: Say = unsaid,
    ) -> None:
        self.due = FAR
        self.hit: Hit | None = None
        self.faults: Counter[str] = Counter()
        self.breakpoints = breakpoints
        self.shift: Shift | None = None
        self._history = history
        self._audience = audience
        self._recorded = frozenset(topic for topic in topics if selection.wants(topic))
        self._events = events
        self._chaos = chaos
        self._say = say
        self._out: list[Outgoing] = []
        self._derived: dict[str, Derived] = {}
        self._sources: dict[str, list[Derived]] = {}
        self._put_off: list[tuple[int, int, str | None, bytes]] = []  # a heap: time, order, message
        self._order = count()
        self._told: set[str] = set()

    def is_event(self, frame: Frame) -> bool:
        """Whether a frame is more than something to be sent."""
        return frame.kind in self._events

    def passing(self, stretch: Stretch, at: int, until: int) -> int:
        """Take frames; how far it came. It stops behind one that meets a breakpoint, in front of an
        event, and where something else is due."""
        frames, times = stretch.frames, stretch.times
        sources, watching = self._sources, bool(self.breakpoints.conditions)
        for index in range(at, until):
            frame, topic = frames[index]
            if times[index] >= self.due and index > at:
                return index
            if frame.kind is Kind.DATA:
                if self._chaos is not None:
                    self._draw(self._chaos, stretch, index)
                elif self._goes_out(frame, topic):
                    self._out.append((topic, self._shifted(topic, frame.payload)))
                if topic in sources:
                    self._feed(sources[topic], frame, times[index])
            elif frame.kind in self._events:
                return index
            elif frame.kind is Kind.BINARY:
                self.flush()
                self._audience.deliver_binary(frame.payload)
            if watching and self.look(topic, frame, stretch.parts[index].segment):
                return index + 1
        return until

    def look(self, topic: str | None, frame: Frame, segment: int) -> bool:
        """Whether a frame that has passed meets a breakpoint."""
        self.hit = self.breakpoints.passed(topic, frame, segment)
        return self.hit is not None

    def late(self, now: int) -> bool:
        """Send what is due by a tape time: frames that were put off, and those that are made, in
        the order in which they are due. Some at a time; True: there is more."""
        for _ in range(_AT_A_TIME):
            if self.due > now:
                break
            self._next_due()
        self.flush()
        return self.due <= now

    def last_due(self, now: int) -> int:
        """Up to when something is due of what has come by now: made streams else go on for ever."""
        put_off = max((time for time, *_ in self._put_off), default=0)
        return max(put_off, now + _MADE_WITHIN_NS)

    def flush(self) -> None:
        """Hand on what was taken."""
        if self._out:
            out, self._out = self._out, []
            self._audience.deliver(out)

    def restart(self, about: About = None) -> None:
        """The replay goes on elsewhere: nothing of before is true any more, of some topics or of
        all."""
        self._out = [item for item in self._out if not _is_about(about, item[0])]
        self._put_off = [item for item in self._put_off if not _is_about(about, item[2])]
        heapq.heapify(self._put_off)
        for topic in [topic for topic in self._derived if _is_about(about, topic)]:
            self._drop(topic)
        self.hit = None
        self.breakpoints.restart()
        self._aim()

    def subscribed(self, topics: Iterable[str], mark: Mark, now: int) -> None:
        """Somebody is subscribed to these now: make those that were not recorded."""
        for topic in topics:
            if topic in self._recorded or topic in self._derived:
                continue
            try:
                made = derive(topic, self._recorded, self._past(mark), now)
            except TapeError as damaged:
                self._tell(topic, "not_recorded", str(damaged))
                continue
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
            self._drop(topic)
        self._aim()

    def _drop(self, topic: str) -> None:
        made = self._derived.pop(topic)
        self._sources[made.source].remove(made)
        if not self._sources[made.source]:
            del self._sources[made.source]

    def _goes_out(self, frame: Frame, topic: str | None) -> bool:
        """Whether somebody is to have a message: it is of a stream that is served and wanted, or of
        none and no answer to the recorder alone."""
        if topic is None:
            return b'"error"' not in frame.payload
        return topic in self._audience.wanted and topic in self._recorded

    def _draw(self, chaos: Chaos, stretch: Stretch, index: int) -> None:
        """What becomes of a message on a bad day, whether or not somebody wants it."""
        frame, topic = stretch.frames[index]
        fate = chaos.fate(stretch.parts[index].session, frame.seq)
        self.faults.update(fate.faults)
        if self._goes_out(frame, topic):
            if fate.delay:
                self._delay(fate, stretch.times[index], topic, frame.payload)
            else:
                self._out += [(topic, self._shifted(topic, frame.payload))] * fate.copies
        if fate.disconnect:
            self.flush()
            self._audience.close(None, "chaos")

    def _delay(self, fate: Fate, time: int, topic: str | None, payload: bytes) -> None:
        for _ in range(fate.copies):
            late = time + fate.delay, next(self._order), topic, self._shifted(topic, payload)
            heapq.heappush(self._put_off, late)
        self._aim()

    def _feed(self, made: Iterable[Derived], frame: Frame, time: int) -> None:
        for derived in made:
            derived.take(frame.payload, time)
        self._aim()

    def _next_due(self) -> None:
        """Take the one thing that is due first."""
        if self._put_off and self._put_off[0][0] == self.due:
            self._out.append(heapq.heappop(self._put_off)[2:])
        else:
            made = next(each for each in self._derived.values() if each.due == self.due)
            self._out.append((made.topic, self._shifted(made.topic, made.make())))
        self._aim()

    def _past(self, mark: Mark) -> Callable[[str, int], list[Trade]]:
        """Trades since an engine time, by the clock that the frames were received by."""

        def past(symbol: str, since: int) -> list[Trade]:
            rows = self._history.since(Trade, symbol, mark, since - _CLOCKS_APART_NS)
            return [row for row in rows if row.ts_engine >= since]

        return past

    def _shifted(self, topic: str | None, payload: bytes) -> bytes:
        return payload if self.shift is None else self.shift.payload(topic, payload)

    def _aim(self) -> None:
        dues = [derived.due for derived in self._derived.values() if derived.due is not None]
        dues += [self._put_off[0][0]] if self._put_off else []
        self.due = min(dues, default=FAR)

    def _tell(self, topic: str, event: str, why: str) -> None:
        """Once for each stream, as far as that can be remembered: any name may be asked for."""
        if topic not in self._told:
            if len(self._told) >= _TOLD:
                self._told.clear()
            self._told.add(topic)
            self._say(event, {"topic": topic[:100], "why": why})
