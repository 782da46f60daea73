"""Doubt is data: the rows of a recording that say what is missing or was wrong, read and paired.

Only the files of the small tables `gap`, `audit` and `clock` are read, and the first frames of a
segment, where what came before it is not there.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, TypeVar

from schemas.gaps import GapKey
from schemas.rows import Gap, Row
from tape.carried import carried
from tape.ends import Carried
from tape.layout import SegmentName, Tape
from tape.manifest import Manifest
from tape.prunings import Pruned, Pruning, pruned
from tape.reader import pruned_between, read_rows, unkept
from tape.view import seen

_HEALED = "healed"
_LIFE_CYCLES = 2  # schema of rows since which a gap row says how the gap ended

AnyRow = TypeVar("AnyRow", bound=Row)


class Hole(NamedTuple):
    """A gap from end to end, of one row or two.

    topic: None where it is of all streams.
    cause: of the row that showed it.
    ts_shown: when the frame arrived that showed it.
    since_seq, ts_since: last frame before it.
    until_seq, ts_until: frame that said it had ended, and when it had; None where it went on to the
        end of its session.
    state: how it ended, see `schemas.rows.Gap`. lasted_ns: None where that is not known.
    """

    session: str
    topic: str | None
    cause: str
    state: str
    missing: int | None
    ts_shown: int
    since_seq: int
    ts_since: int
    until_seq: int | None
    ts_until: int | None
    lasted_ns: int | None

    @property
    def healed(self) -> bool:
        """Whether nothing is missing after all."""
        return self.state == _HEALED


def read_holes(tape: Tape, manifests: Sequence[Manifest]) -> list[Hole]:
    """The gaps of all segments, each once, by session and in the order they showed.

    Gaps of rows of schema 1, which do not say how they ended, are taken to end with the frame that
    showed them. Raises TapeError for a file that cannot be read.
    """
    found: dict[str, dict[GapKey, Hole]] = {}
    away = pruned(tape)
    for session, segments in groupby(manifests, key=attrgetter("session")):
        holes = found.setdefault(session, {})
        before: Manifest | None = None
        for manifest in segments:
            if _is_apart(before, manifest, away.gone):
                _leap(holes, before, manifest, _carried(tape, manifest, away))
            before = manifest
            ended = manifest.rows_schema < _LIFE_CYCLES
            for row in read_table(tape, manifest, Gap):
                # What follows on a gap takes its place; the order stays that of the first rows.
                key, whose = GapKey.of(row), row.session or session
                its = found.setdefault(whose, {})  # of another one, if it is healed here
                its[key] = _joined(its.get(key), _hole(whose, row, ended))
    return [hole for holes in found.values() for hole in holes.values()]


def read_table(tape: Tape, manifest: Manifest, table: type[AnyRow]) -> list[AnyRow]:
    """The rows of one table of a segment, all symbols, in order of ``seq``."""
    rows = [
        row
        for entry in seen(tape, manifest.files_of(table.TABLE))
        for batch in read_rows(tape, entry)
        for row in batch
        if isinstance(row, table)
    ]
    return sorted(rows, key=attrgetter("seq"))


def _is_apart(
    before: Manifest | None, manifest: Manifest, gone: Mapping[SegmentName, Pruning]
) -> bool:
    """Whether what came before was not to be kept, or was pruned."""
    if before is None:
        only_dumps = manifest.ring is not None and manifest.number > 1
        return only_dumps or SegmentName(manifest.session, manifest.number - 1) in gone
    return unkept(before, manifest) or bool(pruned_between(before, manifest, gone))


def _carried(tape: Tape, manifest: Manifest, away: Pruned) -> Iterable[Carried]:
    """Gaps that went on when a segment began; of frames that are gone, as the log has them."""
    known = away.frames.get(manifest.name)
    if known is None or known.ends.carried is None:
        return carried(tape, manifest)
    return known.ends.carried


def _leap(
    holes: dict[GapKey, Hole],
    before: Manifest | None,
    manifest: Manifest,
    gaps: Iterable[Carried],
) -> None:
    """Between two dumps, or in what was pruned, gaps may have begun and ended. What is known of
    those that have ended goes up to the end of what was kept before."""
    going_on = {gap.key: gap for gap in gaps}
    for key, hole in holes.items():
        if hole.until_seq is None and before is not None and key not in going_on:
            holes[key] = hole._replace(until_seq=before.last_seq, ts_until=before.last_ts)
    for key, gap in going_on.items():
        began = Hole(
            manifest.session, key.topic, gap.cause, "open", gap.missing, manifest.first_ts,
            key.since_seq, gap.ts_since, None, None, None,
        )  # fmt: skip
        holes.setdefault(key, began)


def _joined(before: Hole | None, newest: Hole) -> Hole:
    """One gap of its rows so far. The row that ends it has the sum of what is missing; another one
    that does not has only what it adds."""
    if before is None:
        return newest
    if newest.until_seq is not None:
        return newest._replace(ts_shown=before.ts_shown, cause=before.cause)
    counts = [count for count in (before.missing, newest.missing) if count is not None]
    return before._replace(missing=sum(counts) if counts else None)


def _hole(session: str, row: Gap, ended: bool) -> Hole:
    """A gap as its newest row has it."""
    over = ended or row.ts_until is not None
    return Hole(
        session=session,
        topic=row.topic,
        cause=row.cause,
        state=row.state,
        missing=row.missing,
        ts_shown=row.ts_recv,
        since_seq=row.since_seq,
        ts_since=row.ts_since,
        until_seq=row.seq if over else None,
        ts_until=row.ts_recv if ended else row.ts_until,
        lasted_ns=row.lasted_ns,
    )
