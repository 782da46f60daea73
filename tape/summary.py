"""A recording at a glance: its manifests added up."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from schemas.frames import DUMP
from tape.forecast import Forecast, forecast, recorded
from tape.layout import Tape
from tape.lock import is_locked
from tape.manifest import Manifest
from tape.prunings import pruned
from tape.reader import discontinued, headless, holes
from tape.stored import stored_bytes
from tape.totals import Totals, add_up


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Totals over all sealed segments.

    heals: sessions that have what others lack by REST.
    first_ts, last_ts: ns since the epoch, UTC; None without a segment.
    topics: data frames per stream, ``kinds``: all frames per kind, ``rows``: rows per table.
    unknown: frames per stream or event without a handler.
    open_journals: segments not sealed; ``recording``: a recorder is writing now.
    frames_bytes, rows_bytes: on disk.
    losses: sentences, each about one segment. pruned: about what was removed on purpose.
    losses: sentences, each about one segment.
    dumps: why a ring was written, by the last segment of each dump.
    gaps: how many holes, each once however many rows it has; ``doubts`` has them by cause.
    """

    segments: int
    sessions: int
    heals: int
    verdicts: dict[str, int]
    first_ts: int | None
    last_ts: int | None
    frames: int
    frames_bytes: int
    rows_bytes: int
    gaps: int
    rejects: int
    topics: dict[str, int]
    kinds: dict[str, int]
    rows: dict[str, int]
    unknown: dict[str, int]
    open_journals: int
    recording: bool
    pruned: list[str]
    forecast: Forecast
    losses: list[str]
    dumps: dict[str, str]
    doubts: Totals


def summarize(tape: Tape, manifests: Sequence[Manifest]) -> Summary:
    """Add manifests up, and the small tables `gap`, `audit` and `clock` that they name.

    Raises TapeError where one of those cannot be read.
    """
    doubts = add_up(tape, manifests)
    away = pruned(tape)
    missing = [f"{name}: missing between its neighbours" for name in holes(manifests, away.gone)]
    missing += [f"{m.name}: its session began before it" for m in headless(manifests, away.gone)]
    ended = discontinued(tape, manifests, away.gone)
    missing += [f"{m.name}: was to be continued by {n}, which is not there" for m, n in ended]
    rows = _total(m.rows for m in manifests)
    stored = [stored_bytes(tape, m, away) for m in manifests]
    return Summary(
        segments=len(manifests),
        sessions=len({m.session for m in manifests}),
        heals=len({m.session for m in manifests if m.heals}),
        verdicts=_total({m.verdict.value: 1} for m in manifests),
        first_ts=min((m.first_ts for m in manifests), default=None),
        last_ts=max((m.last_ts for m in manifests), default=None),
        frames=sum(m.frames for m in manifests),
        frames_bytes=sum(each.frames for each in stored),
        rows_bytes=sum(each.rows for each in stored),
        gaps=sum(total.gaps for total in doubts.gaps),
        rejects=rows.get("reject", 0),
        topics=_total(m.topics for m in manifests),
        kinds=_total(m.kinds for m in manifests),
        rows=rows,
        unknown=_total(m.unknown for m in manifests),
        open_journals=len(tape.journals()),
        recording=is_locked(tape.root),
        pruned=list(away.notes()),
        forecast=forecast(tape.root, map(recorded, manifests)),
        losses=[f"{m.name}: {loss}" for m in manifests for loss in m.losses] + missing,
        dumps={
            str(m.name): m.end.removeprefix(DUMP)
            for m in manifests
            if m.end is not None and m.end.startswith(DUMP)
        },
        doubts=doubts,
    )


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))
