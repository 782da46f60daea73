"""Single frames of a recording: replies by what was asked, heads of segments, times of receipt."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.frames import Kind
from schemas.requests import rest_symbol
from schemas.rows import Session
from tape.decoded import Decoded, Form, Mark, ints
from tape.layout import FRAMES

_TIMES = Form(("seq", "ts_recv"))
_BODIES = Form(("seq", "kind", "topic", "payload"))
_REPLIES = Form(("seq", "event", "topic"))

Seqs = dict[str, list[int]]


class Body(NamedTuple):
    """A frame without its times."""

    seq: int
    kind: str
    topic: str | None
    payload: bytes


class FramesAt:
    """Frames of some segments, found without reading those between. Raises TapeError."""

    def __init__(self, decoded: Decoded) -> None:
        self._decoded = decoded
        self._said: dict[tuple[int, str | None], Seqs] = {}  # seqs of replies, by path

    def received(self, mark: Mark) -> int | None:
        """When the newest frame of a segment up to a mark was received, ns; before its beginning
        its first one counts. None where there is none."""
        segment, seq = mark
        seq = max(seq, self._decoded.segments[segment].first_seq)
        newest: tuple[int, int] | None = None
        for lot in reversed(self._decoded.lots(segment, FRAMES)):
            if lot.first_seq > seq or (newest is not None and lot.last_seq < newest[0]):
                continue
            batch = self._decoded.batch(lot, _TIMES)
            seqs = ints(batch.column("seq"))
            position = bisect_right(seqs, seq) - 1
            if newest is None or seqs[position] > newest[0]:
                newest = seqs[position], ints(batch.column("ts_recv"))[position]
        return None if newest is None else newest[1]

    def frame(self, mark: Mark) -> Body | None:
        """The frame with this very number; None where there is none."""
        segment, seq = mark

        def make() -> Body | None:
            for lot in self._decoded.lots(segment, FRAMES):
                if lot.first_seq <= seq <= lot.last_seq:
                    for batch in self._decoded.passing(lot, _BODIES, seq, seq):
                        return next(_bodies(batch))
            return None

        return self._decoded.cache.get(("frame", *mark), make, _size)

    def keyframes(self, segment: int) -> Mapping[str, Body]:
        """The keyframes of a segment, by their stream. They stand at its head."""

        def make() -> dict[str, Body]:
            missing = self._decoded.segments[segment].kinds.get(Kind.KEYFRAME, 0)
            every = (body for batch in self._keyframes(segment) for body in _bodies(batch))
            return {body.topic or "": body for body in islice(every, missing)}

        def size(found: Mapping[str, Body]) -> int:
            return sum(map(_size, found.values()))

        return self._decoded.cache.get(("keyframes", segment), make, size)

    def _keyframes(self, segment: int) -> Iterator[pa.RecordBatch]:
        for lot in self._decoded.lots(segment, FRAMES):
            for batch in self._decoded.passing(lot, _BODIES):
                yield batch.filter(pc.equal(batch.column("kind"), Kind.KEYFRAME.value))

    def said(self, path: str, mark: Mark) -> bytes | None:
        """See `tape.history.History.said`."""
        segment, seq = mark
        symbol = rest_symbol(path)
        for index in range(segment, -1, -1):
            seqs = self._replies(index, symbol).get(path, ())
            count = bisect_right(seqs, seq) if index == segment else len(seqs)
            if count:
                return self._payload(Mark(index, seqs[count - 1]))
        for index in range(segment, len(self._decoded.segments)):
            seqs = self._replies(index, symbol).get(path, ())
            later = [found for found in seqs if index > segment or found > seq]
            if later:
                return self._payload(Mark(index, later[0]))
        return None

    def _payload(self, mark: Mark) -> bytes | None:
        found = self.frame(mark)
        return None if found is None else found.payload

    def _replies(self, segment: int, symbol: str | None) -> Seqs:
        """Seqs of the replies that are filed under a symbol, by path."""
        known = self._said.get((segment, symbol))
        if known is not None:
            return known
        if not self._decoded.segments[segment].kinds.get(Kind.REPLY):
            return {}
        lots = self._decoded.lots(segment, Session.TABLE, symbol)
        if not lots:
            return {}
        found: Seqs = {}
        for lot in lots:
            columns = (column.to_pylist() for column in self._decoded.batch(lot, _REPLIES).columns)
            for seq, event, topic in zip(*columns, strict=True):
                if event == Kind.REPLY:
                    found.setdefault(topic, []).append(seq)
        self._said[segment, symbol] = found
        return found


def _bodies(batch: pa.RecordBatch) -> Iterator[Body]:
    columns = (batch.column(name).to_pylist() for name in Body._fields)
    return map(Body._make, zip(*columns, strict=True))


def _size(body: Body | None) -> int:
    return 500 if body is None else 500 + len(body.payload)
