"""Lines of several sources in one order, as columns and in bounded memory."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tape.decoded import ints


class Source(NamedTuple):
    """A file, or files one after another, whose lines are in order of a column of integers.

    first: none of it is lower; it is opened no sooner than another one comes there.
    read: its batches, of which none is empty.
    """

    first: int
    read: Callable[[], Iterator[pa.RecordBatch]]


def confluence(sources: Sequence[Source], column: str = "seq") -> Iterator[pa.RecordBatch]:
    """The lines of all sources by a column; those that are equal there in the order of the sources,
    and within one as they stand. Of each source that is open a batch is in memory."""
    waiting = sorted(enumerate(sources), key=lambda item: item[1].first)
    running: dict[int, _Stream] = {}
    while waiting or running:
        horizon = min((stream.last for stream in running.values()), default=None)
        while waiting and (horizon is None or waiting[0][1].first <= horizon):
            number, source = waiting.pop(0)
            stream = _Stream(source.read(), column)
            if not stream.is_over:
                running[number] = stream
                horizon = stream.last if horizon is None else min(horizon, stream.last)
        if horizon is not None:
            parts = [part for at in sorted(running) for part in running[at].upto(horizon)]
            yield _sorted(parts, column)
        running = {number: stream for number, stream in running.items() if not stream.is_over}


class _Stream:
    """The batches of one source, one at a time.

    is_over: there is none any more. last: of the batch there is.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch], column: str) -> None:
        self._batches = batches
        self._column = column
        self._at = 0
        self._places: Sequence[int] = ()
        self.last = 0
        self._next()

    def upto(self, place: int) -> Iterator[pa.RecordBatch]:
        """Take the lines up to a place, which may go on in further batches."""
        while not self.is_over and self._places[self._at] <= place:
            stop = bisect_right(self._places, place, self._at)
            yield self._batch.slice(self._at, stop - self._at)
            self._at = stop
            if stop == len(self._places):
                self._next()

    def _next(self) -> None:
        batch = next(self._batches, None)
        self.is_over = batch is None
        if batch is not None:
            self._batch, self._at = batch, 0
            self._places = ints(batch.column(self._column))
            self.last = self._places[-1]


def _sorted(parts: Sequence[pa.RecordBatch], column: str) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    (whole,) = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return whole.take(pc.sort_indices(whole.column(column)))  # which is stable
