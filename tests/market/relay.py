"""Connections that overlap, each of which loses, delays and merges in its own way: as values."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from hypothesis import strategies as st

from schemas.frames import ConnectionClosed, ConnectionOpened, Frame, Kind, to_json
from tests.market.stamps import MONO_NS, START_NS, subscribe

MS = 1_000_000
LONGEST_MS = 900  # a connection is behind; what is later than a second is not waited for


class Runner(NamedTuple):
    """One connection, from an event to another (not brought any more), by number.

    lags: of events, ms. lost: those it does not bring. sizes: how many it merges into a frame.
    """

    begins: int
    ends: int
    lags: list[int]
    lost: frozenset[int]
    sizes: list[int]


class Race(NamedTuple):
    """times: when events happen, ms. folds: whether copies of a frame are left out, as at the
    recorder's door. looks: when a frame comes that is about no stream."""

    times: list[int]
    runners: list[Runner]
    folds: bool
    looks: list[int]


class Arrival(NamedTuple):
    """Events ``first`` up to ``last`` come on a connection; none: it is opened, or closed."""

    ms: int
    order: int  # what comes at one time: closed, opened, messages
    conn: int
    first: int = 0
    last: int = 0


CLOSED, OPENED, CAME, LOOKED = range(4)


def arrivals(race: Race) -> list[Arrival]:
    """All there is, in order of time. Events of one connection come in their order."""
    found = [Arrival(ms, LOOKED, 0) for ms in race.looks]
    for conn, runner in enumerate(race.runners, 1):
        found.append(Arrival(race.times[runner.begins], OPENED, conn))
        over = None if runner.ends >= len(race.times) else race.times[runner.ends]
        if over is not None:
            found.append(Arrival(over, CLOSED, conn))
        found += [one for one in _brought(race, conn, runner) if over is None or one.ms < over]
    return list(_folded(sorted(found))) if race.folds else sorted(found)


def _brought(race: Race, conn: int, runner: Runner) -> Iterator[Arrival]:
    at, clock, frame = runner.begins, 0, 0
    while at < len(race.times):
        size = runner.sizes[frame % len(runner.sizes)] if at else 1
        near = [n for n, ms in enumerate(race.times) if n >= at and ms <= race.times[at] + 80]
        last = near[:size][-1]
        lag = runner.lags[last % len(runner.lags)] if at else 0
        clock = max(clock, race.times[last] + lag)
        if at == 0 or last not in runner.lost:
            yield Arrival(clock, CAME, conn, at, last)
        at, frame = last + 1, frame + 1


def _folded(found: list[Arrival]) -> Iterator[Arrival]:
    seen: set[tuple[int, int]] = set()
    for one in found:
        if one.order != CAME or (one.first, one.last) not in seen:
            yield one
        if one.order == CAME:
            seen.add((one.first, one.last))


def holes(found: list[Arrival]) -> list[tuple[int, int]]:
    """First and last of each stretch of events that no connection brought, up to the newest."""
    came = {at for one in found if one.order == CAME for at in range(one.first, one.last + 1)}
    return [(a + 1, b - 1) for a, b in pairwise(sorted(came)) if b > a + 1]


@st.composite
def races(draw: st.DrawFn, *, merges: bool) -> Race:
    """The next connection is opened before one is closed, which is a hand-over or a spare."""
    steps = draw(st.lists(st.sampled_from([1, 1, 20, 300, 1_500]), min_size=3, max_size=24))
    times = [10 + sum(steps[:at]) for at in range(len(steps))]
    runners: list[Runner] = []
    count, begins, ends = len(times), 0, 0
    while ends < count and len(runners) < 4:
        last = len(runners) == 3
        ends = count if last else max(ends + 1, draw(st.integers(begins + 1, count)))
        runners.append(draw(_runner(begins, ends, count, merges)))
        begins = draw(st.integers(begins, ends - 1))
    runners.append(draw(_runner(begins, count, count, merges)))
    looks = draw(st.lists(st.integers(0, times[-1]), max_size=4))
    return Race(times, runners, draw(st.booleans()), looks)


def _runner(begins: int, ends: int, count: int, merges: bool) -> st.SearchStrategy[Runner]:
    sizes = st.integers(1, 3 if merges else 1)
    lags = st.sampled_from([0, 0, 1, 30, LONGEST_MS])
    return st.builds(
        Runner,
        st.just(begins),
        st.just(ends),
        st.lists(lags, min_size=1, max_size=8),
        st.frozensets(st.integers(0, count), max_size=6),
        st.lists(sizes, min_size=1, max_size=5),
    )


class Taper:
    """Frames of arrivals, with their times."""

    def __init__(self, *topics: str) -> None:
        self.frames: list[Frame] = []
        self._topics = topics

    def note(self, ms: int, kind: Kind, payload: bytes, conn: int = 0, topic: str = "") -> None:
        """One more frame."""
        seq, ns = len(self.frames) + 1, ms * MS
        self.frames.append(Frame(seq, START_NS + ns, MONO_NS + ns, conn, kind, topic, payload))

    def open(self, ms: int, conn: int) -> None:
        """And subscribe."""
        self.note(ms, Kind.OPEN, to_json(ConnectionOpened("wss://venue")), conn)
        self.note(ms, Kind.SENT, subscribe(*self._topics), conn)

    def close(self, ms: int, conn: int) -> None:
        """It ends."""
        self.note(ms, Kind.CLOSE, to_json(ConnectionClosed(1006, "")), conn)
