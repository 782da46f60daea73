"""Reads sealed segments back: frames in the order they arrived, rows in the order they were made.

Only what a manifest names is read. Whatever is wrong on disk is a TapeError that names the file.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from heapq import merge as merge_sorted
from itertools import chain, groupby, islice, pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import TapeError, UsageError
from schemas.frames import DUMP, Frame
from schemas.rows import Row
from schemas.tables import TABLES
from tape.batches import WHOLE, Excerpt, Group, read_lines
from tape.columns import arrow_to_frames, arrow_to_rows
from tape.generations import current
from tape.layout import FRAMES, SegmentName, Tape, generation_of
from tape.manifest import FileEntry, Manifest, Origin
from tape.outlines import Outlines
from tape.prunings import Pruning
from tape.view import seen

_FILED_ROWS = 1_024  # of a list: it is made in 1 to 2 ms

Line = TypeVar("Line")
Part = Manifest | Pruning  # a segment that is there, or is not any more

_NONE: Mapping[SegmentName, Pruning] = {}


class Filed(NamedTuple):
    """A frame, and the stream it is filed under: `tape.columns.filed_topic` as it was sealed.

    topic: None where no stream could be read from the payload.
    """

    frame: Frame
    topic: str | None


def segments(
    tape: Tape,
    sessions: Iterable[str] | None = None,
    merge: bool = False,
    generation: int | None = None,
) -> list[Manifest]:
    """Manifests of all segments, or of some sessions, by session and number.

    The entries of their files stay on disk until they are asked for.

    generation: which one of each segment, where there is such a one; the one that counts if None.

    Raises UsageError for a session or generation that is not there, TapeError for a damaged
    manifest or, unless ``merge`` is set, sessions that overlap in time: in turn would be wrong.
    """
    there, outlines = tape.generations(), Outlines(tape)
    if sessions is not None:
        names = set(sessions)
        _check_sessions(names, {name.session for name in there})
        there = {name: paths for name, paths in there.items() if name.session in names}
    if generation is None:
        found = [current(paths, outlines.read) for paths in there.values()]
    else:
        found = [outlines.read(path) for path in _of_generation(there, generation)]
    outlines.keep()
    if not merge:
        _check_overlaps(found)
    return found


def holes(
    manifests: Sequence[Manifest], gone: Mapping[SegmentName, Pruning] = _NONE
) -> list[SegmentName]:
    """Segments that are missing between others of their session. gone: those that were pruned."""
    missing: list[SegmentName] = []
    for one, following in pairwise(manifests):
        if one.session != following.session:
            continue
        parts: list[Part] = [one, *pruned_between(one, following, gone), following]
        for before, after in pairwise(parts):
            if not unkept(before, after):
                between = range(before.number + 1, after.number)
                missing.extend(SegmentName(one.session, number) for number in between)
    return missing


def pruned_between(
    one: Manifest, following: Manifest, gone: Mapping[SegmentName, Pruning]
) -> list[Pruning]:
    """Those of a session that were pruned between two others."""
    names = (SegmentName(one.session, n) for n in range(one.number + 1, following.number))
    return [gone[name] for name in names if name in gone]


def headless(
    manifests: Iterable[Manifest], gone: Container[SegmentName] = frozenset()
) -> list[Manifest]:
    """First segments of sessions that began before them, with segments that are not here. Those
    before the first dump of a ring are not missed.

    gone: those that were pruned.
    """
    first: dict[str, Manifest] = {}
    for manifest in manifests:
        first.setdefault(manifest.session, manifest)
    all_of_it = (m for m in first.values() if m.ring is None)
    late = [m for m in all_of_it if m.number > 1 or (m.first_seq > 1 and not m.damage)]
    return [m for m in late if SegmentName(m.session, m.number - 1) not in gone]


def unkept(one: Part, following: Part) -> bool:
    """Whether those in between two segments of a session were not to be kept: between two dumps of
    a ring, or before the first one of the next."""
    apart = one.session == following.session and one.number + 1 < following.number
    return apart and one.ring is not None and (one.end or "").startswith(DUMP)


def discontinued(
    tape: Tape, manifests: Sequence[Manifest], gone: Container[SegmentName] = frozenset()
) -> list[tuple[Manifest, SegmentName]]:
    """Sessions whose last segment was to be continued by one that is not there, sealed or not.

    gone: those that were pruned.
    """
    there = {*map(SegmentName.of, tape.journals()), *tape.generations()}
    last = {manifest.session: manifest for manifest in manifests}
    following = [(m, SegmentName(m.session, m.number + 1)) for m in last.values()]
    missing = [(m, name) for m, name in following if m.end == "roll" and name not in there]
    return [(m, name) for m, name in missing if name not in gone]


def read_frames(tape: Tape, manifest: Manifest, from_seq: int = 0) -> Iterator[Frame]:
    """The frames of a segment from ``from_seq`` on, in order of ``seq``, in bounded memory."""
    return frames_in(tape, seen(tape, manifest.files_of(FRAMES)), from_seq)


def frames_in(tape: Tape, files: Sequence[FileEntry], from_seq: int = 0) -> Iterator[Frame]:
    """The same of files of frames, which are in order of their first ``seq``."""
    excerpt = Excerpt(from_seq)

    def read(entry: FileEntry) -> Iterator[Frame]:
        return chain.from_iterable(read_lines(tape.root, entry, arrow_to_frames, excerpt))

    entries = [entry for entry in files if entry.last_seq >= from_seq]
    return _in_order(entries, read, attrgetter("seq"))


def read_filed(
    tape: Tape, manifest: Manifest, from_seq: int = 0, batch_rows: int = _FILED_ROWS
) -> Iterator[list[Filed]]:
    """The same as `read_frames`, with the stream of each frame, in lists of ``batch_rows`` at most.

    To make a list takes 1 to 2 ms, so that an event loop can do it in passing; the first one some
    tens of ms, as all before ``from_seq`` in its row group is unpacked, but not made into frames.
    """
    excerpt = Excerpt(from_seq, batch_rows=batch_rows)

    def read(entry: FileEntry) -> Iterator[list[Filed]]:
        return read_lines(tape.root, entry, _arrow_to_filed, excerpt)

    files = seen(tape, manifest.files_of(FRAMES))
    entries = [entry for entry in files if entry.last_seq >= from_seq]
    if _follow(entries):
        yield from chain.from_iterable(map(read, entries))
        return
    merged = _in_order(entries, lambda entry: chain.from_iterable(read(entry)), _seq_of)
    while filed := list(islice(merged, batch_rows)):
        yield filed


def seq_at(tape: Tape, manifest: Manifest, ts_recv: int) -> int | None:
    """Number of the first frame of a segment that was received at or after a time (ns, UTC).

    None where there is none. One row group is decoded, and of that only two columns.
    """
    found: int | None = None
    for entry in seen(tape, manifest.files_of(FRAMES)):
        if found is not None and entry.first_seq > found:
            break
        seq = _seq_in(tape, entry, ts_recv)
        if seq is not None and (found is None or seq < found):
            found = seq
    return found


def read_rows(tape: Tape, entry: FileEntry) -> Iterator[list[Row]]:
    """The rows of one file, some thousand at a time."""
    row = TABLES.get(entry.table)
    if row is None:
        raise TapeError(f"{entry.path}: no table {entry.table!r} is known; there are {[*TABLES]}")
    table = row

    def convert(batch: pa.RecordBatch) -> list[Row]:
        return arrow_to_rows(table, entry.symbol, batch)

    return _unless_overtaken(tape, entry, read_lines(tape.root, entry, convert))


def read_batches(
    tape: Tape, entry: FileEntry, excerpt: Excerpt = WHOLE
) -> Iterator[pa.RecordBatch]:
    """The lines of one file, of frames or rows, as columns; of a shared file the entry's own."""
    lines = read_lines(tape.root, entry, lambda batch: [batch], excerpt)
    return chain.from_iterable(_unless_overtaken(tape, entry, lines))


