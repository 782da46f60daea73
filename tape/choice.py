"""What of a recording is asked for, and which lines of its files that is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.check_rows import Clock, Copy
from schemas.frames import Kind
from schemas.privacy import ABOUT_ACCOUNTS, WITH_TOPICS, Privacy
from schemas.requests import rest_symbol
from schemas.rows import BookKeyframe, Depth
from schemas.topics import Topic, depth_topic, is_private
from tape.columns import arrow_to_frames
from tape.days import part_of
from tape.layout import DAY_NS
from tape.manifest import FileEntry, Manifest
from tape.patterns import Patterns

_BOOKS = frozenset({Depth.TABLE, BookKeyframe.TABLE})
_ABOUT_NOTHING = frozenset({Clock.TABLE, Copy.TABLE})
_MAY_MATTER = [  # to what is private
    kind.value for kind in (Kind.SEGMENT, Kind.KEYFRAME, Kind.SENT, Kind.LOSS)
]
_LOWEST_TS = 2  # format since which a manifest's times are the lowest and the highest

Lines = Iterator[pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class Choice:
    """topics, symbols: those asked for; what is about no topic belongs to all topics, what is about
    no market to no symbol.

    start, until: lines received from one time up to the other, which is not in it; ns, UTC.
    public_only: nothing that is of an account, or might be.
    """

    topics: Patterns
    symbols: Patterns
    start: int
    until: int
    public_only: bool

    def file(self, entry: FileEntry) -> bool:
        """Whether any line of a file of rows may be wanted."""
        if self.public_only and (entry.private or entry.table in ABOUT_ACCOUNTS):
            return False
        day = part_of(entry).day * DAY_NS
        if day >= self.until or day + DAY_NS <= self.start or not self._symbol(entry.symbol):
            return False
        books = entry.table in _BOOKS and entry.symbol is not None
        return not books or self.topics.book(entry.symbol or "")

    def segment(self, manifest: Manifest) -> bool:
        """Whether any line of a segment may be wanted."""
        if manifest.format < _LOWEST_TS:
            return True
        return manifest.first_ts < self.until and manifest.last_ts >= self.start

    def needs_streams(self, table: str) -> bool:
        """Whether only frames say which rows of a table are wanted: of which stream they are."""
        plain = table in _BOOKS | WITH_TOPICS | _ABOUT_NOTHING
        return not (self.topics.everything or plain)

    def rows(self, table: str, symbol: str | None) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        """Takes of rows those wanted, as far as they say so themselves."""

        def pick(batch: pa.RecordBatch) -> pa.RecordBatch:
            batch = self._received(batch)
            if table in WITH_TOPICS:
                batch = _among(batch, "topic", self._topic)
            elif table in _BOOKS and not self.topics.everything:
                wants = self.topics.wants
                batch = _among(batch, "window", lambda w: wants(depth_topic(symbol or "", w or "")))
            return batch

        return pick

    def frames(self, lines: Lines) -> Lines:
        """Takes of the frames of a segment, which are in order, those wanted."""
        for batch in self._public(lines) if self.public_only else lines:
            kept = _among(self._received(batch), "topic", self._frame)
            if kept.num_rows:
                yield kept

    def streams(self, lines: Lines) -> Lines:
        """Takes of the frames of a segment those whose stream is wanted."""
        for batch in lines:
            yield _among(batch, "topic", lambda name: name is not None and self.topics.wants(name))

    def _received(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        times = batch.column("ts_recv").cast(pa.int64())
        within = pc.and_(pc.greater_equal(times, self.start), pc.less(times, self.until))
        return batch.filter(within)

    def _symbol(self, symbol: str | None) -> bool:
        return self.symbols.everything or (symbol is not None and self.symbols.wants(symbol))

    def _topic(self, topic: str | None) -> bool:
        """A stream, or the path of a request."""
        if not topic:
            return True
        if self.public_only and is_private(topic):
            return False
        if topic.startswith("/"):
            return self.topics.path(topic)
        return self.topics.wants(topic)

    def _frame(self, topic: str | None) -> bool:
        symbol = None
        if topic:
            of_stream = not topic.startswith("/")
            symbol = Topic.parse(topic).symbol or None if of_stream else rest_symbol(topic)
        return self._topic(topic) and self._symbol(symbol)

    def _public(self, lines: Lines) -> Lines:
        """Without private frames, wherever they lie: before they lay apart they did not."""
        for private, batch in marked(lines):
            yield batch.filter(pc.invert(pc.is_in(batch.column("seq"), private)))


def marked(lines: Lines) -> Iterator[tuple[pa.Array, pa.RecordBatch]]:
    """The frames of a segment, with the seqs of those that are private."""
    privacy = Privacy()
    for batch in lines:
        topics, kinds = batch.column("topic"), batch.column("kind")
        odd = pc.or_(pc.is_null(topics), pc.is_in(kinds, pa.array(_MAY_MATTER)))
        odd = pc.or_(odd, pc.fill_null(pc.starts_with(topics, "account"), False))
        some = batch.filter(odd)
        filed = zip(arrow_to_frames(some), some.column("topic").to_pylist(), strict=True)
        seqs = [frame.seq for frame, topic in filed if privacy.see(frame, topic)]
        yield pa.array(seqs, pa.int64()), batch


def _among(
    batch: pa.RecordBatch, column: str, wants: Callable[[str | None], bool]
) -> pa.RecordBatch:
    """Those lines whose word in a column is wanted; it is asked once for each word."""
    words = batch.column(column).dictionary_encode("encode")
    answers = pa.array([wants(word) for word in words.dictionary.to_pylist()], pa.bool_())
    return batch if pc.all(answers).as_py() else batch.filter(answers.take(words.indices))
