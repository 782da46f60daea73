"""Rows by the frames that they were made of, batch by batch."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc


def of_frames(
    lines: Iterator[pa.RecordBatch], frames: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Rows that were made of some frames; both in order."""
    known = _Seqs(batch.column("seq") for batch in frames)
    for batch in lines:
        yield batch.filter(pc.is_in(batch.column("seq"), known.upto(batch)))


def not_of(
    lines: Iterator[pa.RecordBatch], private: Iterator[pa.Array]
) -> Iterator[pa.RecordBatch]:
    """Rows that were not made of some frames."""
    known = _Seqs(private)
    for batch in lines:
        yield batch.filter(pc.invert(pc.is_in(batch.column("seq"), known.upto(batch))))


class _Seqs:
    """Seqs of frames, in order; read on as they are asked for."""

    def __init__(self, arrays: Iterator[pa.Array]) -> None:
        self._arrays = arrays
        self._kept: list[pa.Array] = []

    def upto(self, batch: pa.RecordBatch) -> pa.Array:
        """At least all from the first line of a batch to its last; batches come in order."""
        seqs = batch.column("seq")
        first, last = (seqs[at].as_py() if len(seqs) else 0 for at in (0, -1))
        self._kept = [kept for kept in self._kept if kept[-1].as_py() >= first]
        while not self._kept or self._kept[-1][-1].as_py() < last:
            following = next(self._arrays, None)
            if following is None:
                break
            if len(following):
                self._kept.append(following)
        return pa.concat_arrays([pa.array([], pa.int64()), *self._kept])
