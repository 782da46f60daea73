"""Replay: a recording as it happened, row by row, with the books as they stood."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from functools import cached_property

from market.book import Book
from market.state import Channels, State
from replay.pace import Clock, Pace, SystemClock, Waiter
from replay.sealed import opened
from replay.selection import Selection
from replay.strand import Span, Strand
from replay.weave import strands, together, woven
from schemas.errors import TopicError, UsageError
from schemas.frames import Frame
from schemas.rows import Row
from schemas.topics import depth_topic, is_private
from tape.layout import Tape
from tape.moment import moment, stamp
from tape.patterns import nearest
from tape.prunings import Pruned
from tape.recorded import depth_markets, recorded_topics
from tape.recordings import Folders

Event = tuple[Frame, list[Row]]
Moment = int | str

_ALWAYS = Span(0, 2**63 - 1)


class Replay:
    """Plays a recording; iterate it with ``for`` or ``async for``, as often as you like.

    >>> replay = Replay("data/tape", topics=["*.SOL_USDC"], start="06:30")  # doctest: +SKIP
    >>> for row in replay:  # doctest: +SKIP
    ...     print(row, replay.book("SOL_USDC"))

    data: folder that bp-record wrote to, alone or as several shards; or several such folders, which
        are played together.
    speed: None gives rows as fast as they can be made, 1 as fast as they happened, 10 ten times as
        fast. A consumer that falls behind is not waited for; what follows still comes on time.
    topics: patterns such as ``depth.*``, ``*.SOL_USDC``, ``trade.*_PERP``; None is everything. What
        is about no topic (connections, error replies, unreadable frames) is always there.
    start, until: the first frame received at or after ``start`` is the first given out, with all
        books in place; the next one received at or after ``until`` ends the replay. ISO 8601 in
        UTC, a time of day on the recording's first day, or ns since the epoch.
    merge: play sessions of one recorder that overlap in time together, by time of receipt; else
        they are an error. ``seq`` then orders the rows of each session only. The wall clock says
        when each session began, its monotonic clock what followed, so that a clock that was set
        disturbs nothing.
    generation: which one of each segment, as `bp-tape ls` has them; None is the one that counts.
        All have the same frames.
    clock: another one than the computer's, for tests.

    segments: manifests of all sealed segments, whether or not they are played, but for those whose
        frames were pruned. notes: what that was, and which shards are not there.
    recordings: of each folder, in the order in which they are named or numbered. Where the folder
        ``account`` of one is not there, or may not be read, all else is played, and ``tape.public``
        of it says so. tape, pruned: of the first of them, the only one but for shards.
    span: start and until in ns since the epoch, or bounds that nothing reaches.
    session: of the frame given out last; empty before the first.
    state: what else than books a client would ask for, at the row in hand and of its session; of
        streams that are not selected it knows nothing.

    Rows come in order of ``seq``, those of one frame in the order they were made. Shards are played
    together as with ``merge``, each with an engine of its own. Raises
    NotARecording, TopicError or another UsageError for what cannot be played, and TapeError, also
    while iterating, for what cannot be read.
    """

    def __init__(
        self,
        data: Folders = "data/tape",
        *,
        speed: float | None = None,
        topics: Iterable[str] | None = None,
        start: Moment | None = None,
        until: Moment | None = None,
        merge: bool = False,
        generation: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.recordings, self.notes = opened(data, merge, generation)
        self.segments = tuple(m for each in self.recordings for m in each.segments)
        self.span = _span(Span(self.first_ts, self.last_ts), start, until)
        self._selection = Selection(topics)
        self._selection.check(self.recorded_topics)
        self._speed = speed
        if speed is not None:
            Pace(speed)  # raises for what is no speed
        self._merge = merge
        self._clock = clock or SystemClock()
        self.session = ""
        self._playing: Sequence[Strand] = ()
        self.state = State(self._channels)
        self._markets = depth_markets(self.recorded_topics)

    @property
    def tape(self) -> Tape:
        return self.recordings[0].tape

    @property
    def pruned(self) -> Pruned:
        return self.recordings[0].away

    @cached_property
    def recorded_topics(self) -> list[str]:
        """Streams that were recorded and are there to be played, selected or not."""
        found: set[str] = set()
        for tape, segments, _ in self.recordings:
            recorded = recorded_topics(segments)
            found.update(name for name in recorded if not (tape.public and is_private(name)))
        return sorted(found)

    @property
    def first_ts(self) -> int:
        """When the recording begins, ns since the epoch, UTC."""
        return min(segment.first_ts for segment in self.segments)

    @property
    def last_ts(self) -> int:
        """When it ends."""
        return max(segment.last_ts for segment in self.segments)

    def __iter__(self) -> Iterator[Row]:
        for _, rows in self.frames():
            yield from rows

    async def __aiter__(self) -> AsyncIterator[Row]:
        async for _, rows in self.aframes():
            for row in rows:
                yield row

    def frames(self) -> Iterator[Event]:
        """Each selected frame with the selected rows it makes; many make none. And any other frame
        that makes some, as a bookTicker does that finds a selected book to be wrong."""
        waiter = Waiter(self._clock)
        for due, strand, frame in self._beats():
            if due is not None:
                waiter.wait(due)
            rows = strand.feed(frame)
            if rows is not None:
                yield frame, rows

    async def aframes(self) -> AsyncIterator[Event]:
        """As ``frames``. Other tasks run during the waits, and now and then without any."""
        waiter = Waiter(self._clock)
        for due, strand, frame in self._beats():
            await waiter.wait_async(due)
            rows = strand.feed(frame)
            if rows is not None:
                yield frame, rows

    def book(self, symbol: str) -> Book | None:
        """The book of a market after the frame given out last; None while it is not live.

        It is the engine's own and goes on changing: read it, and copy what is to be kept. Where a
        market has several depth streams, the real-time one comes first. Raises TopicError
        for a market whose depth was not recorded or not selected.
        """
        if symbol not in self._markets or not self._selection.book(symbol):
            raise self._no_book(symbol)
        books = (strand.engine.book(symbol) for strand in self._playing)
        return next((book for book in books if book is not None), None)

    def _beats(self) -> Iterator[tuple[int | None, Strand, Frame]]:
        """When a frame is due, its strand, and the frame.

        It is fed by the drivers, once it is due: until then nobody may see the book after it.
        """
        pace = None if self._speed is None else Pace(self._speed)
        found = strands(self.recordings, self._selection)
        several = self._merge or len(self.recordings) > 1
        for group in together(found) if several else ([strand] for strand in found):
            self._playing = group
            for strand, frame in woven(group, self.span):
                due = None if pace is None else pace.due(frame, group[0].session, strand.zero)
                self.session = strand.session
                yield due, strand, frame

    def _channels(self) -> Channels:
        """Of the session that the frame given out last is of."""
        playing = (strand for strand in self._playing if strand.session == self.session)
        return next((strand.engine.channels for strand in playing), {})

    def _no_book(self, symbol: str) -> TopicError:
        if symbol in self._markets:
            patterns = ", ".join(self._selection.patterns)
            return TopicError(
                f"the book of {symbol} is made of {depth_topic(symbol)}, which the topics asked for"
                f" ({patterns}) leave out"
            )
        near = nearest(symbol, self._markets)
        where = ", ".join(str(each.tape.root) for each in self.recordings)
        return TopicError(f"no depth of {symbol!r} was recorded in {where}; {near}")


def _span(recorded: Span, start: Moment | None, until: Moment | None) -> Span:
    """What is asked for of what was recorded, from its first frame to its last."""
    first, last = recorded
    span = Span(
        _ALWAYS.start if start is None else moment(start, first),
        _ALWAYS.until if until is None else moment(until, first),
    )
    if span.until <= span.start:
        raise UsageError(f"until {stamp(span.until)} is not after start {stamp(span.start)}")
    if span.start > last or span.until <= first:
        raise UsageError(
            f"nothing was recorded then: this recording runs from {stamp(first)} to {stamp(last)}"
        )
    return span
