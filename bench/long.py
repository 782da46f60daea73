"""A recording of millions of frames, made in seconds: one round is sealed, and moved to the others.

It has a segment an hour, as a recorder has by default: keyframes of the books, then rounds of the
capture at its own pace. What is not as a recorder leaves it: there are no checkpoints, so that the
verdict is ``recovered``; what heads and keyframes say has no rows; texts are compressed at zstd
level 9 rather than 15, which takes a fifth of the time and reads as fast.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.pattern import Move, Pattern, Rows, pattern_of
from bench.rounds import SESSION, SPAN_NS, WALL_NS, begun, books, frames_of, growth
from market.engine import Engine
from schemas.arrow import FRAMES as FRAMES_SCHEMA
from schemas.arrow import schema
from schemas.frames import Frame, Kind, SegmentHead, to_json
from schemas.requests import depth_symbol
from schemas.rows import SCHEMA
from schemas.tables import TABLES
from tape import manifest as manifests
from tape import parquet
from tape.columns import frames_to_arrow
from tape.layout import DAY_NS, FRAMES, HOUR_NS, Part, SegmentName, Tape
from tape.manifest import FileEntry, Manifest, Verdict
from tape.parquet import PartFile
from tape.reader import segments
from tape.segment import labels, row_groups
from tape.version import FORMAT, code_version
from tests.tapes import MONO_NS, REST_URL, WS_URL, Setting

ROUNDS_AN_HOUR = HOUR_NS // SPAN_NS

_LEVEL = 9
_UNBROKEN = 1 << 60  # frames between two checkpoints


class Hour(NamedTuple):
    """A segment. head: its frames before those of its rounds. first: number of the first round."""

    name: SegmentName
    head: list[Frame]
    first: int
    rounds: int

    def moves(self, pattern: Pattern) -> Iterator[Move]:
        """Where its rounds go."""
        since = self.head[0].ts_recv - WALL_NS
        seqs = self.head[-1].seq + 1 - pattern.first_seq
        for n in range(self.rounds):
            yield Move(self.first + n, since + n * SPAN_NS, seqs + n * pattern.messages)


def record(data: Path, frames: int) -> int:
    """Make a recording with about so many messages of the venue, in whole rounds; how many."""
    recording = begun(data, Setting(session=SESSION, every=_UNBROKEN))
    opening = list(recording.frames)
    recording.roll()
    for at, text in frames_of(0):
        recording.pass_(WALL_NS + at - recording.wall)
        recording.data(text)
    tape = recording.stop()
    sealed = segments(tape)[-1]
    pattern = pattern_of(tape, sealed, growth())
    _remove(tape, sealed)
    hours = list(_hours(pattern, opening, max(round(frames / pattern.messages), 1)))
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as workers:
        list(workers.map(partial(_write, tape, pattern), hours))
    return pattern.messages * sum(hour.rounds for hour in hours)


def _remove(tape: Tape, sealed: Manifest) -> None:
    for path in (*(tape.root / entry.path for entry in sealed.files), tape.manifest(sealed.name)):
        path.unlink()


def _hours(pattern: Pattern, opening: list[Frame], rounds: int) -> Iterator[Hour]:
    """Segments behind the first one, which is that of the opening."""
    seq = opening[-1].seq + 2  # a checkpoint is between
    for index, first in enumerate(range(0, rounds, ROUNDS_AN_HOUR)):
        name = SegmentName(SESSION, 2 + index)
        head = [
            Frame(seq + n, WALL_NS + index * HOUR_NS, MONO_NS + index * HOUR_NS, 0, *content)
            for n, content in enumerate(_head(name, sorted(pattern.topics), opening, first))
        ]
        hour = Hour(name, head, first, min(ROUNDS_AN_HOUR, rounds - first))
        yield hour
        seq += len(head) + hour.rounds * pattern.messages


def _head(
    name: SegmentName, topics: Sequence[str], opening: list[Frame], number: int
) -> Iterator[tuple[Kind, str, bytes]]:
    """Kind, topic and payload of what a segment begins with: the state after an opening whose books
    are those of the beginning of a round."""
    told = SegmentHead(*name, FORMAT, code_version(), tuple(topics), WS_URL, REST_URL, SCHEMA)
    yield Kind.SEGMENT, "", to_json(told)
    bodies, engine = books(number), Engine()
    for frame in opening:
        symbol = depth_symbol(frame.topic) if frame.kind is Kind.REPLY else None
        body = frame.payload if symbol is None else bodies[symbol].encode()
        engine.feed(msgspec.structs.replace(frame, payload=body))
    for topic, state in engine.keyframes():
        yield Kind.KEYFRAME, topic, state


def _write(tape: Tape, pattern: Pattern, hour: Hour) -> None:
    """A segment, in a process of its own."""
    parquet._PAYLOAD_LEVEL = _LEVEL
    files = [_write_frames(tape, pattern, hour)]
    files += [_write_rows(tape, rows, hour, pattern) for rows in pattern.rows]
    manifests.save(_manifest(pattern, hour, files), tape)


def _write_frames(tape: Tape, pattern: Pattern, hour: Hour) -> FileEntry:
    path = tape.frames(hour.name, hour.head[0].ts_recv)
    file = PartFile(path, FRAMES_SCHEMA, labels(FRAMES, str(hour.name)))
    file.write([frames_to_arrow(hour.head, [frame.topic for frame in hour.head])])
    for move in hour.moves(pattern):
        for frames in pattern.frames:
            file.write([frames.moved(move)])
    return file.finish(tape.root, FRAMES, None)


def _write_rows(tape: Tape, rows: Rows, hour: Hour, pattern: Pattern) -> FileEntry:
    table, symbol = rows.table, rows.symbol
    path = tape.rows(hour.name, Part(table, hour.head[0].ts_recv // DAY_NS, symbol))
    file = PartFile(path, schema(TABLES[table]), labels(table, str(hour.name)))
    for group in row_groups(rows.moved(move) for move in hour.moves(pattern)):
        file.write(group)
    return file.finish(tape.root, table, symbol)


def _manifest(pattern: Pattern, hour: Hour, files: list[FileEntry]) -> Manifest:
    head, last = hour.head[0], list(hour.moves(pattern))[-1]
    rows: dict[str, int] = {}
    for entry in files[1:]:
        rows[entry.table] = rows.get(entry.table, 0) + entry.rows
    kinds = {Kind.DATA: hour.rounds * pattern.messages, Kind.KEYFRAME: len(hour.head) - 1}
    return Manifest(
        rows_schema=SCHEMA,
        code=code_version(),
        session=hour.name.session,
        number=hour.name.number,
        verdict=Verdict.RECOVERED,
        divergence=None,
        end=None,
        created=datetime.now(UTC),
        first_seq=head.seq,
        last_seq=files[0].last_seq,
        first_ts=head.ts_recv,
        last_ts=pattern.last_ts + last.ns,
        kinds={**{kind.value: count for kind, count in kinds.items()}, Kind.SEGMENT.value: 1},
        topics={topic: count * hour.rounds for topic, count in pattern.topics.items()},
        rows=rows,
        unknown={},
        frames_digest="",
        rows_digest="",
        damage=[],
        lost=None,
        files=files,
    )
