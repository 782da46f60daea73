"""Order books as of a moment of a recording: the state a segment begins with, and its depth rows.

A keyframe says with which book a segment begins; from a `clear` row on, what was before counts no
more. Then the last quantity of each level is what there is: what the engine does with the same
frames one by one, done at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from schemas import wire
from schemas.check_rows import Audit
from schemas.columns import Count, Price, Qty, Time
from schemas.frames import Kind
from schemas.requests import depth_symbol
from schemas.rows import Depth
from schemas.times import optional_micros
from schemas.topics import WINDOWS, Topic
from tape.decoded import Decoded, Form, Lot, Mark
from tape.frames_at import FramesAt
from tape.levels import Book, Levels, Stretch, fold, levels_in

_LIVE = "live"
_LEVEL_BYTES = 120  # of a level in a book
_AUDITS = Form(("seq", "topic", "levels"))


class BookAt(NamedTuple):
    """A whole book. Levels are (price in 1e-9, quantity in 1e-6), ascending by price.

    update_id: of its newest change. ts_engine: matching engine time of that, ns; None where the
    venue did not say.
    """

    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    update_id: int
    ts_engine: int | None


class _Sync(msgspec.Struct):
    state: str
    last_update_id: Count
    ts_engine: Time | None
    bids: list[tuple[Price, Qty]]
    asks: list[tuple[Price, Qty]]


class _Keyframe(msgspec.Struct):
    """What matters here of the state of a depth stream."""

    sync: _Sync


@dataclass(slots=True)
class _Folded:
    """A stream's book after all its rows up to a mark. update_id: None while it is not live."""

    mark: Mark
    book: Book
    update_id: int | None = None
    ts_engine: int | None = None


