"""Asks the REST of a recording, and knows from the recording itself what must come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from replay.server.replies import Reply
from replay.server.rest import Rest
from replay.server.shift import Shift
from schemas.frames import Frame, Kind
from schemas.rows import Row
from tape.history import History, Mark
from tape.layout import FRAMES, Tape
from tape.manifest import Manifest
from tape.reader import read_frames, read_rows, segments

R = TypeVar("R", bound=Row)
JSON_TYPE = "application/json; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Asking:
    """A recording of one segment, and its REST. Marks are given by the number of a frame."""

    tape: Tape
    shift: Shift | None = None

    @cached_property
    def manifest(self) -> Manifest:
        """Of the only segment."""
        (found,) = segments(self.tape)
        return found

    @cached_property
    def rest(self) -> Rest:
        """What is tested."""
        return Rest(History(self.tape, [self.manifest]), self.shift)

    @cached_property
    def frames(self) -> list[Frame]:
        """All, in order; that with number n is at n - 1."""
        return list(read_frames(self.tape, self.manifest))

    @cached_property
    def last(self) -> int:
        """Number of the last frame."""
        return len(self.frames)

    @cached_property
    def rows(self) -> dict[tuple[str, str | None], list[Row]]:
        """All rows by table and market, in order."""
        found: dict[tuple[str, str | None], list[Row]] = {}
        for entry in self.manifest.files:
            if entry.table != FRAMES:
                rows = [row for batch in read_rows(self.tape, entry) for row in batch]
                found.setdefault((entry.table, entry.symbol), []).extend(rows)
        return found

    def known(self, row: type[R], symbol: str, seq: int) -> list[R]:
        """The rows of a market that were made by a frame or before."""
        rows = self.rows.get((row.TABLE, symbol), [])
        return [found for found in rows if isinstance(found, row) and found.seq <= seq]

    def now(self, seq: int) -> int:
        """When a frame arrived."""
        return self.frames[seq - 1].ts_recv

    def reply(self, target: str, seq: int | None = None) -> Reply:
        """As of a frame; of the last one without."""
        at = self.last if seq is None else seq
        return self.rest.reply(target, Mark(0, at), self.now(at))

    def body(self, target: str, seq: int | None = None) -> Any:
        """The decoded body of a reply that must be a good one, in JSON, written compactly."""
        reply = self.reply(target, seq)
        assert (reply.status, reply.content_type) == (200, JSON_TYPE), reply
        found = json.loads(reply.body)
        compact = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
        assert reply.body.decode() == compact
        return found

    def depth_frames(self, symbol: str, upto: int) -> list[dict[str, Any]]:
        """The ``data`` of the frames of a real-time depth stream, in order."""
        name = f'"stream":"depth.{symbol}"'.encode()
        frames = [frame for frame in self.frames[:upto] if frame.kind is Kind.DATA]
        return [json.loads(f.payload)["data"] for f in frames if name in f.payload]