def _unless_overtaken(
    tape: Tape, entry: FileEntry, lines: Iterator[list[Line]]
) -> Iterator[list[Line]]:
    """Compaction may be at work, and removes files that others have read of in a manifest."""
    try:
        yield from lines
    except TapeError:
        if not _is_overtaken(tape, entry):
            raise
        path = tape.root / entry.path
        raise TapeError(f"{path} was put into another file meanwhile: run this again") from None


def _is_overtaken(tape: Tape, entry: FileEntry) -> bool:
    """Whether a file is gone that no generation that counts names, as one was compacted."""
    path = tape.root / entry.path
    if path.exists():
        return False
    there = tape.generations()
    try:
        names = [SegmentName.of(path)]
    except TapeError:  # it has the rows of several
        names = [name for name in there if path.name.startswith(f"{name.session}.")]
    found = [current(there[name]) for name in names if name in there]
    compacted = any(manifest.origin is Origin.COMPACTION for manifest in found)
    return compacted and not any(e.path == entry.path for m in found for e in m.files)


def _in_order(
    entries: Sequence[FileEntry],
    read: Callable[[FileEntry], Iterator[Line]],
    key: Callable[[Line], Any],
) -> Iterator[Line]:
    """The lines of some files of frames by ``seq``; no more files are open at a time than must be.
    What is of an account lies apart, between the others by ``seq``."""
    if _follow(entries):
        return chain.from_iterable(map(read, entries))
    sides = [[entry for entry in entries if entry.private is side] for side in (False, True)]
    if all(map(_follow, sides)):
        return merge_sorted(*(chain.from_iterable(map(read, side)) for side in sides), key=key)
    return merge_sorted(*map(read, entries), key=key)