class BooksAt:
    """The books of some segments. Raises TapeError for what cannot be read."""

    def __init__(self, decoded: Decoded, frames: FramesAt) -> None:
        self._decoded = decoded
        self._frames = frames

    def book(self, symbol: str, mark: Mark) -> BookAt | None:
        """See `tape.history.History.book`."""
        for topic in _streams(symbol):
            folded = self._folded(topic, mark)
            if folded is not None and folded.update_id is not None:
                return _book_at(folded.book, folded.update_id, folded.ts_engine)
        return None

    def next_book(self, symbol: str, mark: Mark, within_ns: int) -> BookAt | None:
        """See `tape.history.History.next_book`."""
        now = self._frames.received(mark)
        if now is None:
            return None
        found = (self._next(topic, mark, now + within_ns) for topic in _streams(symbol))
        return next((book for book in found if book is not None), None)

    def _folded(self, topic: Topic, mark: Mark) -> _Folded | None:
        """None where the segment's beginning is after the mark."""
        key = ("book", topic)
        before: _Folded | None = self._decoded.cache.find(key)
        if before is None or before.mark.segment != mark.segment or before.mark.seq > mark.seq:
            before = None
        stretches, cleared = self._rows(topic, mark, before.mark.seq if before else -1)
        if cleared is not None:
            before = _Folded(mark, {})
        elif before is None:
            before = self._opening(topic, mark.segment)
            if before.mark.seq > mark.seq:
                return None
        fold(before.book, stretches)
        before.mark = mark
        if stretches:
            before.update_id, before.ts_engine = _newest(stretches)
        elif cleared is not None:
            self._join_empty(topic, before, cleared)
        self._decoded.cache.put(key, before, _LEVEL_BYTES * (10 + len(before.book)))
        return before

    def _rows(self, topic: Topic, mark: Mark, after: int) -> tuple[list[Stretch], int | None]:
        """Rows up to a mark, after a ``seq`` or the last `clear` since, whose ``seq`` is told."""
        found: list[Stretch] = []
        cleared: int | None = None
        for lot in reversed(self._lots(topic, mark.segment)):
            if lot.last_seq <= after or cleared is not None:
                break
            rows = self._levels(topic, lot) if lot.first_seq <= mark.seq else None
            if rows is None:
                continue
            start, stop = rows.upto(after), rows.upto(mark.seq)
            clear = rows.last_clear(start, stop)
            if clear is not None:
                start, cleared = clear + 1, rows.seqs[clear]
            if start < stop:
                found.append(Stretch(rows, start, stop))
        return found[::-1], cleared

    def _opening(self, topic: Topic, segment: int) -> _Folded:
        """What a segment begins with, which is after its keyframe."""
        frame = self._frames.keyframes(segment).get(str(topic))
        if frame is None:
            return _Folded(Mark(segment, 0), {})
        opening = _Folded(Mark(segment, frame.seq), {})
        try:
            sync = msgspec.json.decode(frame.payload, type=_Keyframe).sync
        except msgspec.MsgspecError:  # the engine could not read it either
            return opening
        if sync.state == _LIVE:
            opening.book.update((price * 2, qty) for price, qty in sync.bids if qty)
            opening.book.update((price * 2 + 1, qty) for price, qty in sync.asks if qty)
            opening.update_id, opening.ts_engine = sync.last_update_id, sync.ts_engine
        return opening

    def _join_empty(self, topic: Topic, folded: _Folded, cleared: int) -> None:
        """A `clear` with nothing behind it is a lost book, or one that began with no level at all,
        of which only the reply tells."""
        mark = Mark(folded.mark.segment, cleared)
        frame = self._frames.frame(mark)
        if frame is None or frame.kind != Kind.REPLY or self._differed(topic, mark):
            return
        if depth_symbol(frame.topic or "") != topic.symbol:
            return
        try:
            snapshot = _decode_snapshot(frame.payload)
        except msgspec.MsgspecError:
            return
        if not snapshot.bids and not snapshot.asks:
            folded.update_id = snapshot.lastUpdateId
            folded.ts_engine = optional_micros(snapshot.timestamp)

    def _differed(self, topic: Topic, mark: Mark) -> bool:
        """Whether a book was lost with a frame as the venue's was another."""
        for lot in self._decoded.lots(mark.segment, Audit.TABLE, topic.symbol):
            if lot.first_seq <= mark.seq <= lot.last_seq:
                columns = self._decoded.batch(lot, _AUDITS).to_pydict().values()
                if any(
                    seq == mark.seq and name == str(topic) and levels
                    for seq, name, levels in zip(*columns, strict=True)
                ):
                    return True
        return False

    def _next(self, topic: Topic, mark: Mark, until: int) -> BookAt | None:
        """The next snapshot of a stream that joins and was received by a time (ns)."""
        for after, lot in self._lots_until(topic, mark, until):
            rows = self._levels(topic, lot)
            for seq in () if rows is None else rows.joins_after(after.seq):
                joined = after._replace(seq=seq)
                received = self._frames.received(joined)
                if received is not None and received <= until:
                    return self._snapshot(topic, joined)
        return None

    def _lots_until(self, topic: Topic, mark: Mark, until: int) -> Iterator[tuple[Mark, Lot]]:
        """Lots of a stream in the session that have rows after a mark, and may have such that were
        received by a time (ns); with what they are to be after."""
        segments = self._decoded.segments
        for index in range(mark.segment, len(segments)):
            segment = segments[index]
            if segment.session != segments[mark.segment].session:
                return
            if segment.first_ts > until:
                continue
            after = mark if index == mark.segment else Mark(index, -1)
            for lot in self._lots(topic, index):
                if lot.last_seq > after.seq and (lot.first_ts is None or lot.first_ts <= until):
                    yield after, lot

    def _snapshot(self, topic: Topic, joined: Mark) -> BookAt:
        """The snapshot that joined with a frame, without what was applied on top of it."""
        found: list[Stretch] = []
        for lot in self._lots(topic, joined.segment):
            rows = self._levels(topic, lot) if lot.first_seq <= joined.seq <= lot.last_seq else None
            if rows is not None:
                found += rows.snapshot(joined.seq)
        book: Book = {}
        fold(book, found)
        return _book_at(book, *_newest(found))

    def _levels(self, topic: Topic, lot: Lot) -> Levels | None:
        return levels_in(self._decoded, lot).get(topic.variant)

    def _lots(self, topic: Topic, segment: int) -> Sequence[Lot]:
        return self._decoded.lots(segment, Depth.TABLE, topic.symbol)


_decode_snapshot = wire.decoder(wire.DepthSnapshot).decode


def _streams(symbol: str) -> Iterator[Topic]:
    """Depth streams of a market, in the order in which the engine looks for a live book."""
    return (Topic("depth", window, symbol) for window in ("", *WINDOWS))


def _newest(stretches: Sequence[Stretch]) -> tuple[int, int | None]:
    """Update id and matching engine time of the last row."""
    rows, _, stop = stretches[-1]
    return rows.update_ids[stop - 1].as_py(), rows.times[stop - 1].as_py()


def _book_at(book: Book, update_id: int, ts_engine: int | None) -> BookAt:
    levels = [(level >> 1, book[level], level & 1) for level in sorted(book)]
    bids = [(price, qty) for price, qty, ask in levels if not ask]
    asks = [(price, qty) for price, qty, ask in levels if ask]
    return BookAt(bids, asks, update_id, ts_engine)
