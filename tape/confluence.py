"""Lines of several files in one order, as columns and in bounded memory."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tape.decoded import ints


class Source(NamedTuple):
    """A file whose lines are in order of ``seq``.

    first_seq: none is lower; it is opened no sooner than another one comes there.
    read: its batches, of which none is empty.
    """

    first_seq: int
    read: Callable[[], Iterator[pa.RecordBatch]]


def confluence(sources: Sequence[Source]) -> Iterator[pa.RecordBatch]:
    """The lines of all files by ``seq``; those of one ``seq`` in the order of the files, and within
    a file as they stand. Of each file that is open a batch is in memory."""
    waiting = sorted(enumerate(sources), key=lambda item: item[1].first_seq)
    running: dict[int, _Stream] = {}
    while waiting or running:
        horizon = min((stream.last_seq for stream in running.values()), default=None)
        while waiting and (horizon is None or waiting[0][1].first_seq <= horizon):
            number, source = waiting.pop(0)
            stream = _Stream(source.read())
            if not stream.is_over:
                running[number] = stream
                horizon = stream.last_seq if horizon is None else min(horizon, stream.last_seq)
        if horizon is not None:
            yield _sorted([part for at in sorted(running) for part in running[at].upto(horizon)])
        running = {number: stream for number, stream in running.items() if not stream.is_over}


class _Stream:
    """The batches of one file, one at a time.

    is_over: there is none any more. last_seq: of the batch there is.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._at = 0
        self._seqs: Sequence[int] = ()
        self.last_seq = 0
        self._next()

    def upto(self, seq: int) -> Iterator[pa.RecordBatch]:
        """Take the lines up to a ``seq``, which may go on in further batches."""
        while not self.is_over and self._seqs[self._at] <= seq:
            stop = bisect_right(self._seqs, seq, self._at)
            yield self._batch.slice(self._at, stop - self._at)
            self._at = stop
            if stop == len(self._seqs):
                self._next()

    def _next(self) -> None:
        batch = next(self._batches, None)
        self.is_over = batch is None
        if batch is not None:
            self._batch, self._at = batch, 0
            self._seqs = ints(batch.column("seq"))
            self.last_seq = self._seqs[-1]


def _sorted(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    (whole,) = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return whole.take(pc.sort_indices(whole.column("seq")))  # which is stable