def _follow(entries: Sequence[FileEntry]) -> bool:
    """Whether one file begins after the other ends. A wall clock that stepped back and forth over
    an hour makes files that interleave."""
    return all(one.last_seq < following.first_seq for one, following in pairwise(entries))


def _arrow_to_filed(batch: pa.RecordBatch) -> list[Filed]:
    return list(map(Filed, arrow_to_frames(batch), batch.column("topic").to_pylist()))


def _seq_of(filed: Filed) -> int:
    return filed.frame.seq


def _seq_in(tape: Tape, entry: FileEntry, ts_recv: int) -> int | None:
    """As `seq_at`, of one file."""

    def may_have(group: Group) -> bool:
        return group.last_ts is None or group.last_ts >= ts_recv

    def first(batch: pa.RecordBatch) -> list[int]:
        late = pc.greater_equal(batch.column("ts_recv").cast(pa.int64()), ts_recv)
        seq = pc.min(batch.filter(late).column("seq")).as_py()
        return [] if seq is None else [seq]

    excerpt = Excerpt(columns=("seq", "ts_recv"), groups=may_have)
    found = chain.from_iterable(read_lines(tape.root, entry, first, excerpt))
    return next(found, None)


def _check_sessions(wanted: set[str], there: set[str]) -> None:
    for name in sorted(wanted - there):
        raise UsageError(f"no session {name!r} here; there are: {', '.join(sorted(there))}")


def _of_generation(there: Mapping[SegmentName, list[Path]], wanted: int) -> list[Path]:
    found = [p for paths in there.values() for p in paths if generation_of(p) == wanted]
    if not found:
        known = sorted({generation_of(path) for paths in there.values() for path in paths})
        raise UsageError(f"no generation {wanted} here; there are: {', '.join(map(str, known))}")
    return found


def _check_overlaps(manifests: Sequence[Manifest]) -> None:
    spans = []
    for session, group in groupby(manifests, key=attrgetter("session")):
        parts = list(group)
        spans.append((min(m.first_ts for m in parts), max(m.last_ts for m in parts), session))
    for one, following in pairwise(sorted(spans)):
        if following[0] <= one[1]:
            raise TapeError(
                f"sessions {one[2]} and {following[2]} overlap in time by"
                f" {(one[1] - following[0]) / 1e9:.1f} s: play them together (bp-replay --merge),"
                " or make one recording of them (bp-tape union)"
            )
