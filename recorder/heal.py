"""Heals a recording that nobody writes to: what it lacks of trades is asked for by REST.

What is sealed is not touched. What REST says becomes a session of its own, whose keyframes tell the
engine what is missing, so that it makes of the replies what it had made while recording.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec

from market.engine import Engine
from market.gaps import Hole, Seen
from market.missing import Missing
from market.trades import TradeState
from recorder.intake import Intake
from recorder.missing_trades import MissingTrades
from recorder.rest import Rest
from recorder.session import new_session
from recorder.stamp import Clock, now
from schemas.errors import TapeError
from schemas.frames import Frame, Kind, SegmentHead
from schemas.rows import SCHEMA, Reject, Row, Trade
from tape.journal import JournalWriter
from tape.lacking import Lack
from tape.layout import SegmentName, Tape
from tape.manifest import Manifest
from tape.seal import seal_alone
from tape.version import FORMAT, code_version

MOST_RANGES = 90  # of a stream in a segment: the engine gives up the oldest of more than 100

Progress = Callable[[int, int], None]


class Piece(NamedTuple):
    """A gap, or some of its ranges, where it has too many for one segment: then the last of its
    segments knows what of the others has come."""

    lack: Lack
    ranges: Sequence[tuple[int, int]]

    @property
    def topic(self) -> str:
        return self.lack.topic


class Heal:
    """One session that heals others; call `run` once, while the folder is locked.

    left: how many trades are missing still, by topic; troubles: what REST failed with, and what
    was wrong with its replies.
    """

    def __init__(self, tape: Tape, rest: Rest, show: Progress, clock: Clock = now) -> None:
        self.left: dict[str, int] = {}
        self.troubles: list[str] = []
        self._tape = tape
        self._rest = rest
        self._show = show
        self._clock = clock
        self._came: Counter[Lack] = Counter()
        self._seq = self._done = self._total = 0

    async def run(self, lacks: Sequence[Lack]) -> list[Manifest]:
        """Ask for all of it; the segments that came of it. Raises TapeError where one cannot be
        sealed, OSError where the disk refuses."""
        session = new_session(self._tape, self._clock()).name
        self._total = sum(lack.left for lack in lacks)
        rounds = list(_rounds(lacks))
        made = []
        for number, some in enumerate(rounds, 1):
            end = "stop" if number == len(rounds) else "roll"
            made.append(await self._segment(SegmentName(session, number), some, end))
        return made

    async def _segment(self, name: SegmentName, pieces: Sequence[Piece], end: str) -> Manifest:
        """One segment, which replays alone."""
        path = self._tape.journal(name)
        journal = JournalWriter(path)
        intake = Intake(lambda request: None, clock=self._clock)
        intake.seq = self._seq
        intake.begin(self._head(name), journal)
        streams = {t: list(some) for t, some in groupby(pieces, key=attrgetter("topic"))}
        for topic, some in streams.items():
            intake.take(Kind.KEYFRAME, self._state(some), topic=topic)
        for topic, some in streams.items():
            await self._stream(topic, some, intake)
            journal.flush()
        intake.end(end)
        journal.close()
        self._seq = intake.seq
        sealed = seal_alone(path, self._tape, Engine())
        if sealed is None:
            raise TapeError(f"{path} was sealed by somebody else")
        return sealed

    async def _stream(self, topic: str, pieces: Sequence[Piece], intake: Intake) -> None:
        ranges = [span for piece in pieces for span in piece.ranges]
        missing = MissingTrades(pieces[0].lack.symbol, ranges)
        listeners = (missing.see, self._doubt, partial(self._count, pieces))
        intake.listeners += listeners
        before = missing.left
        while (path := missing.path()) is not None:
            await self._rest.turn()
            intake.take(Kind.REQUEST, b"", topic=path)
            reply = await self._rest.get(path)
            intake.take(*reply.taped, topic=path)
            if reply.failure is not None:
                self.troubles.append(f"{path}: {reply.failure.status} {reply.failure.error}")
            self._show(self._done + before - missing.left, self._total)
        self._done += before
        self.left[topic] = self.left.get(topic, 0) + missing.left
        for listener in listeners:
            intake.listeners.remove(listener)

    def _count(self, pieces: Sequence[Piece], frame: Frame, rows: list[Row]) -> None:
        """What has come of each gap."""
        del frame
        ids = [row.trade_id for row in rows if isinstance(row, Trade)]
        for lack, ranges in pieces:
            self._came[lack] += sum(a <= number <= b for number in ids for a, b in ranges)

    def _state(self, pieces: Sequence[Piece]) -> bytes:
        """Keyframe of a stream of which this is missing, and nothing else is known."""
        missing = [
            Missing(_hole(lack), lack.left - self._came[lack], list(ranges))
            for lack, ranges in pieces
        ]
        last = pieces[-1].lack
        newest = Seen(last.received_id, last.since_seq, last.ts_since, None, last.ts_engine_since)
        state = TradeState(0, newest, last.ts_engine_since or 0, 0, missing=missing)
        return msgspec.json.encode(state)

    def _doubt(self, frame: Frame, rows: list[Row]) -> None:
        """The first thing in a reply that could not be."""
        rejected = next((row for row in rows if isinstance(row, Reject)), None)
        if rejected is not None:
            self.troubles.append(f"{frame.topic}: {rejected.reason}: {rejected.detail}")

    def _head(self, name: SegmentName) -> SegmentHead:
        return SegmentHead(
            session=name.session,
            number=name.number,
            format=FORMAT,
            code=code_version(),
            topics=(),
            ws_url="",
            rest_url=self._rest.base_url,
            rows_schema=SCHEMA,
            heals=True,
        )


def _rounds(lacks: Iterable[Lack]) -> Iterator[list[Piece]]:
    """For each segment some of each stream."""
    streams = [list(_portions(some)) for _, some in groupby(lacks, key=attrgetter("topic"))]
    while any(streams):
        yield [piece for portions in streams if portions for piece in portions.pop(0)]


def _portions(lacks: Iterable[Lack]) -> Iterator[list[Piece]]:
    """Of one stream, as much as the engine remembers."""
    portion: list[Piece] = []
    size = 0
    for lack in lacks:
        for at in range(0, len(lack.ranges), MOST_RANGES):
            some = lack.ranges[at : at + MOST_RANGES]
            if size + len(some) > MOST_RANGES:
                yield portion
                portion, size = [], 0
            portion.append(Piece(lack, some))
            size += len(some)
    if portion:
        yield portion


def _hole(lack: Lack) -> Hole:
    since = Seen(lack.expected_id - 1, lack.since_seq, lack.ts_since, None, lack.ts_engine_since)
    return Hole(lack.cause, since, lack.expected_id, lack.received_id, lack.missing, lack.session)
