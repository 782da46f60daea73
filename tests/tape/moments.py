"""What was known at each moment of a recording, by a reader who goes through all of it each time.

The books are those of `replay.Replay`, fed frame by frame.
"""

from collections.abc import Iterator
from itertools import chain

from market.book import Book, BookSide
from replay import Replay
from schemas.frames import Frame, Kind
from schemas.rows import Depth, Row
from schemas.topics import Topic
from tape.columns import filed_topic
from tape.history import BookAt, Mark
from tape.layout import Tape
from tape.reader import read_frames, read_rows, segments

Found = tuple[int, Row]  # with its segment
WINDOWS = ("", "200ms", "600ms", "1000ms")


class Moments:
    """A recording, read from end to end.

    frames: with the marks that stand after them.
    rows: of each table and symbol, in the order they were made, with their segments.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.segments = segments(tape)
        self.frames: list[tuple[Mark, Frame]] = []
        self.rows: dict[tuple[str, str | None], list[Found]] = {}
        for index, segment in enumerate(self.segments):
            self.frames += [(Mark(index, f.seq), f) for f in read_frames(tape, segment)]
            entries = [entry for entry in segment.files if entry.table != "frames"]
            rows = chain.from_iterable(chain.from_iterable(read_rows(tape, e) for e in entries))
            for row in sorted(rows, key=lambda row: row.seq):
                self.rows.setdefault((row.TABLE, row.symbol), []).append((index, row))

    def until(self, row: type[Row], symbol: str | None, mark: Mark) -> list[Row]:
        """All rows at or before a mark."""
        found = self.rows.get((row.TABLE, symbol), [])
        return [row for index, row in found if (index, row.seq) <= mark]

    def books(self, near: int = 2**63) -> Iterator[tuple[Mark, dict[str, BookAt | None]]]:
        """The books of all markets after each frame, or after those near one that begins or ends a
        book, and a few others."""
        replay = Replay(self.tape.root)
        topics = map(Topic.parse, replay.recorded_topics)
        turns = {row.seq for row in self._every(Depth) if getattr(row, "action") == "clear"}  # noqa: B009
        symbols = sorted({topic.symbol for topic in topics if topic.channel == "depth"})
        for (mark, expected), (frame, _) in zip(self.frames, replay.frames(), strict=True):
            assert frame == expected
            if min((abs(seq - mark.seq) for seq in turns), default=0) <= near or not mark.seq % 97:
                yield mark, {symbol: _copy(replay.book(symbol)) for symbol in symbols}

    def _every(self, row: type[Row]) -> Iterator[Row]:
        return (r for (table, _), rows in self.rows.items() if table == row.TABLE for _, r in rows)

    def next_book(self, symbol: str, mark: Mark, within_ns: int) -> BookAt | None:
        """By all depth rows of the session behind the mark."""
        session = self.segments[mark.segment].session
        received = next(frame.ts_recv for place, frame in self.frames if place == mark)
        behind = [
            (index, row)
            for index, row in self.rows.get((Depth.TABLE, symbol), [])
            if (index, row.seq) > mark and self.segments[index].session == session
        ]
        for window in WINDOWS:
            snapshots = [
                (index, row)
                for index, row in behind
                if isinstance(row, Depth) and row.action == "snapshot" and row.window == window
                if row.ts_recv - received <= within_ns
            ]
            joined = [row for index, row in snapshots if (index, row.seq) == _place(snapshots[0])]
            if joined:
                return _book_of(joined)
        return None

    def said(self, path: str, mark: Mark) -> bytes | None:
        """By all frames."""
        replies = [
            (place, frame.payload)
            for place, frame in self.frames
            if frame.kind is Kind.REPLY and frame.topic == path
        ]
        before = [body for place, body in replies if place <= mark]
        after = [body for place, body in replies if place > mark]
        return before[-1] if before else after[0] if after else None

    def filed(self, segment: int, from_seq: int) -> list[tuple[Frame, str | None]]:
        """Frames of a segment, with the streams their payloads tell of."""
        frames = [frame for mark, frame in self.frames if mark.segment == segment]
        return [(frame, filed_topic(frame)) for frame in frames if frame.seq >= from_seq]

    def seq_at(self, segment: int, ts_recv: int) -> int | None:
        """The first frame of a segment received at or after a time."""
        frames = (frame for mark, frame in self.frames if mark.segment == segment)
        return next((frame.seq for frame in frames if frame.ts_recv >= ts_recv), None)


def _place(found: Found) -> tuple[int, int]:
    index, row = found
    return index, row.seq


def _copy(book: Book | None) -> BookAt | None:
    if book is None:
        return None
    sides = _ascending(book.bids), _ascending(book.asks)
    return BookAt(*sides, book.last_update_id, book.ts_engine)


def _ascending(side: BookSide) -> list[tuple[int, int]]:
    return sorted((level.price, level.qty) for level in side.top())


def _book_of(rows: list[Depth]) -> BookAt:
    sides: dict[str | None, dict[int, int]] = {"bid": {}, "ask": {}}
    for row in rows:
        assert row.price is not None
        assert row.qty is not None
        sides[row.side][row.price] = row.qty
    bids, asks = ([(p, q) for p, q in sorted(sides[side].items()) if q] for side in ("bid", "ask"))
    last = rows[-1]
    assert last.last_update_id is not None
    return BookAt(bids, asks, last.last_update_id, last.ts_engine)
