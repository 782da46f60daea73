"""Certifying a recording: does each segment replay exactly as it happened live?"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from replay.certificate import Certificate, SegmentCertificate
from replay.hearing import Hearing
from replay.sealed import check_sealed, playable
from schemas.errors import TapeError
from tape.generations import current
from tape.layout import SegmentName, Tape
from tape.lock import is_locked
from tape.manifest import Manifest, load
from tape.prunings import Pruned, pruned
from tape.reader import discontinued, headless, holes

Progress = Callable[[float, float], None]

_STEP = 1_024  # frames between two words to ``progress``


def certify(data: Tape | Path | str, progress: Progress = lambda done, total: None) -> Certificate:
    """Certify all sealed segments of a recording.

    ``progress`` is told now and then how many frames are done, and how many there are. Raises
    NotARecording; whatever else is wrong is in the certificate.
    """
    tape = data if isinstance(data, Tape) else Tape.open(data)
    check_sealed(tape)
    away = pruned(tape)
    found, missing, damaged = _manifests(tape, away)
    manifests = playable(found, away)
    meter = _Meter(progress, sum(manifest.frames for manifest in manifests))
    return Certificate(
        segments=tuple(_certify(Hearing(tape, manifest), meter) for manifest in manifests),
        missing=tuple(missing),
        damaged=tuple(damaged),
        lost=tuple(_lost(tape, found, away)),
        notes=(*_notes(tape), *away.notes()),
    )


class _Meter:
    """Counts frames over all segments."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def count(self) -> None:
        self._done += 1
        if self._done % _STEP == 0:
            self._progress(self._done, self._total)


def _certify(hearing: Hearing, meter: _Meter) -> SegmentCertificate:
    hearing.hold(meter.count)
    return SegmentCertificate(
        name=hearing.name,
        outcome=hearing.outcome,
        frames=hearing.frames,
        rows=hearing.rows,
        checkpoints=hearing.checkpoints,
        until_seq=hearing.until_seq,
        findings=tuple(hearing.findings),
        notes=tuple(hearing.notes()),
    )


def _manifests(tape: Tape, away: Pruned) -> tuple[list[Manifest], list[str], list[str]]:
    """The generation that counts of each segment, what is said where none can be read, and where
    another one cannot."""
    found: list[Manifest] = []
    missing: list[str] = []
    damaged: list[str] = []
    there = tape.generations()
    for paths in there.values():
        try:
            found.append(current(paths))
        except TapeError as error:
            missing.append(str(error))
        else:
            one = found[-1]
            counts = tape.manifest(one.name, one.generation)
            damaged += _unreadable(path for path in paths if path != counts)
    missing += [f"segment {name}" for name in holes(found, away.gone) if name not in there]
    return found, missing, damaged


def _unreadable(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        try:
            load(path)
        except TapeError as error:
            if path.exists():  # a compaction may be at work
                yield str(error)


def _lost(tape: Tape, manifests: Sequence[Manifest], away: Pruned) -> Iterator[str]:
    for manifest in headless(manifests, away.gone):
        yield f"{manifest.name} is not where its session began; what was before is not there"
    for manifest, following in discontinued(tape, manifests, away.gone):
        yield f"{manifest.name} was to be continued by {following}, which is not there"


def _notes(tape: Tape) -> Iterator[str]:
    journals = {SegmentName.of(path) for path in tape.journals()}
    if journals:
        why = (
            "a recorder is at work"
            if is_locked(tape.root)
            else "bp-tape seal makes segments of them"
        )
        yield f"journals that are not sealed were not looked at: {len(journals)} ({why})"
