"""Single frames of a recording: replies by what was asked, heads of segments, times of receipt."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.frames import Kind
from schemas.requests import depth_symbol
from schemas.rows import Session
from tape.decoded import Decoded, Form, ints
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

    def received(self, segment: int, seq: int) -> int | None:
        """When the newest frame at or before a ``seq`` was received, ns; None where none is."""
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

    def frame(self, segment: int, seq: int) -> Body | None:
        """The frame with this number; None where there is none."""

        def make() -> Body | None:
            for lot in self._decoded.lots(segment, FRAMES):
                if lot.first_seq <= seq <= lot.last_seq:
                    line = self._decoded.line(lot, seq, _BODIES)
                    if line is not None:
                        return next(_bodies(line))
            return None

        return self._decoded.cache.get(("frame", segment, seq), make, _size)

    def keyframes(self, segment: int) -> Mapping[str, Body]:
        """The keyframes of a segment, which stand at its head, by their stream."""

        def make() -> dict[str, Body]:
            missing = self._decoded.segments[segment].kinds.get(Kind.KEYFRAME, 0)
            found: dict[str, Body] = {}
            for lot in self._decoded.lots(segment, FRAMES) if missing else ():
                batch = self._decoded.read(lot, _BODIES)
                kept = batch.filter(pc.equal(batch.column("kind"), Kind.KEYFRAME.value))
                found.update((body.topic or "", body) for body in _bodies(kept))
                missing -= kept.num_rows
                if missing <= 0:
                    break
            return found

        def size(found: Mapping[str, Body]) -> int:
            return sum(map(_size, found.values()))

        return self._decoded.cache.get(("keyframes", segment), make, size)

    def said(self, path: str, segment: int, seq: int) -> bytes | None:
        """Body of the newest reply to a path at or before a frame; else of the first one after it;
        None where there is none."""
        symbol = depth_symbol(path)
        for index in range(segment, -1, -1):
            seqs = self._replies(index, symbol).get(path, ())
            count = bisect_right(seqs, seq) if index == segment else len(seqs)
            if count:
                return self._payload(index, seqs[count - 1])
        for index in range(segment, len(self._decoded.segments)):
            seqs = self._replies(index, symbol).get(path, ())
            later = [found for found in seqs if index > segment or found > seq]
            if later:
                return self._payload(index, later[0])
        return None

    def _payload(self, segment: int, seq: int) -> bytes | None:
        found = self.frame(segment, seq)
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
        found = self._said[segment, symbol] = {}
        for lot in lots:
            columns = (column.to_pylist() for column in self._decoded.batch(lot, _REPLIES).columns)
            for seq, event, topic in zip(*columns, strict=True):
                if event == Kind.REPLY:
                    found.setdefault(topic, []).append(seq)
        return found


def _bodies(batch: pa.RecordBatch) -> Iterator[Body]:
    columns = (batch.column(name).to_pylist() for name in Body._fields)
    return map(Body._make, zip(*columns, strict=True))


def _size(body: Body | None) -> int:
    return 500 if body is None else 500 + len(body.payload)
